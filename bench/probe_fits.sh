#!/usr/bin/env bash
# Probe fits against scikit-learn: fits per CPU-second, and how far the solutions lie apart.
#
#     bench/probe_fits.sh [ROUNDS]        default 3; the fastest round counts, on both sides
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh)"
cargo build --quiet --release -p trimtab-probe --example fit_sweep
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
# One thread on both sides; scikit-learn must hear of it before it starts.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
exec "$python" bench/probe_fits.py "$target/release/examples/fit_sweep" "${1:-3}"
