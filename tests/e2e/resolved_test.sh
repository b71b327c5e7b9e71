#!/usr/bin/env bash
# systemd-resolved is told to ask for names of VMs, over the tap of one that runs, and that is undone: by the end of
# the VM, of the daemon, and after a daemon that was killed. In namespaces of its own, with a bus of its own.
#
#   resolved_test.sh BANGER BANGERD AGENT RESOLVED
set -euo pipefail
if [ "$(id -u)" != 0 ] || [ ! -c /dev/net/tun ] || ! command -v dbus-daemon >/dev/null; then
    echo "skipped: needs root, /dev/net/tun and dbus-daemon"
    exit 77
fi
if [ -z "${BANGER_RESOLVED_TEST_INSIDE:-}" ]; then
    BANGER_RESOLVED_TEST_INSIDE=1 exec unshare --net --mount -- "$0" "$@"
fi
banger=$1 resolved=$4
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=sim BANGER_DNS_RESOLVED=yes
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR NO_COLOR
top=$(mktemp -d /tmp/bres.XXXXXX)
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$top/bus
failed=0
pids=()
finish() {
    "$banger" vm delete --force box other >/dev/null 2>&1 || true
    "$banger" daemon stop >/dev/null 2>&1 || true
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL line ${BASH_LINENO[0]}: $*"
    failed=$((failed + 1))
}

ip link set lo up
dbus-daemon --session --nofork --address="$DBUS_SYSTEM_BUS_ADDRESS" 2>/dev/null &
pids+=($!)
until [ -S "$top/bus" ]; do sleep 0.05; done
start_resolved() { # [refuse | keep FILE]
    : >"$top/calls"
    "$resolved" "$@" >"$top/calls" &
    resolved_pid=$!
    pids+=($!)
    until grep -q ready "$top/calls"; do sleep 0.05; done
}

# calls WANT: what it was told since the last look, in so many lines, within a time.
seen=1
calls() {
    local n
    n=$(wc -l <<<"$1")
    for _ in $(seq 100); do
        [ "$(wc -l <"$top/calls")" -ge $((seen + n)) ] && break
        sleep 0.1
    done
    [ "$(tail -n +$((seen + 1)) "$top/calls")" = "$1" ] ||
        fail "resolved was told: $(tail -n +$((seen + 1)) "$top/calls"); want $1"
    seen=$(wc -l <"$top/calls")
}
tap_of() { # ADDRESS OF THE GUEST
    ip -o addr show to "${1%.*}.$((${1##*.} - 1))" | awk '{ print $2 }'
}
address_of() { "$banger" vm show "$1" -o json | jq -r '.. | .guestIp? // empty'; }

# --- a VM with a tap runs, and another takes its place --------------------------------------------------

start_resolved keep "$top/keep"
"$banger" daemon start >/dev/null
"$banger" doctor | grep -q "^ok .*names .*as soon as a VM with a tap runs" || fail "$("$banger" doctor | grep names)"
"$banger" vm create --net tap --name box -q >/dev/null
box=$(address_of box)
link=$(tap_of "$box")
end=${box%.*}.$((${box##*.} - 1))
for _ in $(seq 100); do
    [ "$(wc -l <"$top/calls")" -ge 4 ] && break
    sleep 0.1
done
port=$(awk '/^dns/ { print $4 }' "$top/calls")
calls "default $link no
domain $link ~vm
dns $link $end $port -"
said=$(python3 - "$end" "$port" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\3box\2vm\0" + struct.pack(">2H", 1, 1))
print(socket.inet_ntoa(s.recv(512)[-4:]))
END
)
[ "$said" = "$box" ] || fail "box.vm is $said"
"$banger" doctor | grep -q "^ok .*names .*over $link" || fail "$("$banger" doctor | grep names)"
"$banger" vm create --net tap --name other -q >/dev/null
other=$(tap_of "$(address_of other)")
"$banger" vm stop box >/dev/null
for _ in $(seq 100); do
    [ "$(wc -l <"$top/calls")" -ge $((seen + 4)) ] && break
    sleep 0.1
done
port=$(awk '/^dns/ { port = $4 } END { print port }' "$top/calls")
end=$(ip -o -4 addr show dev "$other" | awk '{ sub("/.*", "", $4); print $4 }')
calls "revert $link
default $other no
domain $other ~vm
dns $other $end $port -"

# --- what cannot be undone comes before what is to be set -----------------------------------------------

touch "$top/keep"
"$banger" vm start box >/dev/null
"$banger" vm stop other >/dev/null
calls "keep $other"
[ "$(cat "$top/s/resolved")" = "$other" ] || fail "its note names $(cat "$top/s/resolved"), not $other"
rm "$top/keep"
"$banger" vm stop box >/dev/null # a reason to try again at once
calls "revert $other"
"$banger" vm start other >/dev/null
for _ in $(seq 100); do
    [ "$(wc -l <"$top/calls")" -ge $((seen + 3)) ] && break
    sleep 0.1
done
port=$(awk '/^dns/ { port = $4 } END { print port }' "$top/calls")
calls "default $other no
domain $other ~vm
dns $other $end $port -"

# --- ends: of the daemon, killed or not, with another key by then ---------------------------------------

kill -9 "$(sed -n 's/^pid //p' "$top/s/lock")" || fail "no daemon to kill"
BANGER_DNS_RESOLVED=no "$banger" vm list >/dev/null
calls "revert $other"
"$banger" daemon stop >/dev/null
"$banger" vm list >/dev/null
for _ in $(seq 100); do
    [ "$(wc -l <"$top/calls")" -ge $((seen + 3)) ] && break
    sleep 0.1
done
port=$(awk '/^dns/ { port = $4 } END { print port }' "$top/calls")
calls "default $other no
domain $other ~vm
dns $other $end $port -"
"$banger" daemon stop >/dev/null
calls "revert $other"
[ ! -e "$top/s/resolved" ] || fail "its note is left"

# --- it is not there, or refuses ------------------------------------------------------------------------

kill "$resolved_pid"
wait "$resolved_pid" 2>/dev/null || true
"$banger" vm list >/dev/null
for _ in $(seq 100); do
    "$banger" doctor >"$top/said" || true
    grep -q "^warning .*names .*systemd-resolved: " "$top/said" && break
    sleep 0.1
done
grep -q "^warning .*names .*systemd-resolved: " "$top/said" || fail "where it is not there: $(grep names "$top/said")"
start_resolved refuse
"$banger" daemon stop >/dev/null
"$banger" vm list >/dev/null
for _ in $(seq 100); do
    "$banger" doctor >"$top/said" || true
    grep -q "^warning .*names .*authentication required" "$top/said" && break
    sleep 0.1
done
grep -q "^warning .*names .*authentication required" "$top/said" || fail "where it refuses: $(grep names "$top/said")"
echo "$failed failed checks"
[ "$failed" = 0 ]
