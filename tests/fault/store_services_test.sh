#!/usr/bin/env bash
# The store refuses at each commit of what is asked of a service: a short trouble fails nobody, in a long one nothing is
# told that is not on disk, and after a crash in it all is as it was.
#
#   store_services_test.sh BANGER BANGERD AGENT
set -euo pipefail
banger=$1
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=sim
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR
top=$(mktemp -d /tmp/bsvf.XXXXXX)
export BANGER_STATE_DIR=$top/s BANGER_CONFIG_DIR=$top/c BANGER_STORE_FAULTS=@$top/faults
failed=0

finish() {
    rm -f "$top/faults"
    "$banger" vm list -q 2>/dev/null | xargs -r "$banger" vm delete --force >/dev/null 2>&1 || true
    "$banger" daemon stop >/dev/null 2>&1 || true
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# faults RULES: from now on; "": none.
faults() {
    printf '%s' "$1" >"$top/faults.new"
    mv "$top/faults.new" "$top/faults"
}

# How the service is: the same before and after what has not happened.
shown() {
    "$banger" service show box web --format '{wanted} {spec.restart} {spec.command.argv}' 2>/dev/null || echo none
}

crash() {
    kill -9 "$(sed -n 's/^pid //p' "$BANGER_STATE_DIR/lock")"
    faults ""
    "$banger" vm list >/dev/null
}

# troubled WHAT COMMAND…: refused for long (and then the daemon dies), then for a moment.
troubled() {
    local what=$1 before
    shift
    before=$(shown)
    for where in services events commit; do
        faults "$where=full"
        if "$banger" "$@" >/dev/null 2>"$top/err"; then
            fail "$what is answered while $where are refused"
        fi
        grep -q 'STORE_UNAVAILABLE\|disk\|full\|try again\|deadline passed' "$top/err" || fail "$what, $where: $(cat "$top/err")"
        crash
        [ "$(shown)" = "$before" ] || fail "$what has happened all the same ($where): $(shown), was $before"
    done
    faults "commit=busy@1*2"
    "$banger" "$@" >/dev/null 2>"$top/err" || fail "$what in a short trouble: $(cat "$top/err")"
    faults ""
    [ "$(shown)" != "$before" ] || fail "$what has not happened"
    crash
    [ "$(shown)" != "$before" ] || fail "$what is lost"
}

faults ""
"$banger" daemon start >/dev/null
"$banger" vm create box >/dev/null 2>&1 || fail "vm create"
troubled create service create box web -- sleep 1000
troubled update service update box web --restart always
troubled stop service stop box web
troubled start service start box web
troubled delete service delete --force box web

[ "$failed" = 0 ] || exit 1
echo "what is told of services is on disk"
