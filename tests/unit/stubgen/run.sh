#!/bin/bash
# Runs the plugin over golden/ (its output must equal the files there) and refused/ (protoc must fail
# with exactly the errors in the file's lines that start with "//! ").
#
#   run.sh PLUGIN [--update]     --update writes golden files and errors anew: review the difference
set -uo pipefail
plugin=$1
update=${2-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
command -v protoc >/dev/null || {
    echo "skipped: protoc is not installed"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

stubs() { # FOLDER FILE [OPTION]
    protoc -I"$1" -I"$root/proto" -I/usr/include \
        --plugin=protoc-gen-banger-rpc="$plugin" --banger-rpc_out="${3-}:$work" "$2"
}

if ! stubs "$here/golden" demo/demo.proto || ! stubs "$here/golden" demo/demo.proto manual; then
    failed=1
fi
mv "$work/api.md" "$work/demo/api.txt" # no page of ours: its links lead nowhere
if [ "$update" = --update ]; then
    cp "$work"/demo/* "$here/golden/demo/"
elif ! diff -ru -x '*.proto' "$here/golden/demo" "$work/demo"; then
    echo "FAIL golden"
    failed=1
else
    echo "ok   golden"
fi

for proto in "$here"/refused/*.proto; do
    name=$(basename "$proto")
    stubs "$here/refused" "$name" >"$work/got" 2>&1
    code=$?
    sed -i 's/^--banger-rpc_out: //' "$work/got"
    if [ "$update" = --update ]; then
        { sed 's#^#//! #' "$work/got"; grep -v '^//! ' "$proto"; } >"$work/new"
        cp "$work/new" "$proto"
        continue
    fi
    sed -n 's#^//! ##p' "$proto" >"$work/want"
    if [ "$code" -eq 0 ]; then
        echo "FAIL $name: accepted"
        failed=1
    elif ! diff -u "$work/want" "$work/got"; then
        echo "FAIL $name"
        failed=1
    else
        echo "ok   $name"
    fi
done
exit "$failed"
