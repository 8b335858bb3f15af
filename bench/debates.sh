#!/usr/bin/env bash
# Ten thousand debates against a scripted server on loopback, and as many plain calls of our client: what is the
# program's own part in a run of debates?
#
#     bench/debates.sh [--debates N] [--in-flight N] [--latency-ms N]
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release --package trimtab-cli
cargo build --quiet --release --package trimtab-llm --example call_many
cargo build --quiet --release --package trimtab-llm-testkit --bin scripted_server
target="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
# A file a connection, on both sides.
ulimit -n "$(ulimit -H -n)"
exec python3 -P bench/debates.py "$target/release" "$@"
