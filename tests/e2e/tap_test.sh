#!/usr/bin/env bash
# A guest with a tap: what it reaches and what not, and that nothing of it is left on the host, also where daemon
# and helper were killed. In a network namespace of its own, with another one as the world outside.
#
#   tap_test.sh BANGER BANGERD AGENT qemu|firecracker|firecracker_jailed
set -euo pipefail
if [ -z "${BANGER_TEST_ASSETS:-}" ]; then
    echo "skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"
    exit 77
fi
if [ "$(id -u)" != 0 ] || [ ! -c /dev/net/tun ]; then
    echo "skipped: needs root and /dev/net/tun"
    exit 77
fi
if [ -z "${BANGER_TAP_TEST_INSIDE:-}" ]; then
    BANGER_TAP_TEST_INSIDE=1 exec unshare --net --mount -- "$0" "$@"
fi
banger=$1
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=${4%_jailed}
if [ "$BANGER_DRIVER" = firecracker ]; then # the one that is named, or what stands in for it
    firecracker=${BANGER_FIRECRACKER:-$(dirname "$(readlink -f "$0")")/../support/firecracker/firecracker}
    PATH=$(dirname "$firecracker"):$PATH
fi
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR BANGER_FIRECRACKER NO_COLOR
if [ "$4" = firecracker_jailed ]; then
    export BANGER_FIRECRACKER_JAILER=yes
fi
top=$(mktemp -d /tmp/btap.XXXXXX)
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c
failed=0

ours() {
    local pid
    for pid in /proc/[0-9]*; do
        if { tr '\0' ' ' <"$pid/cmdline" | grep -qF -- "$top/"; } 2>/dev/null; then
            echo "${pid#/proc/}"
        fi
    done
}

pids=()
finish() {
    "$banger" daemon stop >/dev/null 2>&1 || true
    local pid
    for pid in $(ours) "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# --- the world: 192.0.2.1 is the host's end, 192.0.2.2 and 169.254.169.254 are others -------------------

ip link set lo up
mount -t sysfs sysfs /sys
outside() { nsenter --net="/proc/$(cat "$top/outside")/ns/net" -- "$@"; }
ip link add world type veth peer name inner
# shellcheck disable=SC2016 # the inner shell's
unshare --net sh -c 'ip link set lo up && echo "$$" >"$1" && exec sleep 900' sh "$top/outside" &
pids+=($!)
until [ -s "$top/outside" ]; do sleep 0.1; done
ip link set inner netns "$(cat "$top/outside")"
ip addr add 192.0.2.1/24 dev world
ip addr add 169.254.1.1/16 dev world
ip link set world up
outside ip addr add 192.0.2.2/24 dev inner
outside ip addr add 169.254.169.254/16 dev inner
outside ip link set inner up

# serve PORT NAMESPACE-COMMAND…: answers each connection with its peer's address; what is said then it says again.
serve() {
    local port=$1
    shift
    "$@" python3 -u -c '
import socket, sys
s = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    c, peer = s.accept()
    c.sendall(peer[0].encode() + b"\n")
    if s.getsockname()[1] == 8004:
        c.sendall(c.recv(100))
        c.sendall(c.recv(100))
    c.close()' "$port" >"$top/ready.$port" &
    pids+=($!)
    for _ in $(seq 100); do
        [ -s "$top/ready.$port" ] && return
        sleep 0.1
    done
    fail "no server at port $port"
}
serve 8001 nsenter --net="/proc/$(cat "$top/outside")/ns/net" --
serve 8003 nsenter --net="/proc/$(cat "$top/outside")/ns/net" --
serve 8004 nsenter --net="/proc/$(cat "$top/outside")/ns/net" --
serve 8002 env

objects() {
    ip -o link show type tun | grep -o 'bg[a-z2-7]*' | sort -u || true
    nft list set inet banger taps 2>/dev/null | grep -o '"bg[a-z2-7]*"' | sort || true
    nft list map inet banger egress 2>/dev/null | grep -o '"bg[a-z2-7]*"' | sort || true
    nft list set inet banger listed 2>/dev/null | grep -o '"bg[a-z2-7]*"' | sort || true
}

# inside WANT COMMAND: what a shell of the guest prints.
inside() {
    local want=$1 got
    got=$("$banger" vm exec box -- bash -c "$2" 2>"$top/err") || true
    [ "$got" = "$want" ] || fail "in the guest: $2: \"$got\", want \"$want\" ($(cat "$top/err"))"
}

# reached WANT ADDRESS/PORT…: who answers there, "-" for nobody; asked all at once. Who should answer is waited
# for; then the others have four seconds.
reached() {
    local want=$1 answers
    shift
    answers=$(tr ' ' '\n' <<<"$want" | grep -cv '^-$' || true)
    inside "$want" "cd /tmp; n=0
        for at in $*; do
            n=\$((n + 1))
            echo - >r\$n
            { exec 3<>/dev/tcp/\$at && read -r who <&3 && echo \$who >r\$n; } 2>/dev/null &
        done
        for t in {1..300}; do [ \$(cat r? | grep -cv '^-\$') -lt $answers ] || break; sleep 0.2; done
        sleep 4
        kill \$(jobs -p) 2>/dev/null
        echo \$(cat r?); rm r?"
}

# Perl is what Debian's guest has.
publish() {
    # shellcheck disable=SC2016 # Perl expands
    "$banger" session start --no-stdin box -- perl -MIO::Socket::INET -e '
        my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8010, Listen => 5, ReuseAddr => 1) or die;
        while (my $c = $l->accept) { print $c "published"; close $c }' >/dev/null
    "$banger" vm ports box --wait 8010 --timeout 60s || fail "vm ports --wait"
}

tap() { ip -o link show type tun | grep -o 'bg[a-z2-7]*' | grep -v "$stranger" | head -n 1; }

looks() { # at the guest, from outside and from the host
    [ "$("$banger" vm handles box -o json | jq -r .tapDevice)" = "$(tap)" ] || fail "handles: $("$banger" vm handles box)"
    reached "192.0.2.1 - - -" 192.0.2.2/8001 192.0.2.1/8002 "$gateway/8002" 169.254.169.254/8001
    ping -c 1 -W 5 "$address" >/dev/null || fail "the host does not reach its guest"
    [ "$(getent hosts box.vm | cut -d' ' -f1)" = "$address" ] || fail "box.vm: $(getent hosts box.vm)"
    [ "$(getent hosts "$address")" = "$(printf '%-15s box.vm' "$address")" ] || fail "$(getent hosts "$address")"
    getent hosts other.vm && fail "other.vm is there"
    exec 4<>/dev/tcp/127.0.0.1/8010 || fail "its published port does not take a connection"
    [ "$(timeout 60 cat <&4)" = published ] || fail "through its published port"
    exec 4<&-
    outside ip route replace "$address/32" via 192.0.2.1
    outside ping -c 1 -W 1 "$address" >/dev/null && fail "the world reaches the guest"
    return 0
}

# --- a stranger's interface with a name like ours stays -------------------------------------------------

ip tuntap add dev bgaaaaaaaaaaaaa mode tap
stranger=bgaaaaaaaaaaaaa
[ "$(objects)" = "$stranger" ] || fail "objects: $(objects)"

# Names are asked of the daemon alone.
printf 'nameserver 127.0.0.53\noptions timeout:20\n' >"$top/resolv.conf"
printf 'hosts: files dns\n' >"$top/nsswitch.conf"
mount --bind "$top/resolv.conf" /etc/resolv.conf
mount --bind "$top/nsswitch.conf" /etc/nsswitch.conf
export BANGER_DNS=127.0.0.53:53

"$banger" daemon start >/dev/null
kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
"$banger" kernel import --modules "$(dirname "$kernel")/modules" "$kernel" >/dev/null
"$banger" image import --name debian-bookworm "$image" >/dev/null
"$banger" vm create --nat --name box -p 8010:8010 -q >/dev/null
address=$("$banger" vm show box -o json | jq -r '.. | .guestIp? // empty')
gateway=${address%.*}.$((${address##*.} - 1))
[ "$(objects | grep -vc "$stranger")" = 3 ] || fail "objects of one VM: $(objects)"
publish
looks
"$banger" vm stats box -o json | jq -e '(.networkSentBytes | tonumber) > 200 and (.networkReceivedBytes | tonumber) > 200' \
    >/dev/null || fail "vm stats: $("$banger" vm stats box)"

# --- what it may reach is a list at once, and nothing at once: also for a connection that there is ------

"$banger" vm update box --egress 192.0.2.2:8001/tcp,192.0.2.2:8004,198.51.100.0/24 >/dev/null
"$banger" vm show box | grep -q '192.0.2.2:8001/tcp' || fail "vm show does not tell"
[ "$(objects | grep -vc "$stranger")" -gt 6 ] || fail "objects of a list: $(objects)"
reached - 192.0.2.2/8003
conversation() {
    echo "exec 3<>/dev/tcp/192.0.2.2/8004; read -r -t 9 a <&3; echo one >&3; read -r -t 9 b <&3; echo \$a \$b
        touch /tmp/open; until [ -e /tmp/go ]; do sleep 0.2; done; echo two >&3; read -r -t 4 c <&3; echo \"\$c\""
}
"$banger" vm exec box -- bash -c "$(conversation)" >"$top/conversation" &
for _ in $(seq 100); do
    "$banger" vm exec box -- test -e /tmp/open && break
done
"$banger" vm update box --egress none >/dev/null
"$banger" vm exec box -- touch /tmp/go
wait $! || true
[ "$(cat "$top/conversation")" = "192.0.2.1 one" ] || fail "conversation: $(cat "$top/conversation")"
reached - 192.0.2.2/8001
"$banger" vm update box --egress 127.0.0.1:80 2>"$top/err" && fail "a list of the loopback"
grep -q 'never reached' "$top/err" || fail "of the loopback: $(cat "$top/err")"
"$banger" vm update box --egress 192.0.2.2:8001/tcp >/dev/null

# --- the daemon and its helper are killed; the guest goes on --------------------------------------------

for pid in $(ours); do
    case $(readlink "/proc/$pid/exe") in
    */bangerd | */banger-priv) kill -9 "$pid" ;;
    esac
done
"$banger" vm list >/dev/null # starts the next
looks
# Others' hands: what is gone is made again by the next start.
nft delete element inet banger egress "{ \"$(tap)\" }"
reached - 192.0.2.2/8001
"$banger" vm stop box >/dev/null
ip link del "$(tap)"
"$banger" vm start box >/dev/null
publish
looks
reached - 192.0.2.2/8003

"$banger" vm delete --force box >/dev/null
[ "$(objects)" = "$stranger" ] || fail "left behind: $(objects)"
echo "$failed failed checks"
[ "$failed" = 0 ]
