# For the scripts beside: builds the Go programs, starts and ends servers. Sourced; sets dir.
# shellcheck shell=sh
# shellcheck disable=SC2034 # port is for them

skip() {
    echo "skipped: $*"
    exit 77
}

need_go() {
    command -v go >/dev/null || skip "no go command"
    case $(go env GOVERSION 2>/dev/null) in
    go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.20*) skip "Go 1.21 or newer is needed" ;;
    esac
}

# build SOURCE OUT PACKAGE: skips where the modules cannot be had.
build() {
    (cd "$1" && timeout 400 go build -mod=readonly -o "$2" "$3") && return
    (cd "$1" && go list -mod=readonly -deps "$3" >/dev/null 2>&1) || skip "Go modules cannot be had"
    exit 1
}

pids='' port=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/banger-interop.XXXXXX")
cleanup() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap cleanup EXIT

# start COMMAND…: a server that prints "ready PORT"; sets port.
start() {
    rm -f "$dir/out"
    mkfifo "$dir/out"
    "$@" >"$dir/out" 2>"$dir/log" &
    pids="$pids $!"
    read -r word port <"$dir/out" || {
        cat "$dir/log"
        exit 1
    }
    [ "$word" = ready ]
}
