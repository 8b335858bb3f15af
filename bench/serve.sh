#!/usr/bin/env bash
# How long pages of `trimtab serve` take with many judges at once, and how long a run of 100,000 events takes to open.
#
#     bench/serve.sh [JUDGES] [ITEMS]
#
# Judges and server share one process and this machine; see crates/server/examples/judges.rs for what is measured.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo run --quiet --release -p trimtab-server --example judges -- "${1:-200}" "${2:-8}"
