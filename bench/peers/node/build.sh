#!/bin/sh
# Puts the grpc-js peer and its packages into a folder: build.sh SOURCE_DIR PROTO_DIR BUILD_DIR FOLDER
set -eu
source=$1 dir=$3 folder=$4
mkdir -p "$dir"
cp "$source/server.js" "$source/package.json" "$source/package-lock.json" "$dir/"
(cd "$dir" && npm ci --silent --ignore-scripts --no-audit --no-fund)
mv "$dir" "$folder"
