#!/usr/bin/env bash
# What the quickstart takes after the build, and what running it again takes, with nothing left to do.
# Wanted: under 20 s on two cores, under 400 MB.
#
#     bench/quickstart.sh [ROUNDS]        default 3
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release -p trimtab-cli
target="$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
runs="$(mktemp -d)"
trap 'rm -rf "$runs"' EXIT
for round in $(seq "${1:-3}"); do
    for label in "into a fresh folder" "the same again"; do
        python3 bench/measure.py "$label" \
            "$target/release/trimtab" run examples/quickstart.toml --out "$runs/$round" --quiet
    done
done
