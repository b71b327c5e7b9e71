#!/bin/sh
# The shared library exports banger_ symbols and nothing else. symbols_test.sh LIBRARY
set -eu
symbols=$(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')
if others=$(printf '%s\n' "$symbols" | grep -v '^banger_'); then
    printf 'exported, but no banger_ symbol:\n%s\n' "$others" >&2
    exit 1
fi
for wanted in banger_connect banger_invoke banger_attach_next banger_message_to_json; do
    printf '%s\n' "$symbols" | grep -qx "$wanted" || { echo "$wanted is not exported" >&2; exit 1; }
done
