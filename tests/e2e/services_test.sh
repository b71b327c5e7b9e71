#!/usr/bin/env bash
# Commands that run whenever their VM does: started, restarted, given up, in order, over the daemon's and the VM's end.
#
#   services_test.sh BANGER BANGERD AGENT sim|qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"

start_daemon "$@"
"$banger" vm create --name box >/dev/null 2>"$top/err" || fail "create: $(cat "$top/err")"

# As long as 60 s: the state of a service, or of how it does.
await() {
    local name=$1 field=$2 want=$3 got=""
    for _ in $(seq 600); do
        got=$("$banger" service show box "$name" --format "{$field}" 2>/dev/null) || true
        [ "$got" = "$want" ] && return
        sleep 0.1
    done
    fail "service $name: $field is \"$got\", want \"$want\""
}
run_of() {
    "$banger" service show box "$1" --format '{sessionId}'
}

# Runs, as a session of its own; not twice by another daemon
"$banger" service create box web --restart always --backoff 100ms -- sh -c 'echo hello; exec sleep 1000' >/dev/null
await web state running
first=$(run_of web)
expect 0 "$(run_of web)" service show box web --format '{sessionId}'
for _ in $(seq 600); do # it runs, and has not said it yet
    [ -n "$("$banger" session logs "$first")" ] && break
    sleep 0.1
done
expect 0 "hello" session logs "$first"
refused "has a service named web" 125 service create box web -- true
refused "stop it first, or force" 125 service delete box web
"$banger" daemon stop >/dev/null
await web state running
[ "$(run_of web)" = "$first" ] || fail "another daemon has started it again"

# Killed: started again, and the earlier run is a session still
"$banger" session kill "$first" >/dev/null
for _ in $(seq 600); do
    [ "$(run_of web)" != "$first" ] && break
    sleep 0.1
done
await web state running
expect 0 "1" service show box web --format '{restarts}'
expect 0 "signal 9 ended it" service show box web --format '{lastError}'
expect 0 "hello" session logs "$first"

# Comes with its VM
"$banger" vm stop box >/dev/null 2>&1 || fail "stop"
await web state waiting
"$banger" vm start box >/dev/null 2>&1 || fail "start"
await web state running
expect 0 "3" service show box web --format '{runs}'

# Not wanted: neither now nor with the VM
"$banger" service stop box web >/dev/null || fail "service stop"
await web state stopped
"$banger" vm restart box >/dev/null 2>&1 || fail "restart"
await web state stopped
"$banger" service start box web >/dev/null || fail "service start"
await web state running

# In an order: after what runs, or is done
"$banger" service create box last --start-after first --start-after middle -- sleep 1000 >/dev/null
await last state waiting
"$banger" service create box first -- true >/dev/null
await first state "done"
await last state waiting
"$banger" service create box middle --stopped -- sleep 1000 >/dev/null
await middle state stopped
await last state waiting
"$banger" service start box middle >/dev/null
await last state running

# Ready when a check says so, for which those after it wait; not ready when it says otherwise
flag=/tmp/banger-ready-$$
"$banger" service create box slow-start --ready "test -e $flag || { echo no flag; exit 4; }" --ready-interval 100ms \
    --ready-retries 2 -- sleep 1000 >/dev/null
"$banger" service create box behind --start-after slow-start -- sleep 1000 >/dev/null
await slow-start state running
await slow-start lastCheck "it exited with 4: no flag"
await behind state waiting
expect 0 "false" service show box slow-start --format '{ready}'
"$banger" vm exec box -- touch "$flag"
await slow-start ready true
await behind state running
"$banger" daemon stop >/dev/null # another daemon asks anew
await slow-start ready true
"$banger" vm exec box -- rm "$flag"
await slow-start ready false
await behind state running
"$banger" event list >"$top/events"
grep -q 'service.ready' "$top/events" || fail "no event says that it is ready"
grep 'service.not_ready' "$top/events" | grep -q 'exited with 4' || fail "no event says that it is not"
"$banger" service update box slow-start --no-ready >/dev/null || fail "service update --no-ready"
await slow-start ready true
"$banger" service update box slow-start --ready 'sleep 1000' --ready-timeout 200ms >/dev/null || fail "service update --ready"
await slow-start lastCheck "it took longer than 200 ms"
refused "go with --ready" 125 service create box odd --ready-timeout 1s -- true
"$banger" service delete --force box behind >/dev/null
"$banger" service delete --force box slow-start >/dev/null

# Another spec: from the next run on, or at once, and an end that was asked for is no failure
"$banger" service create box fickle --restart never -- sh -c 'echo one; sleep 1000' >/dev/null
await fickle state running
old=$(run_of fickle)
expect 0 "fickle" service update box fickle --restart on-failure
expect 0 "$old on_failure" service show box fickle --format '{sessionId} {spec.restart}'
expect 0 "fickle" service update box fickle -- sh -c 'echo two; sleep 1000'
expect 0 "$old" service show box fickle --format '{sessionId}'
expect 0 "fickle" service update box fickle --restart-now --backoff 30s
for _ in $(seq 600); do
    [ "$(run_of fickle)" != "$old" ] && break
    sleep 0.1
done
await fickle state running
expect 0 "2 0" service show box fickle --format '{runs} {restarts}'
for _ in $(seq 600); do
    [ -n "$("$banger" session logs "$(run_of fickle)")" ] && break
    sleep 0.1
done
expect 0 "two" session logs "$(run_of fickle)"
"$banger" daemon stop >/dev/null
expect 0 "on_failure 30000" service show box fickle --format '{spec.restart} {spec.backoffFirstMs}'
refused "no stdin and no terminal" 125 service update box fickle --tty -- true
"$banger" service delete --force box fickle >/dev/null

# A creation that is sent again leads to what it made, with another daemon too
create='{"vm": "box", "name": "once", "requestId": "once-1", "stopped": true, "spec": {"command": {"argv": ["true"]}}}'
once=$("$banger" call CreateService "$create" --format '{id}') || fail "call CreateService"
expect 0 "$once" call CreateService "$create" --format '{id}'
"$banger" daemon stop >/dev/null
expect 0 "$once" call CreateService "$create" --format '{id}'
refused "was used for another request" 125 call CreateService "${create/once\",/twice\",}"
"$banger" service delete box once >/dev/null
refused "has been deleted" 125 call CreateService "$create"

# Gives up, for this boot; and begins anew when it is told to
"$banger" service create box bad --restarts-max 2 --backoff 50ms -- sh -c 'exit 3' >/dev/null
await bad state failed
expect 0 "3 2 it exited with 3" service show box bad --format '{runs} {restarts} {lastError}'
"$banger" daemon stop >/dev/null
await bad state failed
expect 0 "3" service show box bad --format '{runs}'
"$banger" service start box bad >/dev/null
await bad runs 6
await bad state failed
"$banger" event list | grep 'service.failed' | grep -q 'exited with 3' || fail "no event says that it has failed"

# Waits as long with another daemon
"$banger" service create box slow --backoff 30s -- false >/dev/null
await slow state backoff
"$banger" daemon stop >/dev/null
await slow state backoff
expect 0 "1" service show box slow --format '{runs}'

# What cannot be
refused "no stdin and no terminal" 125 service create box tty --tty -- true
refused "no one who holds its output" 125 service create box held --output-policy hold -- true
refused "has no service" 125 service show box nobody
"$banger" service delete box bad >/dev/null || fail "delete what has given up"

# Its last run goes on as a session until it is stopped with it
second=$(run_of web)
"$banger" service delete --force box web >/dev/null || fail "delete --force"
"$banger" session wait "$second" >/dev/null 2>&1 || true
[ "$("$banger" session show "$second" --format '{state}')" = exited ] || fail "the run of a deleted service goes on"
"$banger" vm delete --force box >/dev/null 2>&1 || fail "vm delete"
expect 0 "" service list -q

finish_test
