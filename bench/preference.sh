#!/usr/bin/env bash
# Preference learning against TRL: tokens a CPU-second, wall time and memory of DPO steps and of reward-model steps, from
# the same weights on the same pairs.
#
#     bench/preference.sh [--rounds N] [--models tiny,B] [--kinds dpo,reward] [--threads 1]
#
# TRIMTAB_BENCH_TRL_PYTHON names an interpreter with preference.requirements.txt; otherwise a virtual
# environment is made, outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh preference.requirements.txt trl TRIMTAB_BENCH_TRL_PYTHON)"
# Of the whole workspace, so that features, and with them the tensor library, are those of every other build.
cargo build --quiet --release --workspace --example train_preference
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
# -P: a file beside it is called transformers.py.
exec "$python" -P bench/preference.py "$target/release/examples/train_preference" "$@"
