#!/bin/sh
# Builds the grpc-go peer with its stubs: build.sh SOURCE_DIR PROTO_DIR BUILD_DIR PROGRAM
set -eu
source=$1 protos=$2 dir=$3 program=$4
mkdir -p "$dir/echo"
cp "$source/main.go" "$source/go.mod" "$source/go.sum" "$dir/"
cd "$dir"
go build -mod=readonly -o . google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
map=Mecho.proto=banger.test/bench/grpcgo/echo
protoc -I "$protos" --plugin="$dir/protoc-gen-go" --plugin="$dir/protoc-gen-go-grpc" \
    --go_out="$dir" --go_opt="$map,module=banger.test/bench/grpcgo" \
    --go-grpc_out="$dir" --go-grpc_opt="$map,module=banger.test/bench/grpcgo" echo.proto
go build -mod=readonly -o "$program" .
