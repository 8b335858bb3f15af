#!/usr/bin/env bash
# Prints a Python with bench/requirements.txt. Makes a virtual environment for it, outside the
# repository, unless TRIMTAB_BENCH_PYTHON names an interpreter that has them.
set -euo pipefail

if [[ -n "${TRIMTAB_BENCH_PYTHON:-}" ]]; then
    echo "$TRIMTAB_BENCH_PYTHON"
    exit
fi
requirements="$(dirname "$0")/requirements.txt"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/trimtab-bench/venv"
if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
    echo "making $venv" >&2
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
