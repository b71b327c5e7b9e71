#!/bin/sh
# The shared library exports everything that its headers declare, and nothing else.
#   symbols_test.sh LIBRARY CC HEADER_USER INCLUDE...
set -eu
library=$1 cc=$2 user=$3
shift 3
symbols=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')
ours='^(banger_|grpc__health__v1__|google__protobuf__timestamp__)'
if others=$(printf '%s\n' "$symbols" | grep -vE "$ours"); then
    printf 'exported, but none of ours:\n%s\n' "$others" >&2
    exit 1
fi
# Functions and objects as the compiler sees them: statements that are neither static nor types.
declared=$(grep '^#include' "$user" | "$cc" -E -P -x c "$@" - | tr '\n' ' ' | sed 's/[{}]/;/g' | tr ';' '\n' | grep -vE 'static|typedef' | grep -E '[(]|extern' |
    grep -oE '[ *](banger_|grpc__health__v1__|google__protobuf__timestamp__)[a-z0-9_]+ *(\(|$)' |
    grep -oE '(banger_|grpc__|google__)[a-z0-9_]+' | sort -u)
[ "$(printf '%s\n' "$declared" | wc -l)" -gt 500 ] || { echo "too little is declared: $declared" >&2; exit 1; }
for wanted in banger_connect banger_attach_next grpc__health__v1__health_check_request__descriptor; do
    printf '%s\n' "$declared" | grep -qx "$wanted" || { echo "$wanted was not found in the headers" >&2; exit 1; }
done
printf '%s\n' "$symbols" | sort -u >"${TMPDIR:-/tmp}/symbols.$$"
missing=$(printf '%s\n' "$declared" | comm -23 - "${TMPDIR:-/tmp}/symbols.$$" || true)
rm -f "${TMPDIR:-/tmp}/symbols.$$"
[ -z "$missing" ] || { printf 'declared, but not exported:\n%s\n' "$missing" >&2; exit 1; }
