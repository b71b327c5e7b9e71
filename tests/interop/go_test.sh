#!/bin/sh
# A stock grpc-go client against the echo server. Skips (77) without a Go toolchain or its modules.
#
#   go_test.sh ECHO_SERVER SOURCE_DIR PROTO_DIR
set -eu
server=$1 source=$2 protos=$3
command -v go >/dev/null || { echo "skipped: no go command"; exit 77; }
command -v protoc >/dev/null || { echo "skipped: no protoc command"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/banger-interop.XXXXXX")
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
(cd "$source" && timeout 300 go build -mod=readonly -o "$dir/client" .) || {
    (cd "$source" && go list -m all >/dev/null 2>&1) || { echo "skipped: Go modules cannot be had"; exit 77; }
    exit 1
}
protoc -I "$protos" --descriptor_set_out="$dir/echo.binpb" echo.proto
mkfifo "$dir/out"
"$server" --unix "$dir/s" >"$dir/out" &
pid=$!
read -r line <"$dir/out"
[ "$line" = ready ]
timeout 60 "$dir/client" "$dir/echo.binpb" "$dir/s"
kill -TERM "$pid"
wait "$pid"
pid=
