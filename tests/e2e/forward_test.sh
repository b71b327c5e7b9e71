#!/usr/bin/env bash
# Ports and sockets of a guest on this machine and the other way round, byte for byte, each direction with an end of
# its own; what is told where there is nobody; what listens.
#
#   forward_test.sh BANGER BANGERD AGENT sim|qemu [tls]
#
# The guest of sim is this machine's own network; in qemu's the same programs run in the guest where it has them, else
# the guest's side is a shell's. BANGER_TEST_MIB: how much goes each way (64).
set -euo pipefail
# A network of its own, where that may be had: sim's guests share it, and what listens there is forwarded.
if [ -z "${BANGER_TEST_NETWORK:-}" ] && unshare -n true 2>/dev/null; then
    export BANGER_TEST_NETWORK=own
    exec unshare -n -- "$0" "$@"
fi
[ "${BANGER_TEST_NETWORK:-}" != own ] || ip link set lo up
# shellcheck source=shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
client=$(dirname "$0")/forward_client.py
mib=${BANGER_TEST_MIB:-64}
[ "$engine" = sim ] || mib=$((mib / 8 > 0 ? mib / 8 : 1))

start_daemon "$@"
"$banger" vm run --name box -d >/dev/null 2>"$top/err" || die "run -d: $(cat "$top/err")"

# forward NAME ARGUMENTS…: in the background; its first line is in $line, its process in $forward.
forward() {
    local log=$top/forward.$1
    shift
    "$banger" vm forward box "$@" >"$log" 2>"$log.err" &
    forward=$!
    background+=("$forward")
    line=$(first_line "$log" "$forward") || die "vm forward $*: $(cat "$log.err")"
}
port_of() {
    local from=${1%% -> *}
    echo "${from##*:}"
}

if [ "$engine" = sim ]; then
    python3 "$client" serve "$top" &
    background+=("$!")
    wait_for test -e "$top/port" || die "no server"
    server=$(cat "$top/port")
    forward tcp "0:$server"
    port=$(port_of "$line")
    python3 "$client" send "$port" "$mib" || fail "the guest ends last"
    python3 "$client" first "$port" "$mib" || fail "the guest ends first"
    wait_for test -e "$top/got" || fail "the guest saw no end"
    many=()
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        python3 "$client" send "$port" 1 &
        many+=("$!")
    done
    for pid in "${many[@]}"; do wait "$pid" || fail "one of ten at once"; done
    # From the guest to here.
    forward reverse -R "0:$server"
    back=$(port_of "$line")
    python3 "$client" send "$back" "$mib" || fail "from the guest, which ends last"
    python3 "$client" first "$back" "$mib" || fail "from the guest, which ends first"
    "$banger" vm ports box --wait "$server" --timeout 60s || fail "vm ports --wait"
    contains python3 vm ports box
    contains "\"port\": $server" vm ports box -o json
    if [ "${BANGER_TEST_NETWORK:-}" = own ]; then
        # What begins to listen is forwarded, and is not any more when it has ended.
        forward auto --auto
        mkdir "$top/second"
        python3 "$client" serve "$top/second" &
        second=$!
        background+=("$second")
        wait_for test -e "$top/second/port" || die "no second server"
        wait_for grep -q -- "-> guest:$(cat "$top/second/port")\$" "$top/forward.auto" || fail "--auto forwards nothing"
        auto=$(sed -n "s/127.0.0.1:\([0-9]*\) -> guest:$(cat "$top/second/port")\$/\1/p" "$top/forward.auto")
        python3 "$client" send "$auto" 1 || fail "through --auto"
        kill "$second"
        wait_for grep -q "guest:$(cat "$top/second/port") has ended" "$top/forward.auto" || fail "--auto never ends"
    fi
else
    # Debian's guest has Perl alone: an echo that answers when its input has ended.
    # shellcheck disable=SC2016 # Perl expands
    "$banger" session start --name echo --no-stdin box -- perl -MIO::Socket::INET -e '
        my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die;
        while (my $c = $l->accept) { local $/; my $all = <$c>; print $c $all; close $c }' >/dev/null
    "$banger" vm ports box --wait 7000 --timeout 60s || fail "vm ports --wait"
    contains perl vm ports box
    head -c $((mib << 20)) /dev/urandom >"$top/data"
    "$banger" vm forward box --stdio 7000 <"$top/data" >"$top/back" || fail "--stdio"
    cmp "$top/data" "$top/back" || fail "--stdio gives back other bytes"
fi

# Unix sockets, both sides
if [ "$engine" = sim ]; then
    forward unix "$top/here.sock:$top/there.sock"
    python3 - "$top/there.sock" "$top/here.sock" <<'END' || fail "Unix sockets"
import socket, sys
there = socket.socket(socket.AF_UNIX)
there.bind(sys.argv[1])
there.listen()
here = socket.socket(socket.AF_UNIX)
here.settimeout(60)
here.connect(sys.argv[2])
here.sendall(b"ask")
here.shutdown(socket.SHUT_WR)
one, _ = there.accept()
assert one.makefile("rb").read() == b"ask"
one.sendall(b"answer")
one.close()
assert here.makefile("rb").read() == b"answer"
END
fi

# Nobody there, nothing there
refused "onnection refused" 125 vm forward box --stdio 1
refused "no such file" 125 vm forward box --stdio /nobody/there.sock
refused "no VM nobody" 125 vm forward nobody 8080:80
refused "is not LOCAL:GUEST" 125 vm forward box 8080:
refused "is not LOCAL:GUEST" 125 vm forward box 8080:70000
refused "needs LOCAL:GUEST" 125 vm forward box
refused "deadline" 125 vm ports box --wait 1 --timeout 1s
"$banger" vm stop box >/dev/null
refused "is stopped; start it first" 125 vm forward box 0:80
refused "is stopped; start it first" 125 vm ports box
finish_test
