#!/usr/bin/env bash
# Makes the images that the Dockerfiles start from out of Debian's packages, where no registry of images is reached.
#
# usage: docker/base-image.sh [run|build]...        default: both; as root, for debootstrap
#
#   run    shoal-base:bookworm    a slim Debian: what an image runs on
#   build  shoal-build:bookworm   the same with a C compiler, pip and this machine's Go: what an image is built in
#
# The build image also trusts the certificates in /usr/local/share/ca-certificates, since whoever is behind a proxy of their own
# needs them to fetch anything. Nothing of the build image gets into an image that is run, except what was compiled in it.
#
# DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR name other mirrors. An image that is there already is left alone: docker rmi makes way.
set -euo pipefail

suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
run_image=shoal-base:$suite
build_image=shoal-build:$suite

fail() { echo "base-image: $*" >&2; exit 1; }
have() { docker image inspect "$1" >/dev/null 2>&1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

make_run() {
    have "$run_image" && return
    command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
    [ "$(id -u)" = 0 ] || fail "debootstrap needs root: sudo $0"
    echo "base-image: $run_image from $mirror"
    local root=$scratch/root
    debootstrap --variant=minbase --include=ca-certificates,libstdc++6 "$suite" "$root" "$mirror" >"$scratch/log" 2>&1 ||
        { tail -n 20 "$scratch/log" >&2; fail "debootstrap failed"; }
    printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-updates" "$security" "$suite-security" >"$root/etc/apt/sources.list"

    # A container needs neither manuals nor translations, of these packages or of ones installed later. Licences stay.
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale lintian >"$root/etc/dpkg/dpkg.cfg.d/slim"
    echo 'path-include /usr/share/doc/*/copyright' >>"$root/etc/dpkg/dpkg.cfg.d/slim"
    chroot "$root" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get upgrade -y -qq && apt-get clean' \
        >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2; fail "upgrading failed"; }
    find "$root/usr/share/doc" ! -type d ! -name copyright -delete
    find "$root/usr/share/doc" -type d -empty -delete
    rm -rf "$root"/usr/share/{man,info,locale,lintian}/* "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/*
    rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
    : >"$root/etc/machine-id"
    tar --numeric-owner -C "$root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
        docker import --change 'CMD ["bash"]' --message "debootstrap $suite" - "$run_image" >/dev/null
    rm -rf "$root"
}

make_build() {
    have "$build_image" && return
    make_run
    local goroot
    goroot=$(go -C "$(dirname "$0")/.." env GOROOT) || fail "Go is missing: https://go.dev/dl/"
    echo "base-image: $build_image with Go of $goroot"
    mkdir -p "$scratch/build/certificates"
    cp -rL "$goroot" "$scratch/build/go"
    rm -rf "$scratch/build/go"/{test,doc,api,.git}
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$scratch/build/certificates/" \; 2>/dev/null || true
    docker build --quiet --tag "$build_image" --file - "$scratch/build" >"$scratch/log" 2>&1 <<DOCKERFILE || { cat "$scratch/log" >&2; fail "docker build failed"; }
FROM $run_image
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    gcc libc6-dev python3-pip && rm -rf /var/lib/apt/lists/*
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY go/ /usr/local/go/
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
DOCKERFILE
}

docker info >/dev/null 2>&1 || fail "no Docker engine answers (docker info)"
[ $# -gt 0 ] || set -- run build
for image; do
    case $image in
    run) make_run ;;
    build) make_build ;;
    *) fail "there is no image $image: run or build" ;;
    esac
done
