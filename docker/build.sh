#!/usr/bin/env bash
# Builds an image.
#
# usage: docker/build.sh cpu|gpu [ARGUMENT OF docker build]...        the images are shoal:cpu and shoal:gpu
#
# It starts from BUILD_IMAGE and BASE_IMAGE. Where they are not given, the official images are pulled and pinned by digest for
# the build; where no registry answers, docker/base-image.sh makes them.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
case $kind in
cpu) dockerfile=docker/Dockerfile ;;
gpu) dockerfile=docker/Dockerfile.gpu ;;
*) sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2 ;;
esac
shift
docker info >/dev/null 2>&1 || { echo "build: no Docker engine answers (docker info); docker/engine.sh starts one on Debian" >&2; exit 1; }

# pinned prints the name by digest of the image that an ARG of the Dockerfile names, as the registry has it now.
pinned() {
    local image
    image=$(sed -n "s/^ARG $1=//p" docker/Dockerfile)
    docker pull --quiet "$image" >/dev/null 2>&1 && docker image inspect --format '{{index .RepoDigests 0}}' "$image"
}

choose() { # ARG, what base-image.sh calls it, its image
    if [ -n "${!1:-}" ]; then return; fi
    if docker image inspect "$3" >/dev/null 2>&1; then
        printf -v "$1" %s "$3"
    elif ! printf -v "$1" %s "$(pinned "$1")" || [ -z "${!1}" ]; then
        docker/base-image.sh "$2"
        printf -v "$1" %s "$3"
    fi
}

choose BASE_IMAGE run shoal-base:bookworm
choose BUILD_IMAGE build shoal-build:bookworm
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
echo "build: shoal:$kind $version from $BASE_IMAGE, built in $BUILD_IMAGE"
exec docker build --file "$dockerfile" --tag "shoal:$kind" --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    --build-arg "BUILD_IMAGE=$BUILD_IMAGE" --build-arg "VERSION=$version" "$@" .
