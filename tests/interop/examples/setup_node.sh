#!/bin/sh
# Copies examples/node, with its packages in node_modules beside. Skips (77) where they cannot be had;
# they are kept while package-lock.json stays as it is.
#
#   setup_node.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
skip() {
    rm -rf "$out/node_modules"
    echo "skipped: $*"
    exit 77
}
mkdir -p "$out"
command -v node >/dev/null || skip "no node command"
command -v npm >/dev/null || skip "no npm command"
cp "$root/examples/node/run.js" "$out/"
if [ ! -e "$out/node_modules/made" ] || ! cmp -s "$root/examples/node/package-lock.json" "$out/package-lock.json"; then
    cp "$root/examples/node/package.json" "$root/examples/node/package-lock.json" "$out/"
    (cd "$out" && timeout 400 npm ci --ignore-scripts --no-audit --no-fund) || skip "npm packages cannot be had"
    touch "$out/node_modules/made"
fi
