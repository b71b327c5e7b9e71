# Makes a daemon on this machine reachable by TLS, and a context for it. Sourced; needs dir.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # context and address are for whoever sources this; dir is theirs

# enroll BANGER STATE_DIR: sets context (its folder), address, and BANGER_CONFIG_DIR. The context is
# "here", its principal an operator.
enroll() {
    export BANGER_CONFIG_DIR="$dir/c"
    free=$(/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    address=127.0.0.1:$free
    "$1" --socket "$2/run/bangerd.sock" auth init --listen "$address" >/dev/null
    token=$("$1" --socket "$2/run/bangerd.sock" auth token create tester --role operator)
    "$1" auth enroll "$address" --name here --token "$token" >/dev/null
    context=$dir/c/contexts/here
}
