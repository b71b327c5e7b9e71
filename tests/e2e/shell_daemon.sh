# shellcheck shell=bash disable=SC2317,SC2034 # what scripts that source it use and call
# What end-to-end tests in shell have in common: a daemon of their own, optionally reached over a context alone. A
# script sources it, then start_daemon BANGER BANGERD AGENT sim|qemu [tls]; from then on "$banger" is what a user
# types, $engine and $way are set, and everything is below $top, which is removed at the end with what runs there.
banger=$1 agent=$3 engine=$4 way=${5:-local}
top=$(mktemp -d /tmp/bsh.XXXXXX)
failed=0
background=() # processes of the script's own

# Processes that mention the folder, a line each.
ours() {
    local pid
    for pid in /proc/[0-9]*; do
        if { tr '\0' ' ' <"$pid/cmdline" | grep -qF -- "$top/"; } 2>/dev/null; then
            echo "${pid#/proc/}"
        fi
    done
}

finish() {
    local pid
    for pid in "${background[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    "$banger" daemon stop >/dev/null 2>&1 || true
    for pid in $(ours); do
        [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null || true
    done
    chmod -R u+rwx "$top" 2>/dev/null || true
    rm -rf "$top"
}

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

die() {
    echo "FAIL $*"
    exit 1
}

# ok COMMAND…: it succeeds; what it says is in $top/out and $top/err.
ok() {
    "$banger" "$@" >"$top/out" 2>"$top/err" </dev/null || fail "$*: $(cat "$top/err")"
}

# expect CODE TEXT COMMAND…: exit status and the whole of stdout.
expect() {
    local code=$1 text=$2 got_code=0 got
    shift 2
    got=$("$banger" "$@" 2>"$top/err") || got_code=$?
    if [ "$got_code" != "$code" ]; then
        fail "banger $*: status $got_code, want $code: $(cat "$top/err")"
    elif [ "$got" != "$text" ]; then
        fail "banger $*: \"$got\", want \"$text\""
    fi
}

# contains PART COMMAND…: succeeds and says so.
contains() {
    local part=$1 got
    shift
    got=$("$banger" "$@" 2>"$top/err") || fail "banger $*: $(cat "$top/err")"
    [[ $got == *"$part"* ]] || fail "banger $*: \"$got\" lacks \"$part\""
}

# refused PART CODE COMMAND…: fails with that status and a message that says so.
refused() {
    local part=$1 code=$2 got_code=0
    shift 2
    timeout 60 "$banger" "$@" >/dev/null 2>"$top/err" </dev/null || got_code=$?
    [ "$got_code" = "$code" ] || fail "banger $*: status $got_code, want $code"
    grep -qiF -- "$part" "$top/err" || fail "banger $*: \"$(cat "$top/err")\" lacks \"$part\""
}

# wait_for COMMAND…: until it succeeds, for a minute at most.
wait_for() {
    local n
    for ((n = 0; n < 1200; n++)); do
        "$@" && return 0
        sleep 0.05 # between two looks at what announces nothing
    done
    return 1
}

# first_line FILE PROCESS: of what that process writes there; 1 where it ends before.
first_line() {
    has_line() { [ -s "$1" ] || ! kill -0 "$2" 2>/dev/null; }
    wait_for has_line "$1" "$2" && [ -s "$1" ] && head -n 1 "$1"
}

# What stands for banger from here on.
use_context() {
    local port token code=1 real=$banger
    real_banger=$banger
    for port in $((20000 + $$ % 5000)) $((25000 + $$ % 5000)) $((15000 + $$ % 5000)); do
        "$real" auth init --listen "127.0.0.1:$port" >/dev/null 2>"$top/err" && code=0 && break
    done
    [ "$code" = 0 ] || die "$(cat "$top/err")"
    token=$("$real" auth token create me --role admin -q) || die "no token"
    cat >"$top/banger" <<END
#!/bin/sh
[ "\$1" = daemon ] || { unset BANGER_STATE_DIR; export BANGER_DAEMON=/nonexistent; }
exec "$real" "\$@"
END
    chmod +x "$top/banger"
    banger=$top/banger
    "$banger" auth enroll "127.0.0.1:$port" --token "$token" >/dev/null
}

start_daemon() {
    local kernel image
    export BANGER_DAEMON=$2 BANGER_AGENT=$agent BANGER_DRIVER=$engine
    if [ "$engine" = qemu ] && [ -z "${BANGER_TEST_ASSETS:-}" ]; then
        echo "skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"
        rm -rf "$top"
        exit 77
    fi
    unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR NO_COLOR
    export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c
    trap finish EXIT
    "$banger" daemon start >/dev/null
    [ "$way" = local ] || use_context
    [ "$engine" = qemu ] || return 0
    kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    "$banger" kernel import --modules "$(dirname "$kernel")/modules" "$kernel" >/dev/null
    "$banger" image import --name debian-bookworm "$image" >/dev/null
}

finish_test() {
    [ "$failed" = 0 ] || exit 1
    echo "all checks passed"
}
