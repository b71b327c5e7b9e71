#!/usr/bin/env bash
# What is in the way of guests with taps is named, mended by root alone, and undone as it is said; other firewalls'
# rules that are in nobody's way stay. In network namespaces of its own, with packets that pass or do not.
#
#   doctor_taps_test.sh BANGER BANGERD AGENT PRIV
set -euo pipefail
if [ "$(id -u)" != 0 ] || [ ! -c /dev/net/tun ] || ! command -v nft >/dev/null; then
    echo "skipped: needs root, /dev/net/tun and nft"
    exit 77
fi
if [ -z "${BANGER_DOCTOR_TEST_INSIDE:-}" ]; then
    BANGER_DOCTOR_TEST_INSIDE=1 exec unshare --net --mount -- "$0" "$@"
fi
banger=$1 priv=$4
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=sim
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR NO_COLOR
top=$(mktemp -d /tmp/bdoc.XXXXXX)
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c
failed=0
# shellcheck source=tests/support/places.sh
source "$(dirname "$0")/../support/places.sh"
finish() {
    "$banger" daemon stop >/dev/null 2>&1 || true
    end_places
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# --- a guest behind an interface like a tap, and the world ----------------------------------------------

passes() { in_place guest ping -c 1 -W 1 192.0.2.2 >/dev/null; }

ip link set lo up
place guest bgaaaaaaaaaaaaa card 198.51.100.2 198.51.100.1
place world world inner 192.0.2.2 192.0.2.1
sysctl -q net.ipv4.ip_forward=1
passes || fail "packets do not pass where nothing is in the way"
"$priv" --check || fail "something is in the way where nothing is"

# --- what is in the way is named, and nothing changed ---------------------------------------------------

sysctl -q net.ipv4.ip_forward=0
nft -f - <<'END'
table ip filter {
    chain DOCKER-USER { return; }
    chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }
}
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority 10; policy accept;
        ct state established,related accept
        reject with icmpx admin-prohibited
    }
}
table ip other {
    chain through { type filter hook forward priority 20; policy accept; ip saddr 203.0.113.9 drop; }
}
END
nft list ruleset >"$top/before"
passes && fail "packets pass where they are dropped"
code=0
said=$("$priv" --check) || code=$?
[ "$code" = 1 ] || fail "check says $code"
for word in "ip filter FORWARD" "inet firewalld filter_FORWARD" ip_forward; do
    grep -q "$word" <<<"$said" || fail "\"$word\" is not in: $said"
done
grep -q other <<<"$said" && fail "a chain that is in nobody's way is named: $said"
nft list ruleset | cmp - "$top/before" || fail "a check changed the rules"

# --- by doctor ------------------------------------------------------------------------------------------

"$banger" daemon start >/dev/null
"$banger" vm create --net tap --name box -q >/dev/null # which turns the forwarding on
said=$("$banger" doctor) || true
grep -q "^ok .*taps" <<<"$said" || fail "no taps: $said"
grep "^warning .*forwarding.*inet firewalld filter_FORWARD" <<<"$said" | grep -q "ip filter FORWARD" ||
    fail "doctor does not name the chains: $said"
sysctl -q net.ipv4.ip_forward=0
"$banger" doctor | grep -q "forwarding .*ip_forward is off" || fail "doctor does not say that forwarding is off"
code=0
said=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$banger" doctor --fix 2>&1) || code=$?
[ "$code" = 125 ] || fail "not root: $code"
grep -q "needs root" <<<"$said" || fail "not root: $said"
passes && fail "somebody has mended it"
said=$("$banger" doctor --fix) || true
passes || fail "packets do not pass when all is mended: $said"
grep -q "^ok .*forwarding" <<<"$said" || fail "not in order: $said"
[ "$(grep -c "undo: " <<<"$said")" = 4 ] || fail "not all is said of how to undo it: $said"
"$priv" --check || fail "still in the way"
[ -z "$("$priv" --fix)" ] || fail "mended twice"

# --- who else sets up our taps, and questions that are dropped ------------------------------------------

mount -t tmpfs tmpfs /run
index=$(cat /sys/class/net/bgaaaaaaaaaaaaa/ifindex 2>/dev/null || ip -o link show bgaaaaaaaaaaaaa | cut -d: -f1)
mkdir -p /run/systemd/netif/links /run/NetworkManager/devices
printf '# private\nADMIN_STATE=unmanaged\n' >"/run/systemd/netif/links/$index"
printf '[device]\nmanaged=false\n' >"/run/NetworkManager/devices/$index"
"$banger" doctor | grep -q "^ok .*taps" || fail "a tap that is left alone: $("$banger" doctor | grep taps)"
sed -i s/unmanaged/configured/ "/run/systemd/netif/links/$index"
"$banger" doctor | grep -q "^warning .*taps .*systemd-networkd sets up bgaaaaaaaaaaaaa" || fail "networkd: $("$banger" doctor | grep taps)"
rm "/run/systemd/netif/links/$index"
sed -i s/false/true/ "/run/NetworkManager/devices/$index"
"$banger" doctor | grep -q "^warning .*taps .*NetworkManager sets up bgaaaaaaaaaaaaa" || fail "NetworkManager: $("$banger" doctor | grep taps)"
umount /run
nft add table inet closed
nft add chain inet closed in '{ type filter hook input priority 0; policy drop; }'
nft add rule inet closed in iifname lo accept
"$banger" doctor | grep -q "^ok .*forwarding" || fail "a host that is closed is in nobody's way"
told=$("$priv" --check) && fail "check says 0"
grep -q "inet closed in drops what guests with taps ask" <<<"$told" || fail "$told"
in_place guest ping -c 1 -W 1 198.51.100.1 >/dev/null && fail "it is not closed"
told=$("$priv" --fix) || fail "not mended: $told"
grep -q "undo: nft .*delete rule inet closed in handle" <<<"$told" || fail "it is not said how to undo it: $told"
in_place guest ping -c 1 -W 2 198.51.100.1 >/dev/null || fail "it is not mended"
nft delete table inet closed

# --- undone as it was said ------------------------------------------------------------------------------

"$banger" vm delete --force box >/dev/null
sed -n 's/^ *undo: //p' <<<"$said" | sh -e >/dev/null || fail "what undoes it does not work: $said"
passes && fail "it is not undone"
nft delete table inet banger
sysctl -q net.ipv4.ip_forward=1
nft list ruleset | cmp - "$top/before" || fail "the rules are not as they were"
echo "$failed failed checks"
[ "$failed" = 0 ]
