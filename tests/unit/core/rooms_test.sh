#!/usr/bin/env bash
# The rooms of the core (docs/ARCHITECTURE.md) are built on each other one way only: no call goes
# upwards, whatever it is declared in, check-layering refuses an include that would, and no file is
# too long to live in.
#
#   rooms_test.sh SOURCE-FOLDER BUILD-FOLDER
set -euo pipefail
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}

# Calls, as the linker sees them. The rooms in their order are check-layering's.
mapfile -t rooms < <(sed -n 's|^ *level\["daemon/core/\([a-z]*\)"\].*|\1|p' "$source/scripts/check-layering")
[ ${#rooms[@]} -ge 8 ] || fail "check-layering names ${#rooms[@]} rooms"
objects=$build/daemon/core/CMakeFiles/core.dir
for level in "${!rooms[@]}"; do
    [ -d "$objects/${rooms[level]}" ] || fail "no objects of ${rooms[level]}"
    (cd "$objects" && nm -A "${rooms[level]}"/*.o) | sed "s|^|$level |"
done >"$work/symbols"
awk -v names="${rooms[*]}" '
    BEGIN { split(names, room, " ") }
    NF == 4 && $3 ~ /^[BCDRT]$/ { at[$4] = $1; next } # level file:address type name
    NF == 4 && $3 == "U" { split($2, file, ":"); used[++n] = $1; name[n] = $4; by[n] = file[1]; next }
    END {
        for (i = 1; i <= n; i++) {
            if (!(name[i] in at)) continue
            calls++
            if (at[name[i]] > used[i]) print "FAIL " by[i] " calls " name[i] " of " room[at[name[i]] + 1]
        }
        print calls + 0 " uses of names of the core"
    }' <(sed -E 's/^([0-9]+) ([^ ]+:) +U (.*)$/\1 \2 U \3/; s/^([0-9]+) ([^ ]+:[0-9a-f]+) (.) (.*)$/\1 \2 \3 \4/' "$work/symbols") >"$work/calls"
cat "$work/calls"
! grep -q ^FAIL "$work/calls" || failed=1
[ "$(awk 'END { print $1 }' "$work/calls")" -gt 400 ] || fail "few uses are seen: nm prints them otherwise"

# Includes.
refused() {
    local file=$1 header=$2
    mkdir -p "$work/tree"
    (cd "$source" && git ls-files -z scripts daemon | tar -c --null -T -) | tar -x -C "$work/tree"
    git -C "$work/tree" init -q
    (cd "$work/tree" && scripts/check-layering) || fail "check-layering is not content with the tree"
    printf '#include "%s"\n' "$header" >>"$work/tree/$file"
    if (cd "$work/tree" && scripts/check-layering) >"$work/told"; then
        fail "check-layering lets $file include $header"
    fi
    grep -qF "$file" "$work/told" || fail "check-layering does not name $file"
    rm -rf "$work/tree"
}
refused daemon/core/vm/vm.c daemon/core/session/session.h
refused daemon/core/event/event.c daemon/core/operation/operation.h
refused daemon/core/supervise/idle.c daemon/core/session/session_internal.h

# Sizes.
longest=$(cd "$source" && git ls-files 'daemon/core/*.[ch]' 'daemon/vmm/*.[ch]' 'daemon/host/*.[ch]' | xargs wc -l |
    awk '$2 != "total" && $1 > 500 { print $2 " has " $1 " lines" }')
[ -z "$longest" ] || fail "$longest"
exit $failed
