#!/bin/sh
# Makes the stubs from the .proto files, into bangerv1/, by protoc and the plugins that go.mod names.
#
#   generate.sh [PROTO_FOLDER]
set -eu
cd "$(dirname "$0")"
protos=${1:-../../proto}
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
go build -o "$plugins/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
rm -rf bangerv1
# The files name no Go package: they are said to be one, here.
packages=
for file in "$protos"/banger/v1/*.proto; do
    packages="$packages,Mbanger/v1/${file##*/}=banger.example/run/bangerv1"
done
PATH=$plugins:$PATH protoc -I "$protos" -I /usr/include \
    --go_out=. --go_opt="module=banger.example/run$packages" \
    --go-grpc_out=. --go-grpc_opt="module=banger.example/run$packages" "$protos"/banger/v1/*.proto
