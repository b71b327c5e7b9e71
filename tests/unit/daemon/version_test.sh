#!/usr/bin/env bash
# The version of a build: git describe in a checkout, and a header that is only written when it changes.
#
#   version_test.sh BangerVersion.cmake
set -euo pipefail
script=$1
command -v git >/dev/null || { echo "skipped: no git" && exit 77; }
top=$(mktemp -d /tmp/bversion.XXXXXX)
trap 'rm -rf "$top"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
mkdir "$top/source"

version() {
    cmake -DSOURCE="$top/source" -DOUT="$top/version.h" -DFALLBACK=0.1.0 -P "$script"
    sed -n 's/#define BANGER_VERSION "\(.*\)"/\1/p' "$top/version.h"
}

check() {
    local got
    got=$(version)
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $2 ]] || { echo "FAIL $1: \"$got\", want $2" && exit 1; }
}

check "no checkout" 0.1.0
git -C "$top/source" init -q
git -C "$top/source" commit -q --allow-empty -m one
check "no tag" "0.1.0-g*"
git -C "$top/source" tag v0.2.0
check "a tag" 0.2.0
touch -d @1 "$top/version.h"
check "again" 0.2.0
[ "$(stat -c %Y "$top/version.h")" = 1 ] || { echo "FAIL: written without a change" && exit 1; }
git -C "$top/source" commit -q --allow-empty -m two
check "behind a tag" "0.2.0-1-g*"
