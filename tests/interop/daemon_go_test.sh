#!/bin/sh
# A stock grpc-go client against the daemon, over the sim driver. Skips (77) without the Go programs.
#
#   daemon_go_test.sh BANGERD AGENT SOURCE_ROOT GO_PROGRAMS
set -eu
daemon=$1 agent=$2 root=$3 client=$4/daemon
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/grpc/common.sh"
need_go "$client"
start_daemon "$daemon" --state-dir "$dir/s" --driver sim --agent "$agent"
status=0
GRPC_GO_LOG_SEVERITY_LEVEL=error timeout 100 "$client" "$root/gen/banger.binpb" "$dir/s/run/bangerd.sock" || status=$?
[ "$status" = 0 ] || cat "$dir/log"
exit "$status"
