#!/usr/bin/env bash
# A tree of many files with all that trees have into a guest, the daemon killed halfway, and back, killed halfway again:
# what comes back is the same by content and metadata. In the time that it takes, beside tar through the guest's ssh.
#
#   tree_test.sh BANGER BANGERD AGENT sim|qemu
#
# BANGER_TEST_FILES: how many (1000). BANGER_TEST_SPARSE_MIB: of one more file, that is a hole but for its ends (64).
set -euo pipefail
# shellcheck source=shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
tool=$(dirname "$0")/tree_make.py
files=${BANGER_TEST_FILES:-1000} sparse_mib=${BANGER_TEST_SPARSE_MIB:-64}
start_daemon "$@"
"$banger" vm run --name box -d >/dev/null 2>"$top/err" || die "run -d: $(cat "$top/err")"

# seconds COMMAND…: runs it; how long that took is in $took.
seconds() {
    local began=$EPOCHREALTIME
    "$@"
    took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')
}
kill_daemon() {
    local pid
    pid=$(sed -n 's/^pid[^0-9]*\([0-9]*\).*/\1/p' "$top/s/lock" | head -1)
    kill -9 "$pid"
    "$banger" daemon start >/dev/null
}
names() { find "$1" 2>/dev/null | wc -l; }
# cut_halfway FOLDER COMMAND…: kills the daemon when some of the names are in FOLDER of this machine; the copy
# stands still meanwhile, or it would be over on a quick one.
cut_halfway() {
    local into=$1 copy
    shift
    "$@" >"$top/out" 2>"$top/err" </dev/null &
    copy=$!
    background+=("$copy")
    until [ "$(names "$into")" -gt $((files / 16)) ]; do
        kill -0 "$copy" 2>/dev/null || break
    done
    kill -STOP "$copy" 2>/dev/null || true
    kill_daemon
    kill -CONT "$copy" 2>/dev/null || true
    wait "$copy" || fail "$*: $(cat "$top/err")"
    grep -q 'going on' "$top/err" || fail "it was not cut off: $*"
}
same() {
    python3 "$tool" tell "$2" >"$top/theirs"
    cmp -s "$top/mine" "$top/theirs" || fail "$1: $(diff "$top/mine" "$top/theirs" | head -5)"
}

mkdir "$top/tree"
python3 "$tool" make "$top/tree" "$files"
python3 "$tool" tell "$top/tree" >"$top/mine"
there=$top/there
[ "$engine" = sim ] || there=/root/there
"$banger" vm exec --no-stdin box -- mkdir "$there"

# There: of sim guests that is this machine too, so that half of it can be seen to be there.
if [ "$engine" = sim ]; then
    seconds cut_halfway "$there" "$banger" vm cp --archive "$top/tree/." "box:$there"
    same "cut off on its way there" "$there"
else
    seconds "$banger" vm cp --archive "$top/tree/." "box:$there" || fail "there"
fi
echo "     $files files there: $took"
# And back.
mkdir "$top/back"
seconds cut_halfway "$top/back" "$banger" vm cp --archive "box:$there/." "$top/back"
same "cut off on its way back" "$top/back"
echo "     and back, cut off: $took"
rm -rf "$top/back"
seconds "$banger" vm cp --archive "box:$there/." "$top/back"
same "in one go" "$top/back"
echo "     and back in one go: $took"
rm -rf "$top/back"

# tar through the guest's ssh, for comparison.
if command -v ssh >/dev/null; then
    "$banger" ssh-config --install --file "$top/ssh_config" >/dev/null
    mkdir "$top/tarred"
    by_tar() { ssh -F "$top/ssh_config" box.vm tar -C "$there" -cf - . | tar -C "$top/tarred" -xf -; }
    seconds by_tar || fail "tar through ssh"
    echo "     back by tar through ssh: $took"
    rm -rf "$top/tarred"
fi

# One that is a hole.
mkdir "$top/one"
printf begin >"$top/one/hole"
truncate -s "${sparse_mib}M" "$top/one/hole"
printf end >>"$top/one/hole"
python3 "$tool" tell "$top/one" >"$top/mine"
there_and_back() {
    "$banger" vm cp --archive "$top/one" "box:$there/one" && "$banger" vm cp --archive "box:$there/one" "$top/one.back"
}
seconds there_and_back || fail "a hole"
same "a hole" "$top/one.back"
echo "     a hole of $sparse_mib MiB there and back: $took"
finish_test
