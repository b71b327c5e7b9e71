#!/usr/bin/env bash
# Published ports of VMs: bytes both ways with an end of each direction, many at once, who has a port that is taken,
# a daemon that is killed, what an update changes, and that nothing listens without its VM.
#
#   publish_test.sh BANGER BANGERD AGENT sim
#
# The guest of sim is this machine's own network, which is one of the test's own.
set -euo pipefail
if ! unshare -n true 2>/dev/null; then
    echo "skipped: needs a network namespace of its own"
    exit 77
fi
if [ -z "${BANGER_TEST_NETWORK:-}" ]; then
    export BANGER_TEST_NETWORK=own
    exec unshare -n -- "$0" "$@"
fi
ip link set lo up
# shellcheck source=shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
here=$(dirname "$0")
export BANGER_DNS=127.0.0.53:53
start_daemon "$@"
python3 "$here/forward_client.py" serve "$top" &
background+=("$!")
wait_for test -e "$top/port" || die "no server"
server=$(cat "$top/port")

listens() { ss -Hltn "sport = :$1" | grep -q .; }
silent() { ! listens "$1"; }
port_of() { "$banger" vm show "$1" -o json | python3 -c 'import json, sys
vm = json.load(sys.stdin)
print((vm[0] if isinstance(vm, list) else vm)["runtime"]["published"][int(sys.argv[1])]["hostPort"])' "$2"; }

# Made without a start it has no port; started it has, and shows which.
ok vm create web --no-start -p 8080:"$server" -p "127.0.0.2::$server/tcp"
silent 8080 || fail "it listens for a VM that does not run"
ok vm start web
any=$(port_of web 1)
contains "127.0.0.1:8080->$server" vm show web
contains "127.0.0.2:$any->$server" vm list
python3 "$here/forward_client.py" send 8080 8 || fail "the guest ends last"
python3 "$here/forward_client.py" first 8080 8 || fail "the guest ends first"
wait_for test -e "$top/got" || fail "the guest saw no end"
python3 - <<'END' || fail "who does not read"
# It is waited for, and holds up nobody; nothing of its bytes is lost.
import socket
slow = socket.create_connection(("127.0.0.1", 8080), timeout=120)
slow.sendall(b"first 16777216\n")
quick = socket.create_connection(("127.0.0.1", 8080), timeout=120)
quick.sendall(b"last 1000\nq")
quick.shutdown(socket.SHUT_WR)
assert len(quick.makefile("rb").read().split(b"\n", 1)[1]) == 1000
total = 0
while data := slow.recv(1 << 16):
    total += len(data)
assert total == 16777216, total
END
python3 "$here/publish_client.py" 8080 200 || fail "200 at once"

# Nobody in the guest: reset, not an end as if all were well.
ok vm create none -p 8081:1
python3 - <<'END' || fail "a refused connection does not look like one"
import socket
try:
    print("got", socket.create_connection(("127.0.0.1", 8081), timeout=60).recv(1))
except ConnectionResetError:
    raise SystemExit(0)
raise SystemExit(1)
END

# Taken, by a VM and by a stranger; nothing of the VM is left, and it starts when the port is free.
refused "VM web publishes 127.0.0.1:8080 already" 125 vm create other -p 8080:1
ok vm create other --no-start -p 8082:1
python3 -c 'import signal, socket
s = socket.create_server(("127.0.0.1", 8082))
print("up", flush=True)
signal.pause()' >"$top/stranger" &
stranger=$!
background+=("$stranger")
first_line "$top/stranger" "$stranger" >/dev/null || die "no stranger"
refused "taken by another program" 125 vm start other
contains failed vm show other
kill "$stranger"
wait_for silent 8082 || die "the stranger stays"
ok vm start other
ok vm delete --force other
silent 8082 || fail "it listens for a VM that is deleted"
refused "is there twice" 125 vm create twice -p 9000:1 -p 9000:2
refused "is no address" 125 vm create odd -p example.org:9000:1
refused "is not [ADDRESS:]" 125 vm create odd -p 9000:1/udp
refused "is not [ADDRESS:]" 125 vm create odd -p 9000:0
refused "cannot publish 192.0.2.1:9000" 125 vm create far -p 192.0.2.1:9000:1

# A daemon that is killed leaves no listener, and the next one listens at the same ports.
kill -9 "$(sed -n 's/^pid //p' "$BANGER_STATE_DIR/lock")" || fail "no daemon to kill"
wait_for silent 8080 || fail "it listens without a daemon"
ok vm list
wait_for listens 8080 || fail "the next daemon does not listen"
[ "$(port_of web 1)" = "$any" ] || fail "the next daemon has another port"
wait_for python3 "$here/forward_client.py" send 8080 1 || fail "through the next daemon"

# An update is there at once; of one that is refused nothing is.
refused "publishes 127.0.0.1:8080 already" 125 vm update none -p 8080:1
contains "127.0.0.1:8081->1" vm show none
ok vm update web -p "8083:$server"
silent 8080 || fail "it listens where it does not any more"
python3 "$here/forward_client.py" send 8083 1 || fail "after an update"
ok vm update web -p none
silent 8083 || fail "it listens though nothing is published"
ok vm update web -p "8080:$server"
ok vm stop web
silent 8080 || fail "it listens for a VM that is stopped"

# Names, as a packet has them: 0 is there (without an address: its network is nobody's), 3 is not, 5 is not ours.
rcode() { python3 - "$@" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(60)
s.connect(("127.0.0.53", 53))
name = b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[1].split("."))
s.send(b"\0\7\1\0\0\1\0\0\0\0\0\0" + name + b"\0\0\1\0\1")
print(s.recv(512)[3] & 15)
END
}
named() { [ "$(rcode "$1")" = "$2" ] || fail "$1: not $2"; }
named web.vm 0
named other.vm 3
named example.org 5
ok vm update web --name moved
named web.vm 3
named MOVED.vm 0
contains '"dnsName": "moved.vm"' vm show moved -o json
contains 127.0.0.53:53 doctor
ok vm delete moved
named moved.vm 3
finish_test
