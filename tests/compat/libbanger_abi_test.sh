#!/bin/sh
# Holds libbanger against the list of what programs built with it depend on.
#   libbanger_abi_test.sh check|add LIST PROGRAM LIBRARY CC INCLUDE GEN MINOR_VERSION
# PROGRAM prints the structs (libbanger_abi.c). "add" adds to the list what is new.
set -eu
what=$1 list=$2 program=$3 library=$4 cc=$5 include=$6 gen=$7 version=$8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Functions and callbacks with the types of their parameters, without their names.
functions() {
    (cd "$include" && printf '#include "%s"\n' banger/*.h) | "$cc" -E -P -x c "-I$include" "-I$gen" - |
        tr '\n' ' ' | sed 's/[{}]/;/g' | tr ';' '\n' | grep -v static |
        grep -E '[ *]banger_[a-z0-9][a-z0-9_]* *\(' |
        sed -E 's/([ *])[a-z_0-9]+ *([,)])/\1\2/g; s/ +/ /g; s/ ([,)])/\1/g; s/^ //; s/ $//' |
        sed 's/^/function /; s/^function typedef/callback/'
}

{
    echo "soname $(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')"
    functions
    # The enumerators, as text.
    grep -hoE '\bBANGER_[A-Z0-9_]+ = -?[0-9]+' "$include"/banger/*.h | sed 's/^/enum /'
    "$program"
} | LC_ALL=C sort -u >"$dir/now"
grep -v '^#' "$list" 2>/dev/null | LC_ALL=C sort -u >"$dir/before" || :
LC_ALL=C comm -23 "$dir/before" "$dir/now" >"$dir/gone"
LC_ALL=C comm -13 "$dir/before" "$dir/now" >"$dir/new"

if [ -s "$dir/gone" ]; then
    echo "Programs built with this soname depend on what is gone or has changed:" >&2
    cat "$dir/gone" >&2
    echo "It stays; or libbanger_soversion in clients/c/CMakeLists.txt grows and $list is begun anew." >&2
    exit 1
fi
if [ "$what" = add ]; then
    { grep '^#' "$list" 2>/dev/null; cat "$dir/now"; } >"$dir/list"
    cat "$dir/list" >"$list"
elif [ -s "$dir/new" ]; then
    echo "New, and not in $list (\"$0 add …\" adds it, for good):" >&2
    cat "$dir/new" >&2
    exit 1
fi

# Functions are promised for the soname; messages, and the functions that take or give any, for a minor
# version: libbanger.map.in.
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort >"$dir/symbols"
{
    grep '^function ' "$dir/now" | grep -E 'ProtobufCMessage \*|Banger__V1__[A-Za-z]+ \*|struct banger_frame \*' |
        sed -E 's/ ?\(.*//; s/.*[ *]//'
    grep -oE '^(banger__|grpc__|google__)[^@]*' "$dir/symbols"
} | LC_ALL=C sort -u >"$dir/of_messages"
{
    sed 's/$/@@BANGER_MESSAGES_'"$version"'/' "$dir/of_messages"
    sed 's/@.*//' "$dir/symbols" | LC_ALL=C comm -23 - "$dir/of_messages" | sed 's/$/@@BANGER_0/'
} | LC_ALL=C sort >"$dir/wanted"
LC_ALL=C comm -3 "$dir/wanted" "$dir/symbols" >"$dir/wrong"
if [ -s "$dir/wrong" ]; then
    echo "clients/c/libbanger.map.in: wanted, and beside it what there is:" >&2
    cat "$dir/wrong" >&2
    exit 1
fi
