#!/bin/sh
# Builds the Go programs of the tests beside, once for all of them, with the versions of go.mod. Skips
# (77) where there is no Go, or its modules cannot be had; the programs are gone then, and what needs
# them skips too.
#
#   go_build.sh SOURCE OUT PACKAGE…
set -eu
source=$1 out=$2
shift 2
rm -rf "$out"
skip() {
    echo "skipped: $*"
    exit 77
}
command -v go >/dev/null || skip "no go command"
mkdir -p "$out"
cd "$source"
# An older Go than go.mod names fetches that one by itself, if it is 1.21 or later and may.
code=0
timeout 540 go build -mod=readonly -o "$out/" "$@" >"$out/log" 2>&1 || code=$?
cat "$out/log"
[ $code != 0 ] || exit 0
rm -rf "$out"
[ $code != 124 ] || skip "Go modules did not come within 540 s"
case $(timeout 60 go version 2>&1) in
*" requires go "* | *"toolchain not available"*) skip "this Go is older than go.mod wants: $(go env GOVERSION)" ;;
*"go version go1."[0-9]" "* | *"go version go1."[0-9].* | *"go version go1.1"* | *"go version go1.20"*)
    skip "Go 1.21 or later is needed" ;;
esac
timeout 60 go list -mod=readonly -deps "$@" >/dev/null 2>&1 || skip "Go modules cannot be had"
exit 1
