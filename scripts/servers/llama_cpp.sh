#!/usr/bin/env bash
# llama.cpp's server with the tiny chat checkpoint, on loopback and offline.
#
#     scripts/servers/llama_cpp.sh [--port 8472] [COMMAND...]
#
# COMMAND is run with TRIMTAB_LLAMA_CPP_URL set, and the server stopped after it. Without one, the server's base URL is
# printed, and the server runs until it is interrupted.
#
# TRIMTAB_TINY_CHAT names the checkpoint's folder; otherwise it is ../shared/models/tiny-random-chat.
# TRIMTAB_LLAMA_CPP_PYTHON names an interpreter with llama_cpp.requirements.txt; otherwise a virtual environment is made,
# outside the repository.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/serve.sh"

arguments 8472 "$@"
folder="$(checkpoint tiny.gguf)"
environment llama_cpp "${TRIMTAB_LLAMA_CPP_PYTHON:-}"
serve TRIMTAB_LLAMA_CPP_URL "$python" "$here/llama_cpp.py" "$folder/tiny.gguf" "$port"
