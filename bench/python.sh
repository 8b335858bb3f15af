#!/usr/bin/env bash
# Prints a Python with the requirements of a bench. Makes a virtual environment for it, outside the repository, unless the
# named variable holds an interpreter that has them.
#
#     bench/python.sh [REQUIREMENTS VENV VARIABLE]     default requirements.txt venv TRIMTAB_BENCH_PYTHON
set -euo pipefail

requirements="$(dirname "$0")/${1:-requirements.txt}"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/trimtab-bench/${2:-venv}"
variable="${3:-TRIMTAB_BENCH_PYTHON}"
if [[ -n "${!variable:-}" ]]; then
    echo "${!variable}"
    exit
fi
if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
    echo "making $venv" >&2
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
