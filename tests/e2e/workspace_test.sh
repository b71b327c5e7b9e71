#!/usr/bin/env bash
# A git repository into a guest and its changes back, where the guest is another machine that has no git.
#
#   workspace_test.sh BANGER BANGERD AGENT
set -euo pipefail
banger=$1
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=qemu
if [ -z "${BANGER_TEST_ASSETS:-}" ]; then
    echo "skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"
    exit 77
fi
if ! command -v git >/dev/null; then
    echo "skipped: there is no git"
    exit 77
fi
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR
top=$(mktemp -d /tmp/bws.XXXXXX)
mkdir "$top/tmp"
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c TMPDIR=$top/tmp
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
failed=0

finish() {
    "$banger" vm delete box >/dev/null 2>&1 || true
    "$banger" daemon stop >/dev/null 2>&1 || true
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# ok COMMAND…: banger, and that it works.
ok() {
    "$banger" "$@" >"$top/out" 2>"$top/err" </dev/null || fail "$*: $(cat "$top/err")"
}
# is TEXT: what the last one printed.
is() {
    [ "$(cat "$top/out")" = "$1" ] || fail "it prints \"$(cat "$top/out")\", not \"$1\""
}

kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
ok daemon start
ok kernel import --modules "$(dirname "$kernel")/modules" "$kernel"
ok image import --name debian-bookworm "$image"

git init -q -b main "$top/src"
cd "$top/src"
git config user.name Dev
git config user.email dev@example.org
mkdir sub
seq 1 9 >sub/f
ln -s sub/f link
git add .
git commit -qm one
echo ten >>sub/f

ok vm run --name box --timeout 5m ./sub -- sh -c 'pwd; tail -n1 f; cat ../.git/HEAD; ls -ld ../link | sed "s/.* -> //"'
is "/root/src/sub
ten
ref: refs/heads/main
sub/f"
ok vm exec --no-stdin -w /root/src box -- sh -c 'command -v git || { echo eleven >>sub/f; echo n >new; rm link; }'
if [ -s "$top/out" ]; then
    echo "the guest has a git: a test of clients_cli_workspace_test"
fi
ok vm workspace export box --file "$top/patch"
grep -q 'box has no git' "$top/err" || fail "the guest's git is missing, and that is not said: $(cat "$top/err")"
git apply "$top/patch" || fail "the patch does not apply: $(cat "$top/patch")"
[ "$(tail -n2 sub/f | tr '\n' ' ')" = "ten eleven " ] || fail "sub/f is $(tail -n2 sub/f)"
if [ ! -e new ] || [ -L link ]; then
    fail "new and link are not as in the guest"
fi

# Root itself is kept from writing.
git add .
ok vm workspace push --read-only box:/srv/ro .
ok vm exec --no-stdin box -- sh -c 'cat /srv/ro/new; echo x 2>/dev/null >/srv/ro/new; rm -rf /srv/ro/sub 2>/dev/null; cat /srv/ro/new; ls /srv/ro/sub'
is "n
n
f"

ok vm workspace push --mode full box:/srv/all .
[ -z "$(ls "$top/tmp")" ] || fail "$(ls "$top/tmp") is left in TMPDIR"

[ "$failed" -eq 0 ] || exit 1
