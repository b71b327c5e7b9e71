#!/bin/sh
# Builds the grpc++ peer with its stubs: build.sh SOURCE_DIR PROTO_DIR BUILD_DIR PROGRAM
set -eu
source=$1 protos=$2 dir=$3 program=$4
mkdir -p "$dir"
protoc -I "$protos" --cpp_out="$dir" --grpc_out="$dir" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" echo.proto
# shellcheck disable=SC2046 # a list of words
g++ -std=c++17 -O2 -DNDEBUG -I"$dir" "$source/echo_server.cc" "$dir/echo.pb.cc" "$dir/echo.grpc.pb.cc" \
    -o "$program" $(pkg-config --cflags --libs grpc++ protobuf)
