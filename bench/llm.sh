#!/usr/bin/env bash
# Calls of a chat model a second, against a scripted server on loopback: our client, plain asyncio and httpx, and
# inspect_ai, taking turns.
#
#     bench/llm.sh [--calls N] [--in-flight N] [--latency-ms N] [--rounds N]
#
# TRIMTAB_BENCH_LLM_PYTHON names an interpreter with llm.requirements.txt; otherwise a virtual environment is made,
# outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$(bench/python.sh llm.requirements.txt llm TRIMTAB_BENCH_LLM_PYTHON)"
cargo build --quiet --release --package trimtab-llm --example call_many
cargo build --quiet --release --package trimtab-llm-testkit --bin scripted_server
target="$(cargo metadata --format-version 1 --no-deps |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
# A file a connection, on both sides.
ulimit -n "$(ulimit -H -n)"
exec "$python" bench/llm.py "$target/release/examples/call_many" "$target/release/scripted_server" "$@"
