#!/bin/sh
# Builds tonic's client, in OUT/debug. Skips (77) where there is no Rust that is new enough, or the crates
# cannot be had.
#
#   setup.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
skip() {
    rm -f "$out/debug/interop-tonic"
    echo "skipped: $*"
    exit 77
}
command -v cargo >/dev/null || skip "no cargo command"
minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
[ "${minor:-0}" -ge 88 ] || skip "Rust 1.88 or later is needed, this is $(rustc --version)"
cd "$root/tests/interop/rust"
timeout 300 cargo fetch --quiet --locked || skip "crates cannot be had"
# The crates are built once for all checkouts.
made=${XDG_CACHE_HOME:-$HOME/.cache}/banger-interop/rust
timeout 540 cargo build --quiet --locked --offline --target-dir "$made"
install -D "$made/debug/interop-tonic" "$out/debug/interop-tonic"
