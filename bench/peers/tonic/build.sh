#!/bin/sh
# Builds the tonic peer with its stubs: build.sh SOURCE_DIR PROTO_DIR BUILD_DIR PROGRAM
set -eu
source=$1 protos=$2 dir=$3 program=$4
mkdir -p "$dir"
ECHO_PROTO_DIR=$protos cargo build --quiet --release --locked --manifest-path "$source/Cargo.toml" --target-dir "$dir"
mv "$dir/release/tonic-echo" "$program"
rm -rf "$dir"
