#!/bin/sh
# What users run is hardened: an address of its own each time, no writable tables of functions, no
# executable stack, canaries, checked calls, and asserts that stay.
#
#   hardening_test.sh FORTIFY FILE...      FORTIFY: ON where the build has checked calls
set -u
fortify=$1
shift
failed=0

complain()
{
    echo "$1: $2"
    failed=1
}

has()
{
    echo "$1" | grep -q "$2"
}

if ! command -v readelf >/dev/null || ! command -v objdump >/dev/null; then
    echo "skipped: no readelf or objdump"
    exit 77
fi
for file in "$@"; do
    [ -f "$file" ] || { complain "$file" "is not there"; continue; }
    # Wide, and with the symbols of the other side, which say what is called.
    head=$(readelf -hlW "$file")
    dynamic=$(readelf -dW "$file")
    symbols=$(readelf -W --dyn-syms "$file")
    has "$head" 'Type: *DYN' || complain "$file" "is at a fixed address"
    has "$head" 'GNU_RELRO' || complain "$file" "has no RELRO"
    has "$dynamic" 'BIND_NOW' || has "$dynamic" 'FLAGS_1.*NOW' ||
        complain "$file" "binds late: its tables stay writable"
    has "$head" 'GNU_STACK.* RW ' || complain "$file" "has an executable stack"
    has "$dynamic" 'TEXTREL' && complain "$file" "has code that is written to"
    has "$dynamic" 'R.*PATH' && case $file in *.so*) complain "$file" "has a path to libraries" ;; esac
    if has "$dynamic" 'NEEDED'; then
        has "$symbols" '__stack_chk_fail' || complain "$file" "has no canaries"
        [ "$fortify" = OFF ] || has "$symbols" '__[a-z]*_chk@' || has "$symbols" '__[a-z]*_chk ' ||
            complain "$file" "has no checked calls"
    elif [ "$(uname -m)" = x86_64 ]; then
        # Static and stripped: the canary's place tells.
        [ "$(objdump -d "$file" | grep -c '%fs:0x28')" -gt 100 ] ||
            complain "$file" "has no canaries"
    fi
    case $file in
    */bangerd) has "$symbols" '__assert_fail' || complain "$file" "has no asserts" ;;
    esac
done
[ $failed -eq 0 ] && echo "$# files are hardened"
exit $failed
