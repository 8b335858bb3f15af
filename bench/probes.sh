#!/usr/bin/env bash
# Probes on 100,000 tokens of width 4,096, streamed from a file: seconds, and the peak of memory.
# Wanted: under 2 GB. Needs 1 GB on the disk.
#
#     bench/probes.sh [FOLDER]      where to work; a file that is already there is used again.
#                                   Default: a temporary folder, removed at the end
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release -p trimtab-safeguard --example stream_probes
target="$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
program="$target/release/examples/stream_probes"
if [[ $# -gt 0 ]]; then
    folder="$1"
    mkdir -p "$folder"
else
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
fi
if [[ ! -f "$folder/spans.jsonl" ]]; then
    echo "making the file" >&2
    "$program" make "$folder" 100000 4096
fi
python3 bench/measure.py "probes, 100,000 x 4,096" "$program" fit "$folder"
