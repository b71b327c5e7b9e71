#!/usr/bin/env bash
# What runs in a guest before its VM is stopped: as a session that is kept, within its limit, and never in the way.
#
#   hooks_test.sh BANGER BANGERD AGENT sim|qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"

# does COMMAND…: it succeeds; what it says on stderr is in $top/err.
does() {
    "$banger" "$@" >"$top/out" 2>"$top/err" || fail "banger $*: $(cat "$top/err")"
}

# hooks VM: its hooks that have run, the latest last.
hooks() {
    "$banger" session list "$1" --filter hook=stop -q
}

# said KIND PART: an event of that kind says so.
said() {
    "$banger" event list >"$top/events"
    grep "$1 " "$top/events" | grep -qF -- "$2" || fail "no event $1 says \"$2\": $(grep hook "$top/events")"
}

state() {
    "$banger" vm show box --format '{runtime.state}'
}

start_daemon "$@"

# It runs before a stop, is shown as what it is, and its output is there while the VM is stopped
does vm create box --stop-hook "echo goodbye; echo \$\$ >&2"
does vm stop box
[ "$(state)" = stopped ] || fail "not stopped: $(state)"
first=$(hooks box)
[ "$(wc -w <<<"$first")" = 1 ] || fail "hooks that have run: $first"
[ "$("$banger" session logs "$first" 2>/dev/null)" = goodbye ] || fail "its output: $("$banger" session logs "$first" 2>&1)"
[ "$("$banger" session show "$first" --format '{state} {hook} {exit.code}')" = "exited stop 0" ] ||
    fail "shown as $("$banger" session show "$first" --format '{state} {hook} {exit.code}')"
"$banger" session list box >"$top/sessions"
grep "$first" "$top/sessions" | grep -q 'stop hook' || fail "the list does not say what it is"
said vm.hook "$first"
"$banger" vm show box >"$top/vm"
grep -q 'Stop hook: *sh' "$top/vm" || fail "the VM does not show it"

# Before a restart, too, as it was changed meanwhile; not before a kill, nor a stop at once
does vm start box
does vm update box --stop-hook 'echo "see you"' --stop-hook-limit 20s
"$banger" vm show box >"$top/vm"
grep -q 'Hook limit: *20s' "$top/vm" || fail "the VM does not show the change: $(cat "$top/vm")"
does vm restart box
[ "$(hooks box | wc -l)" = 2 ] || fail "none before the restart"
[ "$("$banger" session logs "$(hooks box | tail -n 1)" 2>/dev/null)" = "see you" ] || fail "the hook that there was before the change"
does vm stop --force box
does vm start box
does vm kill box
[ "$(hooks box | wc -l)" = 2 ] || fail "one before a kill"
if [ "$engine" = sim ]; then
    does vm update box --stop-hook ''
    does vm start box
    does vm stop box
    [ "$(hooks box | wc -l)" = 2 ] || fail "one that was taken away"
fi
does vm delete --force box

# One that fails, or takes too long, is told of and is not in the way; five are kept
does vm create box --stop-hook 'exit 7'
does vm stop box
[ "$(state)" = stopped ] || fail "a hook that fails keeps it from stopping: $(state)"
grep -q 'stop hook failed: it exited with 7' "$top/err" || fail "not told: $(cat "$top/err")"
said vm.hook_failed 'it exited with 7'
"$banger" operation list -o json >"$top/operations"
grep -q 'it exited with 7' "$top/operations" || fail "the operation does not say so"
if [ "$engine" = sim ]; then
    for _ in 1 2 3 4 5 6; do
        does vm start box
        does vm stop box
    done
    [ "$(hooks box | wc -l)" = 5 ] || fail "kept: $(hooks box | wc -l)"
fi
does vm delete --force box

does vm create box --stop-hook 'echo begun; exec sleep 1000' --stop-hook-limit 1s
"$banger" daemon stop >/dev/null # another daemon knows of it
does vm stop box
grep -q 'it took longer than 1000 ms' "$top/err" || fail "not told: $(cat "$top/err")"
[ "$(state)" = stopped ] || fail "a slow hook keeps it from stopping: $(state)"
[ "$("$banger" session logs "$(hooks box)" 2>/dev/null)" = begun ] || fail "the output of one that was killed"
does vm delete box

# A kill does not wait for it; a stop that is cut off by the end of the daemon goes on, and runs it once
does vm create box --stop-hook 'echo x >>/tmp/banger-hook-'"$$"'; sleep 1000' --stop-hook-limit 5m
"$banger" vm stop box >/dev/null 2>&1 &
stop=$!
for _ in $(seq 600); do
    [ "$("$banger" session list box --filter hook=stop --running -q | wc -l)" = 1 ] && break
    sleep 0.1
done
kill -9 "$(sed -n 's/^pid //p' "$BANGER_STATE_DIR/lock")" || fail "no daemon to kill"
"$banger" vm list >/dev/null
[ "$("$banger" session list box --filter hook=stop -q | wc -l)" = 1 ] || fail "run again by another daemon"
[ "$("$banger" vm exec box -- cat "/tmp/banger-hook-$$" 2>/dev/null)" = x ] || fail "run twice"
does vm exec box -- rm "/tmp/banger-hook-$$"
does vm kill box
wait "$stop" 2>/dev/null || true
[ "$(state)" = stopped ] || fail "killed in its hook: $(state)"
does vm delete box

# What cannot be
does vm create box --no-start
for limit in "true --stop-hook-limit 2h" "$(printf '%05000d' 0)"; do
    # shellcheck disable=SC2086 # words
    if "$banger" vm update box --stop-hook $limit >/dev/null 2>"$top/err"; then
        fail "changed to what cannot be"
    fi
done
grep -q '4096' "$top/err" || fail "$(cat "$top/err")"
if "$banger" vm create box --stop-hook true --stop-hook-limit 2h >/dev/null 2>"$top/err"; then
    fail "a limit of two hours"
fi
grep -q 'up to an hour' "$top/err" || fail "$(cat "$top/err")"

finish_test
