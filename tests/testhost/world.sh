# shellcheck shell=bash disable=SC2034,SC2154,SC2317 # what scripts that source it use, have and call
# What tests of networks in the test host have in common: a world behind a veth, and what is looked for when nothing
# should be left. The script has $top, fail and wait_for (tests/e2e/shell_daemon.sh).

# 192.0.2.1 is the host's end, 192.0.2.2 and 169.254.169.254 are others.
make_world() {
    ip link delete world 2>/dev/null || true # another test's
    ip netns delete outside 2>/dev/null || true
    ip netns add outside
    ip link add world type veth peer name inner netns outside
    ip addr add 192.0.2.1/24 dev world
    ip addr add 169.254.1.1/16 dev world
    ip link set world up
    ip -n outside link set lo up
    ip -n outside addr add 192.0.2.2/24 dev inner
    ip -n outside addr add 169.254.169.254/16 dev inner
    ip -n outside link set inner up
    serve outside 0.0.0.0 8001 ip netns exec outside
    serve loopback 127.0.0.1 8002
    serve every 0.0.0.0 8003
}

# serve NAME ADDRESS PORT COMMAND…: answers each connection with its peer's address; who came is in $top/NAME.
serve() {
    local name=$1 address=$2 port=$3
    shift 3
    # shellcheck disable=SC2016 # Perl expands
    "$@" perl -MIO::Socket::INET -e '$| = 1;
        my $l = IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => $ARGV[1], Listen => 50, ReuseAddr => 1) or die "$@";
        print "ready\n";
        while (my $c = $l->accept) { print $c->peerhost, "\n"; print $c $c->peerhost, "\n"; close $c }' \
        "$address" "$port" >"$top/$name" &
    background+=($!)
    wait_for test -s "$top/$name" || fail "no server at $address:$port"
}

# came NAME: who came to that server.
came() {
    sed 1d "$top/$1" | sort | uniq -c | tr -s ' \n' ' '
}

# What a guest does to find out; $1 is its gateway. It says who the world takes it for.
# shellcheck disable=SC2016 # the guest's shell expands
dial='
dial() { timeout 10 bash -c "exec 3<>/dev/tcp/$1/$2 && cat <&3" 2>/dev/null; }
dial $1 8002; dial $1 8003; dial 192.0.2.1 8002; dial 192.0.2.1 8003; dial 169.254.169.254 8001
dial 192.0.2.2 8001'

# gateway_of ADDRESS: of a guest with a tap.
gateway_of() {
    echo "${1%.*}.$((${1##*.} - 1))"
}

# nothing WHEN: nothing of any VM is on this host.
nothing() {
    local found
    found=$(
        dmsetup info -c --noheadings -o name 2>/dev/null | grep '^banger-'
        find /dev/mapper -name 'banger-*'
        losetup -n -O NAME,BACK-FILE | grep -F -- /vms/
        ip -o link show type tun | grep -o 'bg[a-z2-7]*'
        nft list table inet banger 2>/dev/null | grep -o '"bg[a-z2-7]*"'
        find /sys/fs/cgroup -type d -name '*banger-*-*'
    ) || true
    [ -z "$found" ] || fail "$1: left are $found"
}
