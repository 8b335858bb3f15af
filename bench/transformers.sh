#!/usr/bin/env bash
# Transformers against PyTorch: tokens a CPU-second, wall time and memory, training the same models from the
# same weights on the same tokens.
#
#     bench/transformers.sh [--rounds N] [--models A,B] [--threads 1,2] [--plain]
#
# TRIMTAB_BENCH_TORCH_PYTHON names an interpreter with transformers.requirements.txt; otherwise a virtual
# environment is made, outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${TRIMTAB_BENCH_TORCH_PYTHON:-}"
if [[ -z "$python" ]]; then
    requirements=bench/transformers.requirements.txt
    venv="${XDG_CACHE_HOME:-$HOME/.cache}/trimtab-bench/torch"
    if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
        echo "making $venv" >&2
        python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --requirement "$requirements" >&2
        cp "$requirements" "$venv/requirements.txt"
    fi
    python="$venv/bin/python"
fi
# Of the whole workspace, so that features, and with them the tensor library, are those of every other build.
cargo build --quiet --release --workspace --example train_language_model
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
exec "$python" bench/transformers.py "$target/release/examples/train_language_model" "$@"
