#!/usr/bin/env bash
# transformers' server with the tiny chat checkpoint, on loopback and offline.
#
#     scripts/servers/transformers.sh [--port 8471] [COMMAND...]
#
# COMMAND is run with TRIMTAB_TRANSFORMERS_URL set, and the server stopped after it. Without one, the server's base URL is
# printed, and the server runs until it is interrupted. The model is called `hf`.
#
# TRIMTAB_TINY_CHAT names the checkpoint's folder; otherwise it is ../shared/models/tiny-random-chat.
# TRIMTAB_TRANSFORMERS_PYTHON names an interpreter with transformers.requirements.txt; otherwise a virtual environment is
# made, outside the repository.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/serve.sh"

arguments 8471 "$@"
folder="$(checkpoint hf)"
environment transformers "${TRIMTAB_TRANSFORMERS_PYTHON:-}"

# The model's name is what the server is given: short, where it starts beside it.
start() {
    cd "$folder"
    HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 exec "$python" -c "$main" serve hf --host 127.0.0.1 --port "$port" --device cpu
}
main='import sys; from transformers.cli.transformers import main; sys.argv[0] = "transformers"; main()'
serve TRIMTAB_TRANSFORMERS_URL start
