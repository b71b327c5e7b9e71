#!/usr/bin/env bash
# Firewalls that are made by iptables, of either kind: what is in a guest's way is named and mended, the program that
# made them still reads and changes them, and the undoing leaves them as they were. In namespaces of its own, with
# packets that pass or do not.
#
#   doctor_iptables_test.sh PRIV
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
    echo "skipped: needs root"
    exit 77
fi
if [ -z "${BANGER_DOCTOR_TEST_INSIDE:-}" ]; then
    BANGER_DOCTOR_TEST_INSIDE=1 exec unshare --net --mount -- "$0" "$@"
fi
priv=$1
top=$(mktemp -d /tmp/bdoc.XXXXXX)
failed=0 checks=0
pids=()
finish() {
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $kind, $name: $*"
    failed=$((failed + 1))
}

# --- a guest behind an interface like a tap, and the world ----------------------------------------------

# shellcheck source=tests/support/places.sh
source "$(dirname "$0")/../support/places.sh"
ip link set lo up
place guest bgaaaaaaaaaaaaa card 198.51.100.2 198.51.100.1
place world world inner 192.0.2.2 192.0.2.1
sysctl -q net.ipv4.ip_forward=1
passes() { in_place guest ping -c 1 -W 1 192.0.2.2 >/dev/null; }
asks() { in_place guest ping -c 1 -W 1 198.51.100.1 >/dev/null; }

# --- firewalls ------------------------------------------------------------------------------------------

# ip_tables ARGUMENT…: as this round's kind.
ip_tables() { "iptables-$kind" -w "$@"; }
docker() {
    ip_tables -N DOCKER-USER
    ip_tables -A DOCKER-USER -j RETURN
    ip_tables -P FORWARD DROP
    ip_tables -A FORWARD -j DOCKER-USER
    ip_tables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}
# As images of clouds have it: the policy accepts, all is rejected before, and somebody appended his own behind.
rejecting() {
    ip_tables -A FORWARD -m comment --comment "all else" -j REJECT --reject-with icmp-host-prohibited
    ip_tables -A FORWARD -s 203.0.113.9 -j ACCEPT
}
# What is let in is not let through.
let_in() {
    ip_tables -P FORWARD DROP
    ip_tables -A INPUT -i bg+ -j ACCEPT
}
# ufw's
closed() {
    ip_tables -P INPUT DROP
    ip_tables -A INPUT -i lo -j ACCEPT
}

# blocked FIREWALL WAY WORD: it is in the way, is named so, and is mended; all of it is undone.
blocked() {
    local action code=0 said way=$2
    name=$1 checks=$((checks + 1))
    "$1"
    ip_tables -S >"$top/before"
    "$way" && fail "it is in nobody's way"
    said=$("$priv" --check) || code=$?
    [ "$code" = 1 ] || fail "check says $code"
    grep -q "^found: .*$3" <<<"$said" || fail "check: $said"
    ip_tables -S | cmp - "$top/before" || fail "a check changed it"
    code=0
    said=$("$priv" --fix) || code=$?
    [ "$code" = 0 ] || fail "not mended ($code): $said"
    "$way" || fail "packets do not pass when it is mended: $said"
    ip_tables -S >/dev/null || fail "its own program cannot read it any more"
    for action in -A -C -D; do
        ip_tables "$action" FORWARD -i other -j ACCEPT || fail "its own program cannot change it any more"
    done
    "$priv" --check >"$top/again" || fail "still in the way: $(cat "$top/again")"
    [ -z "$("$priv" --fix)" ] || fail "mended twice"
    sed -n 's/^ *undo: //p' <<<"$said" | sh -e >/dev/null || fail "what undoes it does not work: $said"
    ip_tables -S | cmp - "$top/before" || fail "it is not as it was"
    clear
}

# open FIREWALL: nothing is in the way.
open() {
    name=$1 checks=$((checks + 1))
    "$1"
    passes || fail "it is in the way"
    "$priv" --check || fail "named, though nothing is in the way"
    clear
}
# An administrator's own exceptions; a rule for all before the one that drops all.
excepted() {
    ip_tables -P FORWARD DROP
    ip_tables -A FORWARD -i bg+ -j ACCEPT
    ip_tables -A FORWARD -o bg+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}
excepted_by_chain() {
    ip_tables -N own
    ip_tables -A own -i bg+ -j ACCEPT
    ip_tables -A own -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    ip_tables -P FORWARD DROP
    ip_tables -A FORWARD -j own
}
accepting() {
    ip_tables -P FORWARD DROP
    ip_tables -A FORWARD -j ACCEPT
    ip_tables -A FORWARD -j DROP
}
narrow() {
    ip_tables -A FORWARD -s 203.0.113.9 -j DROP
    ip_tables -A FORWARD -p tcp --dport 25 -j REJECT
}

clear() {
    ip_tables -P FORWARD ACCEPT
    ip_tables -P INPUT ACCEPT
    ip_tables -F
    ip_tables -X
}

# What the kernel has not, or nobody has installed, is left out.
has() { command -v "iptables-$1" >/dev/null && "iptables-$1" -w -S >/dev/null 2>&1; }

for kind in nft legacy; do
    has "$kind" || continue
    blocked docker passes FORWARD
    blocked rejecting passes FORWARD
    blocked let_in passes FORWARD
    blocked closed asks INPUT
    open excepted
    open excepted_by_chain
    open accepting
    open narrow
done
[ "$checks" != 0 ] || {
    echo "skipped: no iptables here"
    exit 77
}
echo "$checks firewalls, $failed failed checks"
[ "$failed" = 0 ]
