# shellcheck shell=bash
# Network namespaces beside the one that a test is in, each behind a pair of interfaces. The test has a folder $top and
# ends with end_places.

pids=()
end_places() {
    local pid
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null
    rm -rf "$top"
}

# place NAME OWN-END ITS-END ADDRESS GATEWAY: a namespace at the other end of a pair of interfaces.
place() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --net sh -c 'ip link set lo up && echo "$$" >"$1" && exec sleep 300' sh "$top/$1" &
    pids+=($!)
    until [ -s "$top/$1" ]; do sleep 0.05; done
    ip link add "$2" type veth peer name "$3"
    ip link set "$3" netns "$(cat "$top/$1")"
    ip addr add "$5/24" dev "$2"
    ip link set "$2" up
    in_place "$1" ip addr add "$4/24" dev "$3"
    in_place "$1" ip link set "$3" up
    in_place "$1" ip route add default via "$5"
}
in_place() {
    local pid
    pid=$(cat "$top/$1")
    shift
    nsenter --net="/proc/$pid/ns/net" -- "$@"
}
