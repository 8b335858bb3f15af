#!/usr/bin/env bash
# Agreement with 2,000 bootstrap samples on 1,000,000 ratings (200,000 items, 5 raters), of 5 categories and of 101, where hardly
# two items look alike; beside a bootstrap over items in numpy. Wanted: under 30 s on two cores, under 1 GB.
#
#     bench/agreement.sh [RESAMPLES]        default 2000; numpy makes a twentieth of them
#
# TRIMTAB_BENCH_PYTHON names an interpreter with requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh)"
cargo build --quiet --release -p trimtab-stats --example agreement
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
exec "$python" -P bench/agreement.py "$target/release/examples/agreement" "${1:-2000}"
