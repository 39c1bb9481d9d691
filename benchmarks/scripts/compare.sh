#!/usr/bin/env bash
# Compares the Go benchmarks of this tree with those of a commit: compare.sh REF BENCH COUNT PACKAGES…
# Both sides run in turns, so that what drifts on the machine meets both.
set -euo pipefail
ref=$1 bench=$2 count=$3
shift 3
root=$(git rev-parse --show-toplevel)
commit=$(git -C "$root" rev-parse --verify --quiet "$ref^{commit}") || { echo "make bench-compare REF=…: there is no commit $ref"; exit 1; }
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
git -C "$root" archive "$commit" | tar -x -C "$there"
ln -s "$root/.cache" "$there/.cache"
: >"$there/old.txt" >"$there/new.txt"
for i in $(seq "$count"); do
    echo "round $i of $count" >&2
    (cd "$there" && go test -run '^$' -bench "$bench" -benchmem "$@") >>"$there/old.txt" || echo "some benchmarks of $ref failed" >&2
    (cd "$root" && go test -run '^$' -bench "$bench" -benchmem "$@") >>"$there/new.txt"
done
cd "$root"
go tool benchstat "$ref=$there/old.txt" "this tree=$there/new.txt"
