# Sourced by the scripts beside it: a virtual environment, a server that is waited for, a command that asks it.

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# arguments DEFAULT_PORT ARGUMENTS...: sets `port` and `command`.
arguments() {
    port="$1"
    shift
    if [[ "${1:-}" == --port ]]; then
        port="${2:-}"
        shift 2 || fail "--port wants a number"
    fi
    [[ "$port" =~ ^[0-9]+$ ]] && ((port > 0 && port < 65536)) || fail "\`$port\` is no port"
    command=("$@")
}

# checkpoint FILE: prints the path of a file or folder of the tiny chat checkpoint.
checkpoint() {
    local folder="${TRIMTAB_TINY_CHAT:-$here/../../../shared/models/tiny-random-chat}"
    [[ -e "$folder/$1" ]] || fail "no $1 in $folder: TRIMTAB_TINY_CHAT names the tiny chat checkpoint's folder"
    (cd "$folder" && pwd)
}

# environment NAME PYTHON: sets `python` to PYTHON, or to that of a virtual environment with NAME.requirements.txt.
environment() {
    python="$2"
    # A server may start in another folder.
    [[ "$python" != */* || "$python" == /* ]] || python="$PWD/$python"
    [[ -z "$python" ]] || return 0
    local requirements="$here/$1.requirements.txt"
    local venv="${XDG_CACHE_HOME:-$HOME/.cache}/trimtab-servers/$1"
    if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
        echo "making $venv" >&2
        python3 -m venv --clear "$venv" || fail "no virtual environment: is Python's venv module there?"
        "$venv/bin/pip" install --quiet --requirement "$requirements" >&2 || fail "pip could not install $requirements"
        cp "$requirements" "$venv/requirements.txt"
    fi
    python="$venv/bin/python"
}

# serve VARIABLE SERVER...: starts the server; runs `command` with VARIABLE set, or waits until interrupted.
serve() {
    local variable="$1" base="http://127.0.0.1:$port" status=0
    shift
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        fail "something answers on port $port already: --port takes another"
    fi
    log="$(mktemp)"
    "$@" >"$log" 2>&1 </dev/null &
    server=$!
    trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -f "$log"' EXIT
    trap 'exit 130' INT TERM
    for ((i = 0; ; i++)); do
        ! curl --silent --fail --output /dev/null --max-time 5 "$base/health" || break
        if ! kill -0 "$server" 2>/dev/null || ((i > 600)); then
            tail -n 30 "$log" >&2
            fail "the server does not answer at $base; above is the end of what it wrote"
        fi
        sleep 0.5
    done
    export "$variable=$base/v1"
    if ((${#command[@]})); then
        "${command[@]}" || status=$?
        exit "$status"
    fi
    echo "$base/v1"
    wait "$server" || fail "the server ended: $(tail -n 3 "$log")"
}
