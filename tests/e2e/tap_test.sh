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

# And its helper, which may be amid something.
kill_daemon() {
    local pid child
    pid=$(sed -n 's/^pid //p' "$top/s/lock")
    while read -r child; do
        case $(readlink "/proc/$child/exe") in
        */banger-priv) kill -9 "$child" ;;
        esac
    done < <(cat "/proc/$pid"/task/*/children | tr ' ' '\n' | sed '/^$/d')
    kill -9 "$pid" || fail "no daemon to kill"
    while [ -d "/proc/$pid" ]; do sleep 0.05; done
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
import socket, sys, threading
s = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
def answer(c, peer):
    c.sendall(peer[0].encode() + b"\n")
    if s.getsockname()[1] == 8004: # what a list has cut off waits here without end
        c.sendall(c.recv(100))
        c.sendall(c.recv(100))
    c.close()
while True:
    threading.Thread(target=answer, args=s.accept(), daemon=True).start()' "$port" >"$top/ready.$port" &
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
    nft list set inet banger pinned 2>/dev/null | grep -o '"bg[a-z2-7]*"' | sort || true
    nft list map inet banger resolvers 2>/dev/null | grep -o '"bg[a-z2-7]*"' | sort || true
}

# inside WANT COMMAND [words]: what a shell of the guest prints; or its words, in a line.
inside() {
    local want=$1 got
    got=$("$banger" vm exec box -- bash -c "$2" 2>"$top/err") || true
    [ -z "${3:-}" ] || got=$(tr -s '\n ' ' ' <<<"$got" | sed 's/ $//')
    [ "$got" = "$want" ] || fail "line ${BASH_LINENO[0]}: in the guest: $2: \"$got\", want \"$want\" ($(cat "$top/err"))"
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

# --- names: what our resolver has told is reached, whoever is asked ---------------------------------------

names_are_reached() {
    # It tells of www.example.org the world, and what is inside; and never answers for slow.example.org.
    python3 -u - 127.0.0.54 >"$top/ready.dns" <<'END' &
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    q, peer = s.recvfrom(2000)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]].decode())
        at += 1 + q[at]
    name = ".".join(labels).lower()
    if name.startswith("slow"):
        continue
    told = {"www.example.org": ["127.0.0.1", "192.0.2.1", "10.1.1.1", "169.254.169.254", "192.0.2.2"],
            "many.example.org": ["192.0.2.%d" % i for i in range(3, 60)]}.get(name, [])
    records = b"".join(struct.pack(">HHHIH", 0xc00c, 1, 1, 1, 4) + socket.inet_aton(a) for a in told)
    wrong = struct.pack(">H", struct.unpack(">H", q[:2])[0] ^ 1) + struct.pack(">5H", 0x8180, 1, 1, 0, 0)
    s.sendto(wrong + q[12:at + 5] + struct.pack(">HHHIH", 0xc00c, 1, 1, 1, 4) + b"\x06\x06\x06\x06", peer)
    s.sendto(q[:2] + struct.pack(">5H", 0x8180 if told else 0x8183, 1, len(told), 0, 0) + q[12:at + 5] + records, peer)
END
    pids+=($!)
    until [ -s "$top/ready.dns" ]; do sleep 0.1; done
    printf 'nameserver 127.0.0.54\n' >"$top/resolv.conf"
    "$banger" vm update box --egress '*.example.org:8001/tcp,*.example.org:8004' >/dev/null
    "$banger" vm show box | grep -qF '*.example.org:8001/tcp' || fail "vm show does not tell of names"
    # It asks somebody who is not there at all. What does not answer takes long: all of it at once.
    # shellcheck disable=SC2016 # the guest's
    inside "nothing yet www 192.0.2.2 many 8 others slow 0 dial 192.0.2.1 over" '
        printf "nameserver 192.0.2.77\noptions timeout:20\n" >/etc/resolv.conf
        dial() { exec 3<>"/dev/tcp/$1/$2" && read -r -t 9 line <&3 && echo "$line"; }
        leads() { getent ahostsv4 "$1" | awk "/STREAM/ { print \$1 }"; }
        ( dial 192.0.2.2 8001 & sleep 3; kill $! ) 2>/dev/null
        echo nothing yet
        ( timeout 15 getent ahostsv4 slow.example.org | grep -c STREAM >/tmp/slow ) &
        echo www $(leads www.example.org)
        echo many $(leads many.example.org | wc -l)
        echo others $(leads www.example.net; leads example.org; leads box.vm)
        wait
        echo slow $(cat /tmp/slow)
        ( dial 192.0.2.2 8003 & dial 192.0.2.2 53 & dial 192.0.2.1 8002 & sleep 3; kill $(jobs -p) ) 2>/dev/null
        echo dial $( dial 192.0.2.2 8001 2>/dev/null )
        echo over' words
    [ "$(nft list set inet banger pinned | grep -c 192.0.2.2)" -ge 1 ] || fail "nothing is pinned: $(nft list set inet banger pinned)"
    nft list set inet banger pinned | grep -qE '127\.|10\.1\.|169\.|6\.6\.6' && fail "it leads inside: $(nft list set inet banger pinned)"
    # A connection outlives its pin, and the daemon; nothing new begins.
    "$banger" vm exec box -- rm -f /tmp/open /tmp/go
    "$banger" session start --no-stdin box -- bash -c "{ $(conversation); } >/tmp/said; touch /tmp/over" >/dev/null
    for _ in $(seq 100); do
        "$banger" vm exec box -- test -e /tmp/open && break
    done
    kill_daemon
    "$banger" vm list >/dev/null # starts the next
    nft flush set inet banger pinned
    # shellcheck disable=SC2016 # the guest's
    inside "192.0.2.1 one two new 192.0.2.1" '
        touch /tmp/go
        ( exec 3<>/dev/tcp/192.0.2.2/8001 && echo it begins & sleep 3; kill $! ) 2>/dev/null
        until [ -e /tmp/over ]; do sleep 0.2; done
        echo $(cat /tmp/said)
        until getent ahostsv4 www.example.org >/dev/null; do sleep 0.2; done # by the next daemon
        exec 3<>/dev/tcp/192.0.2.2/8001 && read -r -t 9 line <&3
        echo new $line' words
    "$banger" vm update box --egress 192.0.2.2:8001/tcp >/dev/null
    nft list set inet banger pinned | grep -q '"bg[a-z2-7]*"' && fail "pins of a list that is over"
    printf 'nameserver 127.0.0.53\noptions timeout:20\n' >"$top/resolv.conf"
}
[ "$4" != qemu ] || names_are_reached # with any other it is the same rules

# --- the daemon and its helper are killed; the guest goes on --------------------------------------------

kill_daemon
"$banger" vm list >/dev/null # starts the next
looks
"$banger" vm update box --egress '192.0.2.2:8001/tcp,*.example.org' >/dev/null
# Others' hands: what is gone is made again by the next start.
nft delete element inet banger egress "{ \"$(tap)\" }"
reached - 192.0.2.2/8001
"$banger" vm stop box >/dev/null
ip link del "$(tap)"
"$banger" vm start box >/dev/null
publish
looks
inside "nameserver $gateway" 'cat /etc/resolv.conf' # ours, as there are names
reached - 192.0.2.2/8003

"$banger" vm delete --force box >/dev/null
[ "$(objects)" = "$stranger" ] || fail "left behind: $(objects)"
echo "$failed failed checks"
[ "$failed" = 0 ]
