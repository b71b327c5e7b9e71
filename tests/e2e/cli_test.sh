#!/usr/bin/env bash
# What a user types, with the daemon started by the command itself.
#
#   cli_test.sh BANGER BANGERD AGENT sim|qemu [tls]
#
# With tls all but `daemon ...` goes through a context: TCP, TLS, nothing of this machine but the network.
set -euo pipefail
banger=$1 agent=$3 engine=$4 way=${5:-local}
export BANGER_DAEMON=$2 BANGER_AGENT=$agent BANGER_DRIVER=$engine
if [ "$engine" = qemu ] && [ -z "${BANGER_TEST_ASSETS:-}" ]; then
    echo "skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"
    exit 77
fi
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR NO_COLOR
top=$(mktemp -d /tmp/bcli.XXXXXX)
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c
me="$(id -u), pid" # as `host connections` has it
failed=0

# Processes that mention the folder, a line each.
ours() {
    local pid
    for pid in /proc/[0-9]*; do
        if { tr '\0' ' ' <"$pid/cmdline" | grep -qF -- "$top/"; } 2>/dev/null; then
            echo "${pid#/proc/}"
        fi
    done
}

finish() {
    "$banger" daemon stop >/dev/null 2>&1 || true
    local pid
    for pid in $(ours); do
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# expect CODE TEXT COMMAND…: exit status and the whole of stdout.
expect() {
    local code=$1 text=$2 got_code=0 got
    shift 2
    got=$("$banger" "$@" 2>"$top/err") || got_code=$?
    if [ "$got_code" != "$code" ]; then
        fail "banger $*: status $got_code, want $code: $(cat "$top/err")"
    elif [ "$got" != "$text" ]; then
        fail "banger $*: \"$got\", want \"$text\""
    fi
}

# contains PART COMMAND…: succeeds and says so.
contains() {
    local part=$1 got
    shift
    got=$("$banger" "$@" 2>"$top/err") || fail "banger $*: $(cat "$top/err")"
    [[ $got == *"$part"* ]] || fail "banger $*: \"$got\" lacks \"$part\""
}

# refused PART CODE COMMAND…: fails with that status and a message that says so.
refused() {
    local part=$1 code=$2 got_code=0
    shift 2
    "$banger" "$@" >/dev/null 2>"$top/err" || got_code=$?
    [ "$got_code" = "$code" ] || fail "banger $*: status $got_code, want $code"
    grep -qF -- "$part" "$top/err" || fail "banger $*: \"$(cat "$top/err")\" lacks \"$part\""
}

# What stands for banger from here on.
use_context() {
    local port token code=1
    for port in $((20000 + $$ % 5000)) $((25000 + $$ % 5000)) $((15000 + $$ % 5000)); do
        "$banger" auth init --listen "127.0.0.1:$port" >/dev/null 2>"$top/err" && code=0 && break
    done
    [ "$code" = 0 ] || { cat "$top/err" && exit 1; }
    token=$("$banger" auth token create me --role admin -q) || exit 1
    cat >"$top/over_tls" <<EOF
#!/bin/sh
[ "\$1" = daemon ] || { unset BANGER_STATE_DIR; export BANGER_DAEMON=/nonexistent; }
exec "$banger" "\$@"
EOF
    chmod +x "$top/over_tls"
    banger=$top/over_tls me=TLSv1.3
    "$banger" auth enroll "127.0.0.1:$port" --token "$token" >/dev/null
}

"$banger" daemon start >/dev/null
[ "$way" = local ] || use_context
if [ "$engine" = qemu ]; then
    kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    "$banger" kernel import --modules "$(dirname "$kernel")/modules" "$kernel" >/dev/null
    "$banger" image import --name debian-bookworm "$image" >/dev/null
    contains debian-bookworm image list
    contains 'Debian GNU/Linux 12' vm run --rm -- cat /etc/os-release
fi

# The front door
got=$(echo hi | "$banger" vm run --rm -- tr a-z A-Z 2>"$top/err") || fail "run: $(cat "$top/err")"
[ "$got" = HI ] || fail "tr says \"$got\""
expect 42 "" vm run --rm -- sh -c 'exit 42'
refused "" 127 vm run --rm -- /no/such/command
expect 0 "" vm list -q
[ -z "$(ls "$top/s/vms")" ] || fail "files of VMs are left: $(ls "$top/s/vms")"

# A VM that stays
"$banger" vm run --name box -d >/dev/null 2>"$top/err" || fail "run -d: $(cat "$top/err")"
contains box vm list
contains running vm list
contains '"name": "box"' vm show box -o json
contains 'name: ' vm show box -o yaml
expect 7 "in box" vm exec box -- sh -c 'echo in box; exit 7'
got=$(head -c 3000000 /dev/zero | "$banger" vm exec box -- wc -c) || fail "wc"
[ "$got" = 3000000 ] || fail "3000000 bytes of stdin become $got"
got=$("$banger" vm exec box -- head -c 3000000 /dev/zero | wc -c)
[ "$got" = 3000000 ] || fail "3000000 bytes of stdout become $got"
"$banger" vm exec box -- sh -c 'echo out; echo err >&2' >"$top/out" 2>"$top/err"
[ "$(cat "$top/out")" = out ] || fail "stdout $(cat "$top/out")"
grep -qx err "$top/err" || fail "stderr $(cat "$top/err")"

# Sessions
"$banger" session start --name job --no-stdin box -- sh -c 'echo one; echo two >&2; exit 5' >/dev/null
expect 5 "" session wait -q job
contains one session logs job
expect 5 "one" session attach job
contains job session list box
contains "exited 5" session list
contains '"name": "job"' session show job -o json
"$banger" session start --name long --no-stdin box -- sleep 100000 >/dev/null
refused "long" 125 session delete long
"$banger" session kill long >/dev/null
expect 137 "" session wait -q long
"$banger" session delete long >/dev/null
refused "long" 125 session show long

# Turns of its life; a session goes with the VM, and the daemon may go and come
"$banger" vm stop box >/dev/null 2>&1 || fail "stop"
contains stopped vm list
refused "box" 125 vm exec box -- true
"$banger" vm start box >/dev/null 2>&1 || fail "start"
"$banger" vm restart box >/dev/null 2>&1 || fail "restart"
expect 0 "" vm exec box -- true
"$banger" daemon stop >/dev/null
[ "$way" = local ] || "$banger" daemon start >/dev/null
expect 9 "" vm exec box -- sh -c 'exit 9' # locally: starts the daemon again
contains vm.restart operation list
contains '"kind"' operation list -o json

# A slow reader is waited for; one that is not has not seen everything, and does not end with 0
got=$("$banger" vm exec --spool 1M box -- seq 1 1000000 | (sleep 2; wc -l)) || fail "seq: $got"
[ "$got" = 1000000 ] || fail "a slow reader saw $got of 1000000 lines"
# Reads when all has been written, of which the spool keeps the end.
read_late() {
    local id=""
    for _ in $(seq 300); do
        id=$("$banger" session list | sed -n "s/^\([^ ]*\) .*head -c 20000000 .*/\1/p")
        [ -n "$id" ] && break
        sleep 0.1
    done
    "$banger" session wait -q "$id" >/dev/null
    cat >/dev/null
}
code=0
"$banger" vm exec --no-wait --spool 64K box -- head -c 20000000 /dev/zero 2>"$top/err" | read_late || code=$?
[ "$code" = 122 ] || fail "a reader that lost output ends with $code: $(cat "$top/err")"
grep -q "spool_limit" "$top/err" || fail "what was lost is not told: $(cat "$top/err")"

# Output behind the end, and what is left running
expect 0 "first
late" vm exec --drain 20 box -- sh -c '(sleep 2; echo late) & echo first'
expect 0 "" vm exec box -- sh -c 'nohup sleep 600 >/dev/null 2>&1 &'
contains "exited 0, left 1" session list
left=$("$banger" session list | sed -n "s/^\([^ ]*\) .*left 1.*/\1/p")
"$banger" session kill "$left" >/dev/null || fail "kill what was left"
refused "no session" 125 session show "$left"

# A VM that stands still refuses at once what it cannot do
"$banger" session start box --name still -- sh -c 'echo hello; sleep 600' >/dev/null || fail "session start"
for _ in $(seq 100); do
    "$banger" session show still | grep -q '^Output: *6' && break
done
contains "6" session show still
"$banger" vm pause box >/dev/null 2>&1 || fail "pause"
for what in "session logs still" "session attach still" "session kill still" "session stop still" \
    "session send still --text x" "session signal still TERM" "vm exec box -- true"; do
    # shellcheck disable=SC2086
    refused "is paused" 125 $what
done
contains running session show still
"$banger" vm resume box >/dev/null 2>&1 || fail "resume"
"$banger" session kill still >/dev/null || fail "kill after resume"
"$banger" session delete still >/dev/null || fail "delete after resume"

# A guest that does not answer: what was not started never will be
agent_pid=$("$banger" vm handles box -o json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p' | head -1)
if [ "$engine" = sim ] && [ "$way" = local ] && [ -n "$agent_pid" ]; then
    # the agent is below its keeper
    # shellcheck disable=SC2046
    kill -STOP "$agent_pid" $(ps -o pid= --ppid "$agent_pid")
    "$banger" vm exec box -- touch "$top/ran" 2>"$top/err" &
    waiting=$!
    for _ in $(seq 100); do
        "$banger" session list | grep -q " pending .* touch " && break
    done
    kill -TERM "$waiting"
    code=0
    wait "$waiting" || code=$?
    [ "$code" = 143 ] || fail "exec that was interrupted ends with $code: $(cat "$top/err")"
    # shellcheck disable=SC2046
    kill -CONT $(ps -o pid= --ppid "$agent_pid") "$agent_pid"
    expect 0 "" vm exec box -- true
    [ ! -e "$top/ran" ] || fail "a command that was given up has run"
fi
"$banger" vm kill box >/dev/null 2>&1 || fail "kill"
"$banger" vm delete box >/dev/null 2>&1 || fail "delete"
expect 0 "" vm list -q

# What the daemon does with a VM by itself
"$banger" vm create --no-start --name kept --expire 2h --idle-stop 30m --restart on-failure --autostart \
    >/dev/null 2>&1 || fail "create with policies"
contains Expires: vm show kept
contains "after 1800s" vm show kept
contains on-failure vm show kept
contains '"autostart": true' vm show kept -o json
"$banger" vm update --expire 0 --restart never --autostart off kept >/dev/null 2>&1 || fail "update policies"
"$banger" vm show kept | grep -qE "^(Expires|Restart|Autostart):" && fail "policies are still there"
contains "after 1800s" vm show kept
"$banger" vm delete kept >/dev/null 2>&1 || fail "delete kept"
refused "user|tap|none" 125 vm create --net bridge
refused "--nat: there is none with --net user" 125 vm create --nat --net user
refused "restart policy" 125 vm run --rm --restart always -- true

# Who did that, and who is here
contains VMService/DeleteVM auth audit --method DeleteVM
contains '"method": "/banger.v1.VMService/KillVM"' auth audit --method KillVM -o json
contains "$me" host connections
expect 0 "" auth audit --principal nobody -o json
refused "no connection" 125 host kick 999999
refused "not the number" 125 host kick box

# The daemon of another host is neither ended nor started from here
if [ "$way" != local ]; then
    far=$("$banger" context list -q)
    contains "is running at tls:" --context "$far" daemon status
    refused "of another host" 125 --context "$far" daemon stop
    refused "of another host" 125 --context "$far" daemon start
    refused "of another host" 125 --context nowhere daemon stop
    contains "is running" daemon status
    refused "nowhere" 125 --context nowhere daemon status
fi

# Mistakes
refused "nobody" 125 vm show nobody
refused "Bad_Name" 125 vm run --rm --name Bad_Name -- true
refused "no-image" 125 vm run --rm --image no-image -- true
refused "frobnicate" 125 vm frobnicate

"$banger" daemon stop >/dev/null

# An ordinary user's PATH has no sbin
if [ "$way" = local ]; then
    PATH=/usr/bin:/bin "$banger" daemon start >/dev/null
    "$banger" doctor >"$top/out" || true
    grep -qE '^ok +mke2fs' "$top/out" || fail "doctor: $(cat "$top/out")"
    "$banger" daemon stop >/dev/null
fi
left=$(ours)
[ -z "$left" ] || fail "processes are left: $(for p in $left; do tr '\0' ' ' <"/proc/$p/cmdline"; done)"
[ "$failed" = 0 ] && echo "ok"
