#!/usr/bin/env bash
# Firewalls that are made by iptables, of either kind, and by nft: what is in a guest's way is named and mended, the program that
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
# shellcheck source=tests/support/places.sh
source "$(dirname "$0")/../support/places.sh"
trap end_places EXIT

fail() {
    echo "FAIL $kind, $name: $*"
    failed=$((failed + 1))
}

# --- a guest behind an interface like a tap, and the world ----------------------------------------------

ip link set lo up
place guest bgaaaaaaaaaaaaa card 198.51.100.2 198.51.100.1
place world world inner 192.0.2.2 192.0.2.1
sysctl -q net.ipv4.ip_forward=1
# Within a second, or SECONDS where nothing is expected.
passes() { in_place guest ping -c 1 -W "${1:-1}" 192.0.2.2 >/dev/null; }
asks() { in_place guest ping -c 1 -W "${1:-1}" 198.51.100.1 >/dev/null; }

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

# An exception at INPUT, in a chain of its own, as ufw has it.
let_in_by_chain() {
    ip_tables -N ufw-user-input
    ip_tables -A ufw-user-input -i bg+ -j ACCEPT
    ip_tables -A INPUT -j ufw-user-input
    ip_tables -P FORWARD DROP
}
logdrop() {
    ip_tables -N LOGDROP
    ip_tables -A LOGDROP -j LOG --log-prefix "no: "
    ip_tables -A LOGDROP -j DROP
    ip_tables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    ip_tables -A FORWARD -j LOGDROP
}
# A way for some packets is none for all.
partly() {
    ip_tables -P FORWARD DROP
    ip_tables -A FORWARD -i bg+ -p tcp --dport 443 -j ACCEPT
    ip_tables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}
taps_dropped() { ip_tables -A FORWARD -i bg+ -j DROP; }
# Docker is gone and its chain is not, to which nothing leads any more.
stale() {
    ip_tables -N DOCKER-USER
    ip_tables -A DOCKER-USER -i bg+ -j ACCEPT
    ip_tables -P FORWARD DROP
}
mangled() { "iptables-$kind" -w -t mangle -A FORWARD -j DROP; }

# blocked FIREWALL WAY WORD: it is in the way, is named so, and is mended; all of it is undone.
blocked() {
    local action code=0 said way=$2
    name=$1 checks=$((checks + 1))
    "$1"
    ip_tables -S >"$top/before"
    "$way" 0.3 && fail "it is in nobody's way"
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
    ip_tables -A FORWARD -m conntrack --ctstate INVALID -j DROP
    ip_tables -A FORWARD -s 203.0.113.9 -j DROP
    ip_tables -A FORWARD -p tcp --dport 25 -j REJECT
}

user_accepts() {
    docker
    ip_tables -I DOCKER-USER -j ACCEPT
}
trusted() {
    ip_tables -N trusted
    ip_tables -A trusted -j ACCEPT
    ip_tables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    ip_tables -A FORWARD -i bg+ -g trusted
    ip_tables -A FORWARD -j REJECT
}

clear() {
    "iptables-$kind" -w -t mangle -F
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
    blocked let_in_by_chain passes FORWARD
    blocked logdrop passes FORWARD
    blocked partly passes FORWARD
    blocked taps_dropped passes FORWARD
    blocked stale passes FORWARD
    [ "$kind" = legacy ] || blocked mangled passes mangle
    open user_accepts
    open trusted
    open excepted
    open excepted_by_chain
    open accepting
    open narrow
done
# --- by nft ---------------------------------------------------------------------------------------------

# by_nft NAME CODE RULE…: check says CODE of a chain with that policy and these rules; 1: it is mended, and undone when
# the firewall has been loaded anew with one rule more.
by_nft() {
    local code=0 said rule
    kind=nft name=$1 checks=$((checks + 1))
    {
        echo "flush ruleset"
        echo "table inet own { set some { type ipv4_addr; }; chain lan { $LAN; }; chain way { type filter hook forward priority 0; policy $3;"
        for rule in "${@:4}"; do echo "$rule"; done
        echo "}; }"
    } >"$top/rules"
    nft -f "$top/rules"
    "$priv" --check >"$top/said" || code=$?
    [ "$code" = "$2" ] || fail "check says $code: $(cat "$top/said")"
    code=0
    passes "$([ "$2" = 0 ] || echo 0.3)" || code=1
    [ "$code" = "$2" ] || fail "packets say $code"
    [ "$2" = 0 ] && return
    said=$("$priv" --fix) || fail "not mended: $said"
    passes || fail "packets do not pass when it is mended: $said"
    sed 's/policy [a-z]*;/& ct state invalid drop;/' "$top/rules" >"$top/more"
    nft -f "$top/more"
    nft list ruleset >"$top/before"
    sed -n 's/^ *undo: //p' <<<"$said" | sh -e >/dev/null || fail "what undoes it does not work: $said"
    nft list ruleset | cmp - "$top/before" || fail "another's rules are gone"
    nft -f "$top/rules"
    nft list ruleset >"$top/before"
    "$priv" --fix >/dev/null
    sed -n 's/^ *undo: //p' <<<"$said" | sh -e >/dev/null
    nft list ruleset | cmp - "$top/before" || fail "it is not as it was"
}
if command -v nft >/dev/null; then
    LAN='iifname "bg*" accept'
    by_nft "logs and drops" 1 accept 'ct state established,related accept' 'counter log prefix "no: " drop'
    by_nft "drops IPv4" 1 accept 'meta nfproto ipv4 drop'
    by_nft "a chain that nothing leads to" 1 drop 'ct state established,related accept'
    by_nft "a chain that taps are led to" 0 drop 'ct state established,related accept' 'iifname "bg*" jump lan'
    by_nft "a set of interfaces" 0 drop 'ct state established,related accept' 'iifname { "bg*", "lan0" } accept'
    by_nft "drops others" 0 accept 'iifname "lan0" drop' 'ip saddr @some drop' 'ct state invalid drop'
    LAN='accept'
    by_nft "as firewalld's trusted" 0 accept 'ct state established,related accept' 'iifname "bg*" goto lan' 'reject'
    nft flush ruleset
fi
[ "$checks" != 0 ] || {
    echo "skipped: no iptables here"
    exit 77
}
echo "$checks firewalls, $failed failed checks"
[ "$failed" = 0 ]
