#!/usr/bin/env bash
# The tutorial of TensorFlow Serving's users, run and checked: serve a model, ask it, add versions, label and release them.
#
#   examples/tutorial.sh [SERVER]       default: bin/tensorflow_model_server
#
# Prints each command and its answer; ends with 1 at the first answer that is not the right one. Needs curl and python3.
# The models are copied to a temporary folder, and the server listens on a port that is free.
set -euo pipefail
cd "$(dirname "$0")/.."

SERVER=${1:-bin/tensorflow_model_server}
PYTHON=${PYTHON:-python3}
PATIENCE=${PATIENCE:-30} # seconds to wait for something that is to happen
LINE=2.9  # what version 1 of the regression model, a straight line, says of x = 5; within 0.2
CURVE=0.6 # what version 2 says

pid=
work=$(mktemp -d)
finish() {
    local code=$?
    trap - EXIT
    if [ -n "$pid" ]; then kill -KILL "$pid" && wait "$pid"; fi 2>/dev/null || true
    [ "$code" = 0 ] || { echo "--- the server's last words:"; tail -n 20 "$work/log" 2>/dev/null || true; }
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    echo "WRONG: $*"
    exit 1
}

port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port/v1/models

# start FLAG... starts the server and waits until every model is available.
start() {
    echo "\$ $SERVER --rest_api_port=$port $* &"
    "$SERVER" --port=0 --rest_api_port="$port" --file_system_poll_wait_seconds=1 "$@" >>"$work/log" 2>&1 &
    pid=$!
    local until=$((SECONDS + PATIENCE))
    until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do
        kill -0 "$pid" 2>/dev/null || fail "the server ended"
        [ $SECONDS -lt $until ] || fail "not ready: $(curl -s "http://127.0.0.1:$port/readyz")"
        sleep 0.1
    done
}

# stop ends the server as a service manager does; it must end by itself, and with 0.
stop() {
    echo "\$ kill -TERM %1"
    kill -TERM "$pid"
    local code=0
    wait "$pid" || code=$?
    pid=
    [ $code = 0 ] || fail "the server ended with $code"
}

# ask PATH [BODY] sets status and answer.
ask() {
    local body=()
    [ $# -lt 2 ] || body=(-d "$2")
    answer=$(curl -s -m 20 -w '\n%{http_code}' "${body[@]}" "$url$1") || fail "no answer from $url$1"
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
}

# holds CONDITION evaluates a Python expression over `status`, `a` (the answer) and a few helpers.
holds() {
    STATUS=$status ANSWER=$answer "$PYTHON" - "$1" 2>/dev/null <<'PYTHON'
import json, os, sys
status, a = int(os.environ["STATUS"]), json.loads(os.environ["ANSWER"])

def near(values, *wanted):
    """The values of a [n, 1] tensor, each within 0.2."""
    return len(values) == len(wanted) and all(abs(v[0] - w) < 0.2 for v, w in zip(values, wanted))

def states():
    return {int(v["version"]): v["state"] for v in a["model_version_status"]}

sys.exit(not eval(sys.argv[1]))
PYTHON
}

# shown prints the request and its answer, which is cut where it is long.
shown() {
    if [ $# -lt 2 ]; then echo "\$ curl $url$1"; else echo "\$ curl $url$1 -d '$2'"; fi
    if [ ${#answer} -gt 600 ]; then echo "${answer:0:600} …"; else echo "$answer"; fi
}

# check CONDITION PATH [BODY]: the condition holds for the answer.
check() {
    local condition=$1
    shift
    ask "$@"
    shown "$@"
    holds "$condition" || fail "status $status, expected $condition"
}

# eventually CONDITION PATH [BODY]: the condition comes to hold.
eventually() {
    local condition=$1 until=$((SECONDS + PATIENCE))
    shift
    until ask "$@" && holds "$condition"; do
        [ $SECONDS -lt $until ] || { shown "$@"; fail "status $status, waited in vain for $condition"; }
        sleep 0.2
    done
    shown "$@"
}

# config POLICY LABELS rewrites the configuration in one step, as a reader may come at any time.
config() {
    cat >"$work/new.config" <<EOF
model_config_list {
  config { name: "guesslang" base_path: "$work/models/guesslang" model_platform: "tensorflow" }
  config {
    name: "regression" base_path: "$work/models/regression" model_platform: "tensorflow"
    model_version_policy { $1 }
    $2
  }
}
EOF
    mv "$work/new.config" "$work/models.config"
    echo "\$ edit models.config    # model_version_policy { $1 } $2"
}

# add VERSION puts a version of the regression model where the server looks.
add() {
    echo "\$ cp -r examples/regression/model/$1 models/regression/"
    cp -r "examples/regression/model/$1" "$work/models/regression/$1"
}

title() { printf '\n== %s\n' "$*"; }

command -v curl >/dev/null || fail "curl is missing: apt-get install curl"
[ -x "$SERVER" ] || fail "$SERVER is missing: run make build"
[ -d .cache/models/guesslang/1 ] || fail "the guesslang model is missing: run make deps"
mkdir -p "$work/models/regression"
cp -r .cache/models/guesslang "$work/models/guesslang"
five='{"instances": [[5.0]]}'

title "Serve a model"
add 1
start --model_name=regression --model_base_path="$work/models/regression"
check 'status == 200 and states() == {1: "AVAILABLE"}' /regression
check 'status == 200 and near(a["predictions"], '$LINE')' /regression:predict "$five"

title "Rows and columns"
check 'near(a["predictions"], 0.7, '$LINE', 4.2)' /regression:predict '{"instances": [[0], [5], [8]]}'
check 'near(a["predictions"], '$LINE')' /regression:predict '{"instances": [{"x": [5]}]}'
check 'near(a["outputs"], '$LINE', 4.2)' /regression:predict '{"inputs": {"x": [[5], [8]]}}'
check 'near(a["outputs"], '$LINE')' /regression:predict '{"inputs": [[5]], "signature_name": "serving_default"}'

title "What the model takes and gives"
check 'a["model_spec"]["version"] == "1" and "x" in a["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]' \
    /regression/metadata

title "A request that is wrong"
check 'status == 400 and a["error"]' /regression:predict '{"instances": [["five"]]}'
check 'status == 404 and a["error"]' /nosuch:predict "$five"

title "A new version takes over; the old one goes"
add 2
eventually 'status == 200 and near(a["predictions"], '$CURVE')' /regression:predict "$five"
eventually 'states() == {2: "AVAILABLE", 1: "END"}' /regression
check 'status == 200' /regression/versions/2:predict "$five"
check 'status == 404' /regression/versions/1:predict "$five"
stop

title "Several models, from a configuration file"
config 'latest {}' ''
start --model_config_file="$work/models.config" --model_config_file_poll_wait_seconds=1
check '[p["classes"] for p in a["predictions"]] == [["go"], ["sql"]]' /guesslang:predict \
    '{"signature_name": "predict", "instances": ["package main\n\nfunc main() { fmt.Println(\"hi\") }", "SELECT name FROM fish WHERE length > 3;"]}'
check 'near(a["predictions"], '$CURVE')' /regression:predict "$five"

title "All versions"
config 'all {}' ''
eventually 'states() == {1: "AVAILABLE", 2: "AVAILABLE"}' /regression
check 'near(a["predictions"], '$LINE')' /regression/versions/1:predict "$five"
check 'near(a["predictions"], '$CURVE')' /regression/versions/2:predict "$five"
check 'near(a["predictions"], '$CURVE')' /regression:predict "$five"

title "Labels: version 1 in production, version 2 as the canary"
check 'status == 400' /regression/labels/production:predict "$five"
config 'specific { versions: 1 versions: 2 }' \
    'version_labels { key: "production" value: 1 } version_labels { key: "canary" value: 2 }'
eventually 'status == 200 and near(a["predictions"], '$LINE')' /regression/labels/production:predict "$five"
check 'near(a["predictions"], '$CURVE')' /regression/labels/canary:predict "$five"

title "Release: production moves to version 2"
config 'specific { versions: 1 versions: 2 }' \
    'version_labels { key: "production" value: 2 } version_labels { key: "canary" value: 2 }'
eventually 'near(a["predictions"], '$CURVE')' /regression/labels/production:predict "$five"

title "Roll back: production moves to version 1 again, and the canary ends"
config 'specific { versions: 1 versions: 2 }' 'version_labels { key: "production" value: 1 }'
eventually 'near(a["predictions"], '$LINE')' /regression/labels/production:predict "$five"
eventually 'status == 400' /regression/labels/canary:predict "$five"
config 'specific { versions: 1 }' 'version_labels { key: "production" value: 1 }'
eventually 'states() == {1: "AVAILABLE", 2: "END"}' /regression
check 'near(a["predictions"], '$LINE')' /regression:predict "$five"
check 'status == 404' /regression/versions/2:predict "$five"
stop

title "Every answer was right"
