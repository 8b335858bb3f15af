#!/usr/bin/env bash
# A JSONL set of a million rows with 384 features: training, and resuming.
# Wanted: trains under 4 GB, resumes in under 5 s. Needs 7 GB on the disk, for some minutes.
#
#     bench/million_rows.sh [FOLDER]      where to work; a set that is already there is used again.
#                                         Default: a temporary folder, removed at the end
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh)"
cargo build --quiet --release -p trimtab-cli
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
if [[ $# -gt 0 ]]; then
    folder="$1"
    mkdir -p "$folder"
else
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
fi
free_kb="$(df --output=avail -k "$folder" | tail -1)"
if ((free_kb < 7 * 1000 * 1000)) && [[ ! -f "$folder/million.jsonl" ]]; then
    echo "$folder has less than 7 GB free" >&2
    exit 1
fi
if [[ ! -f "$folder/million.jsonl" ]]; then
    echo "making the set" >&2
    "$python" scripts/data/make_million.py "$folder/making.jsonl"
    mv "$folder/making.jsonl" "$folder/million.jsonl"
fi
"$python" bench/million_rows.py "$target/release/trimtab" "$folder"
