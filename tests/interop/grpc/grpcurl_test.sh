#!/bin/sh
# grpcurl lists, describes and calls the daemon through reflection alone: v1 and v1alpha, over its Unix
# socket and, with what banger auth enroll wrote, over mutual TLS. Skips (77) without the Go programs.
#
#   grpcurl_test.sh BANGERD AGENT BANGER GO_PROGRAMS
set -eu
daemon=$1 agent=$2 banger=$3 grpcurl=$4/grpcurl
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/common.sh"
need_go "$grpcurl"
# shellcheck source=tests/interop/enrolled.sh
. "$(dirname "$0")/../enrolled.sh"

start_daemon "$daemon" --state-dir "$dir/s" --driver sim --agent "$agent"
serve_tls "$banger" "$dir/s"
enroll "$banger" "$dir/s" operator

# ask TEXT ARGUMENTS…: the answer of grpcurl has the text in it.
ask() {
    text=$1
    shift
    timeout 30 "$grpcurl" "$@" >"$dir/answer" 2>&1 && grep -qF -- "$text" "$dir/answer" && return
    echo "grpcurl $*: no \"$text\" in the answer:"
    cat "$dir/answer"
    exit 1
}

# ask_all OPTION… ADDRESS
ask_all() {
    ask banger.v1.VMService "$@" list
    ask grpc.reflection.v1.ServerReflection "$@" list
    ask banger.v1.HostService.GetHost "$@" list banger.v1.HostService
    ask "role: ROLE_OPERATOR" "$@" describe banger.v1.VMService.CreateVM
    ask "string request_id = 1" "$@" describe banger.v1.CreateVMRequest
    ask "returns ( stream" "$@" describe grpc.reflection.v1alpha.ServerReflection
    ask SERVING "$@" grpc.health.v1.Health/Check
    ask '"banger.v1.VMService": {' "$@" grpc.health.v1.Health/List
    ask "{" -d '{"page_size": 10}' "$@" banger.v1.VMService/ListVMs
}
ask_all -plaintext -unix "$dir/s/run/bangerd.sock"
ask_all -cacert "$context/ca.pem" -cert "$context/identity.pem" -key "$context/identity.pem" "$address"
# grpcurl takes v1 where there is one; the older one by hand.
for version in v1 v1alpha; do
    ask '"name": "banger.v1.VMService"' -d '{"list_services": "*"}' -plaintext -unix "$dir/s/run/bangerd.sock" \
        "grpc.reflection.$version.ServerReflection/ServerReflectionInfo"
done
echo "grpcurl listed, described and called"
