#!/usr/bin/env bash
# A build that nobody asked to have faults for tests has none: neither the code nor the names of the
# variables are in it, whatever the environment says. With BANGER_FAULTS they are.
#
#   crash_point_test.sh SOURCE-FOLDER
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}

# Every source of the daemon with faults in it, as an object of the given build.
mapfile -t sources < <(cd "$source" && grep -rl --include='*.c' BANGER_FAULTS daemon | LC_ALL=C sort)
[ ${#sources[@]} -gt 0 ] || fail "no source has faults: this test looks in the wrong place"
objects() {
    local build=$1 file library
    for file in "${sources[@]}" daemon/core/operation/operation_run.c; do
        library=${file#daemon/}
        sed -n "s|^build \\([^ ]*/[a-z_-]*${library%%/*}[a-z_]*.dir/${file#daemon/*/}.o\\):.*|\\1|p" \
            "$build/build.ninja"
    done | LC_ALL=C sort -u
}

# build NAME [OPTION…]
build() {
    local name=$1 list
    shift
    cmake -S "$source" -B "$work/$name" -G Ninja "$@" >"$work/$name.log" 2>&1 || {
        cat "$work/$name.log"
        exit 1
    }
    mapfile -t list < <(objects "$work/$name")
    [ ${#list[@]} -gt "${#sources[@]}" ] || fail "$name: not every source has an object"
    ninja -C "$work/$name" --quiet "${list[@]}"
    (cd "$work/$name" && grep -aohE 'BANGER_[A-Z_]*(_AT|FAULTS)=?' "${list[@]}" | sort -u) \
        >"$work/$name.names" || true
    (cd "$work/$name" && nm "${list[@]}" | grep -oE '[TU] (crash_point|crash_point_fails)$' | sort -u) \
        >"$work/$name.symbols" || true
}

build plain
build release -DCMAKE_BUILD_TYPE=Release -DBANGER_FAULTS=ON
build asked -DCMAKE_BUILD_TYPE=Debug -DBANGER_FAULTS=ON
for name in plain release; do
    [ ! -s "$work/$name.names" ] || fail "$name knows" "$(tr '\n' ' ' <"$work/$name.names")"
    [ ! -s "$work/$name.symbols" ] || fail "$name has" "$(tr '\n' ' ' <"$work/$name.symbols")"
done
for name in BANGER_CRASH_AT BANGER_FAIL_AT; do
    grep -qF "$name" "$work/asked.names" || fail "a build with BANGER_FAULTS does not know $name"
done
grep -qF "T crash_point" "$work/asked.symbols" || fail "a build with BANGER_FAULTS has no crash points"

# And a program that comes by such a point lives on, or does not.
cat >"$work/act.c" <<'END'
#include "daemon/core/crash_point.h"
int main(void)
{
    crash_point("vm.create", "boot", "before", false);
    return crash_point_fails("vm.create", "disks");
}
END
act() {
    local code=0
    "${CC:-cc}" -I "$source" "$@" -o "$work/act" "$work/act.c"
    BANGER_CRASH_AT=vm.create:boot:before BANGER_FAIL_AT=vm.create:disks "$work/act" || code=$?
    echo "$code"
}
code=$(act)
[ "$code" = 0 ] || fail "a plain program ended with $code at a crash point"
code=$(act -DBANGER_FAULTS -D_GNU_SOURCE "$source"/daemon/core/crash_point.c "$source"/base/{log,err,utf8}.c)
[ "$code" = 137 ] || fail "a program with crash points ended with $code, not by SIGKILL"
exit $failed
