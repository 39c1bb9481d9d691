#!/usr/bin/env bash
# Installs a Docker engine from Debian's packages and starts it, where none answers; as root, on machines that are made for one
# run, such as a CI job's. It returns when the engine answers, and leaves it running.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }
fail() { echo "engine: $*" >&2; exit 1; }

if answers; then exit 0; fi
[ "$(id -u)" = 0 ] || fail "an engine needs root"
if ! command -v dockerd >/dev/null || ! command -v debootstrap >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends docker.io iptables debootstrap >/dev/null
fi
if answers; then exit 0; fi # the package may have started it

log=$(mktemp --suffix=.dockerd.log)
setsid dockerd >"$log" 2>&1 </dev/null &
pid=$!
for _ in $(seq 60); do
    if answers; then
        echo "engine: $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), process $pid, log $log"
        exit 0
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
done
tail -n 5 "$log" >&2
fail "dockerd does not answer; its log is $log"
