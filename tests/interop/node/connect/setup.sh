#!/bin/sh
# Copies connect-node's client, with its packages and descriptors beside. Skips (77) where the packages
# cannot be had; they are kept while package-lock.json stays as it is.
#
#   setup.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
source=$root/tests/interop/node/connect
skip() {
    rm -rf "$out/node_modules"
    echo "skipped: $*"
    exit 77
}
mkdir -p "$out"
command -v node >/dev/null || skip "no node command"
command -v npm >/dev/null || skip "no npm command"
if [ ! -e "$out/node_modules/made" ] || ! cmp -s "$source/package-lock.json" "$out/package-lock.json"; then
    cp "$source/package.json" "$source/package-lock.json" "$out/"
    (cd "$out" && timeout 400 npm ci --ignore-scripts --no-audit --no-fund) || skip "npm packages cannot be had"
    touch "$out/node_modules/made"
fi
cp "$source/interop_client.js" "$out/"
protoc -I "$root/tests/interop/grpc/proto" -I /usr/include --include_imports -o "$out/test.binpb" test.proto
