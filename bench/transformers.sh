#!/usr/bin/env bash
# Transformers against PyTorch: tokens a CPU-second, wall time and memory, training the same models from the
# same weights on the same tokens.
#
#     bench/transformers.sh [--rounds N] [--models A,B] [--threads 1,2] [--plain] [--device vulkan [--precision float16]]
#
# TRIMTAB_BENCH_TORCH_PYTHON names an interpreter with transformers.requirements.txt; otherwise a virtual
# environment is made, outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh transformers.requirements.txt torch TRIMTAB_BENCH_TORCH_PYTHON)"
# Of the whole workspace, so that features, and with them the tensor library, are those of every other build.
cargo build --quiet --release --workspace --example train_language_model
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
exec "$python" bench/transformers.py "$target/release/examples/train_language_model" "$@"
