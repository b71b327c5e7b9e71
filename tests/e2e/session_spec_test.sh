#!/usr/bin/env bash
# shellcheck disable=SC2016 # the guest expands
# What a session's command runs with, as a user asks for it.
#
#   session_spec_test.sh BANGER BANGERD AGENT sim|qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"

start_daemon "$@"
"$banger" vm create --name box >/dev/null 2>"$top/err" || fail "create: $(cat "$top/err")"

# One stream, in the order in which it was written
expect 0 "o1
e1
o2
e2" vm exec --merge-stderr box -- sh -c 'for i in 1 2; do echo o$i; echo e$i >&2; done'

# Limits, soft and hard; the nice value; who goes first for memory
expect 0 "77 99 0 unlimited" vm exec --ulimit nofile=77:99 --ulimit core=0:unlimited box -- \
    sh -c 'echo $(ulimit -Sn) $(ulimit -Hn) $(ulimit -Sc) $(ulimit -Hc)'
expect 0 "12 12" vm exec --ulimit nofile=12 box -- sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'
expect 0 "7 300" vm exec --nice 7 --oom-score-adj 300 box -- sh -c 'echo $(nice) $(cat /proc/self/oom_score_adj)'
expect 0 "-5" vm exec --nice -5 --user daemon box -- nice
"$banger" session start box --name shown --ulimit nofile=77:99 --nice 7 --merge-stderr -- true >/dev/null
expect 0 "7 true" session show shown --format '{spec.nice} {spec.mergeStderr}'

# What is none, and what the guest's kernel will not have
refused "there is no limit \"files\"" 125 vm exec --ulimit files=1 box -- true
refused "nofile is given twice" 125 vm exec --ulimit nofile=1 --ulimit nofile=2 box -- true
refused "above the hard one" 125 vm exec --ulimit nofile=2:1 box -- true
refused "is not NAME=SOFT" 125 vm exec --ulimit nofile=x box -- true
refused "from -20 to 19" 125 vm exec --nice 20 box -- true
refused "from -1000 to 1000" 125 vm exec --oom-score-adj x box -- true
refused "nofile: Operation not permitted (stage limits)" 125 vm exec --ulimit nofile=1:1099511627776 box -- true

# Waits until its output is stored
"$banger" session start box --name fleet --spool 64K --output-policy until-acknowledged -- head -c 100000 /dev/zero >/dev/null
total() {
    "$banger" session show "$1" --format '{stdoutTotal}'
}
await_total() {
    local n=""
    for _ in $(seq 300); do
        n=$(total "$1")
        [ "$n" = "$2" ] && return
        sleep 0.1
    done
    fail "$1 has written $n bytes, want $2"
}
await_total fleet 32768
"$banger" daemon stop >/dev/null
await_total fleet 32768
refused "has not written so much" 125 session ack fleet --stdout 40000
"$banger" session ack fleet --stdout 30000 >/dev/null || fail "ack"
await_total fleet 62768
expect 0 "30000" session show fleet --format '{stdoutAcknowledged}'
"$banger" daemon stop >/dev/null
expect 0 "30000" session show fleet --format '{stdoutAcknowledged}'
"$banger" session ack fleet --stdout 62768 >/dev/null || fail "ack"
await_total fleet 95536
"$banger" session ack fleet --stdout 95536 >/dev/null || fail "ack"
expect 0 "" session wait fleet
refused "waits for no acknowledgement" 125 session ack shown --stdout 1

# Waits for a reader, who may come late
"$banger" session start box --name blocked --spool 64K --output-policy block -- seq 100000 >/dev/null
await_total blocked 32768
[ "$("$banger" session attach blocked | wc -l)" = 100000 ] || fail "a blocked session lost output"

# What its grandchildren hold
expect 0 "first
late" vm exec --drain-policy until-closed --drain 1ms box -- sh -c '(sleep 1; echo late) & echo first'
code=0
got=$("$banger" vm exec --drain-policy cut box -- sh -c '(sleep 60) & echo first' 2>/dev/null) || code=$?
[ "$got" = first ] || fail "cut: \"$got\" $code"

# Goes by itself
"$banger" session start box --name seen --stop-unwatched 1s -- sh -c 'echo here; sleep 1000' >/dev/null
"$banger" session start box --name unseen --stop-unwatched 1s --unwatched-from-start -- sleep 1000 >/dev/null
"$banger" session wait unseen >/dev/null 2>&1 || true
[ "$("$banger" session show unseen --format '{state}')" = exited ] || fail "unseen, and it runs on"
[ "$("$banger" session show seen --format '{state}')" = running ] || fail "nobody has watched it yet"
"$banger" session logs seen >/dev/null
"$banger" session wait seen >/dev/null 2>&1 || true
[ "$("$banger" session show seen --format '{state}')" = exited ] || fail "it was watched, and is not any more"
"$banger" session start box --name brief --delete-ended 1s -- true >/dev/null
for _ in $(seq 100); do
    "$banger" session show brief >/dev/null 2>&1 || break
    sleep 0.1
done
refused "no session" 125 session show brief

finish_test
