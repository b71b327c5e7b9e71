#!/bin/sh
# Copies examples/go, makes its stubs, builds it. Skips (77) where its modules cannot be had.
#
#   setup_go.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
skip() {
    rm -rf "$out"
    echo "skipped: $*"
    exit 77
}
rm -rf "$out"
mkdir -p "$out"
command -v go >/dev/null || skip "no go command"
cp "$root"/examples/go/*.go "$root"/examples/go/*.sh "$root"/examples/go/go.mod "$root"/examples/go/go.sum "$out/"
cd "$out"
if timeout 300 ./generate.sh "$root/proto" && timeout 250 go build -mod=readonly -o run .; then
    exit 0
fi
timeout 60 go list -mod=readonly -deps tool >/dev/null 2>&1 || skip "Go modules cannot be had, or this Go is too old"
rm -f run
exit 1
