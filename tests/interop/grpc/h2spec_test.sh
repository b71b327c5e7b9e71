#!/bin/sh
# h2spec against our server. Cases that fail are compared with those docs/interop.md explains. Skips
# (77) without Go 1.21 or its modules.
#
#   h2spec_test.sh SERVER GO_SOURCE
set -eu
server=$1 source=$2
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
need_go
build "$source" "$dir/h2spec" github.com/summerwind/h2spec/cmd/h2spec
start "$server" 127.0.0.1:0
timeout 500 "$dir/h2spec" -h 127.0.0.1 -p "$port" -P /grpc.testing.TestService/UnaryCall -o 3
