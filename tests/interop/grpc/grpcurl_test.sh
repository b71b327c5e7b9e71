#!/bin/sh
# grpcurl lists, describes and calls the daemon through reflection alone. Skips (77) without Go 1.21
# or its modules.
#
#   grpcurl_test.sh BANGERD AGENT GO_SOURCE
set -eu
daemon=$1 agent=$2 source=$3
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/common.sh"
need_go
build "$source" "$dir/grpcurl" github.com/fullstorydev/grpcurl/cmd/grpcurl

mkfifo "$dir/log"
"$daemon" --state-dir "$dir/s" --driver sim --agent "$agent" >"$dir/log" 2>&1 &
pids="$pids $!"
exec 3<"$dir/log"
listens=no
while [ $listens = no ] && read -r line <&3; do
    case $line in *"listens on"*) listens=yes ;; esac
done
[ $listens = yes ]
socket=$dir/s/run/bangerd.sock

# ask TEXT ARGUMENTS…: the answer of grpcurl has the text in it.
ask() {
    text=$1
    shift
    timeout 30 "$dir/grpcurl" -plaintext -unix "$@" >"$dir/answer" 2>&1 &&
        grep -qF -- "$text" "$dir/answer" && return
    echo "grpcurl $*: no \"$text\" in the answer:"
    cat "$dir/answer"
    exit 1
}
ask banger.v1.VMService "$socket" list
ask grpc.reflection.v1.ServerReflection "$socket" list
ask banger.v1.HostService.GetHost "$socket" list banger.v1.HostService
ask "role: ROLE_OPERATOR" "$socket" describe banger.v1.VMService.CreateVM
ask "string request_id = 1" "$socket" describe banger.v1.CreateVMRequest
ask "returns ( stream" "$socket" describe grpc.reflection.v1alpha.ServerReflection
ask SERVING "$socket" grpc.health.v1.Health/Check
ask '"banger.v1.VMService": {' "$socket" grpc.health.v1.Health/List
ask "{" -d '{"page_size": 10}' "$socket" banger.v1.VMService/ListVMs
echo "grpcurl listed, described and called"
