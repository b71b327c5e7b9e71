# Makes a daemon on this machine reachable by TLS, and a context for it. Sourced; needs dir.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # context and address are for whoever sources this; dir is theirs

# serve_tls BANGER STATE_DIR: sets address, and BANGER_CONFIG_DIR for what follows.
serve_tls() {
    export BANGER_CONFIG_DIR="$dir/c"
    free=$(/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    address=127.0.0.1:$free
    "$1" --socket "$2/run/bangerd.sock" auth init --listen "$address" >/dev/null
}

# enroll BANGER STATE_DIR ROLE: makes a context named after the role; sets context, its folder.
enroll() {
    token=$("$1" --socket "$2/run/bangerd.sock" auth token create "$3" --role "$3")
    "$1" auth enroll "$address" --name "$3" --token "$token" >/dev/null
    context=$dir/c/contexts/$3
}
