#!/usr/bin/env bash
# Text generation against PyTorch: tokens per CPU-second with a cache of keys and values, on one thread.
#
#     bench/generation.sh [ROUNDS]        default 5; both sides take turns
#
# Needs a Python with torch and transformers: TRIMTAB_BENCH_PYTHON, or one that is made from
# crates/nn/tests/golden/requirements.txt outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${TRIMTAB_BENCH_PYTHON:-}"
if [[ -z "$python" ]]; then
    venv="${XDG_CACHE_HOME:-$HOME/.cache}/trimtab-golden/venv"
    if [[ ! -x "$venv/bin/python" ]]; then
        echo "making $venv" >&2
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --requirement crates/nn/tests/golden/requirements.txt >&2
    fi
    python="$venv/bin/python"
fi
cargo build --quiet --release --workspace --example generation
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
# One thread on both sides; PyTorch must hear of it before it starts.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 RAYON_NUM_THREADS=1
exec "$python" bench/generation.py "$target/${TRIMTAB_BENCH_PROFILE:-release}/examples/generation" "${1:-5}"
