#!/bin/sh
# A stock grpc-go client against the daemon, over the sim engine. Skips (77) without a Go toolchain or
# its modules.
#
#   daemon_go_test.sh BANGERD AGENT SOURCE_ROOT
set -eu
daemon=$1 agent=$2 root=$3
command -v go >/dev/null || { echo "skipped: no go command"; exit 77; }
dir=$(mktemp -d /tmp/bgo.XXXXXX)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    # A VM that a failed test leaves: its agent listens below the folder.
    for left in /proc/[0-9]*/cmdline; do
        if (tr '\0' ' ' <"$left" | grep -q -- "--listen $dir/") 2>/dev/null; then
            left=${left#/proc/}
            kill -9 "${left%/cmdline}" 2>/dev/null || true
        fi
    done
    rm -rf "$dir"
}
trap cleanup EXIT
source=$root/tests/interop/go
(cd "$source" && timeout 300 go build -mod=readonly -o "$dir/client" ./daemon) || {
    (cd "$source" && go list -m all >/dev/null 2>&1) || { echo "skipped: Go modules cannot be had"; exit 77; }
    exit 1
}
"$daemon" --state-dir "$dir/s" --driver sim --agent "$agent" >"$dir/log" 2>&1 &
pid=$!
# The client waits for the socket itself.
status=0
GRPC_GO_LOG_SEVERITY_LEVEL=error timeout 100 "$dir/client" "$root/gen/banger.binpb" "$dir/s/run/bangerd.sock" || status=$?
[ "$status" = 0 ] || cat "$dir/log"
kill -TERM "$pid"
wait "$pid" || status=1
pid=
[ "$status" = 0 ]
