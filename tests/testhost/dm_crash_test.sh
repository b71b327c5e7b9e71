#!/usr/bin/env bash
# Disks by device-mapper, whose daemon, helper or both are killed somewhere in the midst: of a creation, a start, a
# restart, a deletion, and of the start of the daemon that comes next. What a helper alone was at is done by the next
# one; whatever it was, the next try works, the host has what the daemon says, and nothing in the end. Beside it another
# daemon's VM keeps its disk, and its data.
#
#   dm_crash_test.sh BANGER BANGERD AGENT sim [ROUNDS [STORAGE]]   copy: by hand, where there is no device-mapper
set -euo pipefail
rounds=${5:-2} storage=${6:-dm-snapshot}
set -- "${@:1:4}"
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/../e2e/shell_daemon.sh"
# shellcheck source=tests/testhost/dm_shell.sh
. "$(dirname "$0")/dm_shell.sh"
[ "$storage" = dm-snapshot ] || disks() { :; }

RANDOM=${BANGER_TEST_SEED:-$$}
echo "seed ${BANGER_TEST_SEED:-$$}, $rounds rounds"
start_daemon "$@"
make_image
create=(vm create --image small --driver sim --storage "$storage")

# The other daemon.
own=$BANGER_STATE_DIR
export BANGER_STATE_DIR=$top/other
"$banger" daemon start >/dev/null
make_image
ok "${create[@]}" theirs
put theirs precious 20
theirs=$(path theirs)
their_disks=$(disks)
export BANGER_STATE_DIR=$own

# our_disks: how many there are, as device-mapper says.
our_disks() {
    disks | { grep -vcF -- "${their_disks:-no such}" || true; }
}

kill_somebody() {
    case $1 in
    helper) kill_helper ;;
    daemon) kill -9 "$(daemon)" ;;
    both)
        kill_helper
        kill -9 "$(daemon)"
        ;;
    esac
}

settled() { ! "$banger" operation list -o json | grep -qE '"state": "OPERATION_STATE_(RUNNING|PENDING|UNDOING)'; }

# What is there is what is listed: each VM's disk can be read, and there is no other.
truth() {
    local vm n=0
    for vm in $("$banger" vm list --format '{name}'); do
        n=$((n + 1))
        [ "$("$banger" vm show "$vm" --format '{runtime.state}')" != VM_STATE_RUNNING ] || [ "$(get "$vm" 40 4)" = base ] ||
            fail "$1: the disk of $vm is not there"
    done
    [ "$storage" != dm-snapshot ] || [ "$(our_disks)" -le "$n" ] || fail "$1: $n VMs, and $(disks)"
    [ "$(find "$own/vms" -mindepth 1 -maxdepth 1 | wc -l)" = "$n" ] || fail "$1: $n VMs, and $(ls "$own/vms")"
}

# cut WHO COMMAND…: in its midst, and again as the next daemon starts; then it has ended, one way or the other.
cut() {
    local who=$1 code=0
    shift
    "$banger" "$@" >"$top/cut" 2>&1 &
    sleep "0.$((RANDOM % 40 + 10))" # somewhere
    kill_somebody "$who"
    wait $! || code=$?
    if [ "$who" = helper ]; then
        [ "$code" = 0 ] || fail "$*, its helper killed: $(cat "$top/cut")"
    else
        "$banger" daemon start >/dev/null 2>&1 &
        sleep "0.$((RANDOM % 30 + 10))"
        kill -9 "$(daemon)" 2>/dev/null || true
        wait $! || true
        "$banger" daemon start >/dev/null
    fi
    wait_for settled || fail "operations go on: $("$banger" operation list)"
    truth "$*, $who killed"
}

for ((round = 1; round <= rounds; round++)); do
    for who in helper daemon both; do
        cut "$who" "${create[@]}" cut
        "$banger" vm show cut >/dev/null 2>&1 || ok "${create[@]}" cut
        "$banger" vm stop cut >/dev/null 2>&1 || true
        cut "$who" vm start cut
        "$banger" vm start cut >/dev/null 2>&1 || ok vm restart cut
        cut "$who" vm restart cut
        ok vm restart cut
        [ "$(get cut 40 4)" = base ] || fail "after all that: \"$(get cut 40 4)\""
        cut "$who" vm delete --force cut
        "$banger" vm delete --force cut >/dev/null 2>&1 || true
        truth "deleted"
        [ "$(our_disks)" = 0 ] || fail "deleted: $(disks)"
    done
done

[ "$(dd if="$theirs" bs=1M skip=20 count=1 status=none | head -c 8)" = precious ] || fail "the other daemon's disk"
[ "$(disks)" = "$their_disks" ] || fail "the other daemon had $their_disks, and there is $(disks)"
export BANGER_STATE_DIR=$top/other
ok vm delete --force theirs
"$banger" daemon stop >/dev/null
export BANGER_STATE_DIR=$own
none "all deleted"
[ "$failed" = 0 ] || tail -n 60 "$top/s/"*.log
finish_test
