# For the scripts beside: a folder, skipping, servers. Sourced; sets dir.
# shellcheck shell=sh
# shellcheck disable=SC2034 # ports is for them

skip() {
    echo "skipped: $*"
    exit 77
}

# need_go PROGRAM
need_go() {
    [ -x "$1" ] || skip "no Go programs; see the test interop_build_go"
}

# Daemons are killed here with VMs they have: no cgroup of one stays behind.
export BANGER_SCOPES=none
pids='' ports=''
dir=$(mktemp -d /tmp/binterop.XXXXXX)
cleanup() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
    # A VM that a failed test leaves: its agent listens below the folder.
    for left in /proc/[0-9]*/cmdline; do
        if (tr '\0' ' ' <"$left" | grep -q -- "--listen $dir/") 2>/dev/null; then
            left=${left#/proc/}
            kill -9 "${left%/cmdline}" 2>/dev/null || true
        fi
    done
    rm -rf "$dir"
}
trap cleanup EXIT

# start COMMAND…: a server that prints "ready PORT…"; sets ports.
start() {
    mkfifo "$dir/out"
    "$@" >"$dir/out" 2>"$dir/log" &
    pids="$pids $!"
    read -r word ports <"$dir/out" || {
        cat "$dir/log"
        exit 1
    }
    rm "$dir/out"
    [ "$word" = ready ]
}

# start_daemon COMMAND…: bangerd, until it listens; its log is dir/log.
start_daemon() {
    mkfifo "$dir/fifo"
    "$@" >"$dir/fifo" 2>&1 &
    pids="$pids $!"
    exec 3<"$dir/fifo"
    rm "$dir/fifo"
    while read -r line <&3; do
        echo "$line" >>"$dir/log"
        case $line in
        *version*"listens on"*)
            cat <&3 >>"$dir/log" &
            return
            ;;
        esac
    done
    cat "$dir/log"
    exit 1
}
