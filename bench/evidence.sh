#!/usr/bin/env bash
# The MNIST debate against a plain tree search in Python (numpy) over the same judge, on the same games: processor seconds a
# game, and how many the honest player wins on either side. A judge that is not there yet is trained first.
#
#     bench/evidence.sh [--images 2] [--rollouts 1000] [--pixels 6] [--data DIR]
#
# TRIMTAB_MNIST names the folder of MNIST; TRIMTAB_BENCH_PYTHON an interpreter with requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh)"
cargo build --quiet --release -p trimtab-cli
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
exec "$python" -P bench/evidence.py "$target/release/trimtab" "$@"
