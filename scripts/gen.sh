#!/bin/bash
# Writes gen/ and docs/api.md anew from proto/, and appends what is new to tests/compat/wire_layout.txt.
#
#   scripts/gen.sh           write
#   scripts/gen.sh --check   change nothing; fail, with the difference, when they are not what they would be
#
# Needs protoc, protobuf-c's and nanopb's plugins and a C compiler (third_party/packages.txt). Our own
# plugin is compiled here from rpc/stubgen/, so that gen/ can be made from nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

check=false
case "${1-}" in
"") ;;
--check) check=true ;;
*)
    echo "usage: scripts/gen.sh [--check]" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/gen
mkdir -p "$out" "$work/bin"

includes=(-Iproto -I/usr/include)
mapfile -t protos < <(cd proto && find . -name '*.proto' -printf '%P\n' | LC_ALL=C sort)
# Google's own messages that ours use, and those that plugins are written with.
mapfile -t known < <({
    grep -rhoP '^import (public )?"\Kgoogle/protobuf/[a-z_/]+\.proto' proto --include='*.proto'
    echo google/protobuf/descriptor.proto
    echo google/protobuf/compiler/plugin.proto
} | LC_ALL=C sort -u)

protoc "${includes[@]}" \
    --plugin=protoc-gen-c-optional=rpc/stubgen/protoc-gen-c-optional --c-optional_out="$out" \
    "${protos[@]}" "${known[@]}"

protoc "${includes[@]}" --nanopb_out="$out" --nanopb_opt="-T -Iproto" \
    banger/agent/v1/agent.proto banger/agent/v1/file.proto

cc=${CC:-cc}
"$cc" -std=gnu17 -D_GNU_SOURCE -O1 -I. -I"$out" -o "$work/bin/protoc-gen-banger-rpc" \
    rpc/stubgen/*.c base/buf.c base/map.c "$out"/google/protobuf/descriptor.pb-c.c \
    "$out"/google/protobuf/compiler/plugin.pb-c.c -lprotobuf-c
protoc "${includes[@]}" --plugin="$work/bin/protoc-gen-banger-rpc" --banger-rpc_out="$out" \
    --banger-rpc_opt=contract "${protos[@]}"
protoc "${includes[@]}" --plugin="$work/bin/protoc-gen-banger-rpc" --banger-rpc_out="$work" \
    --banger-rpc_opt=manual "${protos[@]}"

protoc "${includes[@]}" --include_imports --descriptor_set_out="$out/banger.binpb" "${protos[@]}"

layout=tests/compat/wire_layout.txt
"$cc" -std=gnu17 -D_GNU_SOURCE -O1 -I. -I"$out" -o "$work/bin/wire_layout" \
    tests/compat/wire_layout.c tests/compat/layout.c base/err.c base/utf8.c base/fs.c \
    "$out"/google/protobuf/descriptor.pb-c.c -lprotobuf-c

# CMakeLists.txt is the one file of gen/ that people write.
if $check; then
    if ! diff -r --brief -x CMakeLists.txt gen "$out" || ! diff -u docs/api.md "$work/api.md"; then
        echo "gen/ or docs/api.md is not what proto/ makes: run ./dev gen and commit the result" >&2
        exit 1
    fi
    "$work/bin/wire_layout" check "$out/banger.binpb" "$layout"
    exit 0
fi
"$work/bin/wire_layout" update "$out/banger.binpb" "$layout"
# Only what changed is touched: builds stay small.
(cd "$out" && find . -type f -printf '%P\n') | while read -r file; do
    cmp -s "$out/$file" "gen/$file" && continue
    mkdir -p "gen/$(dirname "$file")"
    cp "$out/$file" "gen/$file"
    echo "wrote gen/$file"
done
if ! cmp -s "$work/api.md" docs/api.md; then
    cp "$work/api.md" docs/api.md
    echo "wrote docs/api.md"
fi
find gen -type f ! -name CMakeLists.txt -printf '%P\n' | while read -r file; do
    [ -e "$out/$file" ] && continue
    rm "gen/$file"
    echo "removed gen/$file"
done
