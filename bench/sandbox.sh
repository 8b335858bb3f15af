#!/usr/bin/env bash
# What 1,000 sandboxed programs take, two at a time, beside as many bare starts of Python, two at a time.
# Wanted: within 1.5 times.
#
#     bench/sandbox.sh [PROGRAMS] [ROUNDS]        default 1000 and 3
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release -p trimtab-cli
target="$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
python3 bench/sandbox.py "$target/release/trimtab" "${1:-1000}" "${2:-3}"
