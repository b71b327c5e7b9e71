#!/bin/sh
# A stock grpc-go client against the echo server. Skips (77) without the Go programs.
#
#   go_test.sh ECHO_SERVER GO_PROGRAMS PROTO_DIR
set -eu
server=$1 client=$2/echo protos=$3
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/grpc/common.sh"
need_go "$client"
protoc -I "$protos" --descriptor_set_out="$dir/echo.binpb" echo.proto
start "$server" --unix "$dir/s"
timeout 60 "$client" "$dir/echo.binpb" "$dir/s"
