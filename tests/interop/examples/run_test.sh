#!/bin/sh
# An example against a daemon with the sim driver, which runs commands for real: output on both
# streams, exit code, signal, and nothing left behind.
#
#   run_test.sh BANGERD AGENT BANGER FOLDER unix|tls COMMAND…
set -eu
daemon=$1 agent=$2 banger=$3 folder=$4 transport=$5
shift 5
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/../grpc/common.sh"
# shellcheck source=tests/interop/enrolled.sh
. "$(dirname "$0")/../enrolled.sh"
[ -e "$folder/run" ] || [ -e "$folder/venv/bin/python" ] || [ -e "$folder/node_modules" ] ||
    skip "the example is not built; see the test $(basename "$folder" | sed 's/.*/example_&_setup/')"

start_daemon "$daemon" --state-dir "$dir/s" --driver sim --agent "$agent"
socket=$dir/s/run/bangerd.sock
if [ "$transport" = tls ]; then
    serve_tls "$banger" "$dir/s"
    # An error of a call comes with its reason, out of the status's details.
    enroll "$banger" "$dir/s" viewer
    code=0
    timeout 100 "$@" --context viewer true 2>"$dir/stderr" || code=$?
    if [ "$code" != 125 ] || ! grep -q "may not call .*(ROLE_TOO_LOW)" "$dir/stderr"; then
        echo "a viewer that makes a VM: exit status $code"
        cat "$dir/stderr"
        exit 1
    fi
    enroll "$banger" "$dir/s" operator
    set -- "$@" --context operator
else
    set -- "$@" --socket "$socket"
fi

# expect STATUS STDOUT STDERR COMMAND…: of the example with that command.
expect() {
    want=$1 want_out=$2 want_err=$3
    shift 3
    status=0
    timeout 100 "$@" >"$dir/stdout" 2>"$dir/stderr" </dev/null || status=$?
    [ "$status" = "$want" ] && [ "$(cat "$dir/stdout")" = "$want_out" ] && [ "$(cat "$dir/stderr")" = "$want_err" ] &&
        return
    echo "$*: exit status $status, want $want; stdout and stderr:"
    cat "$dir/stdout" "$dir/stderr" "$dir/log"
    exit 1
}
expect 42 hello problem "$@" sh -c 'echo hello; echo problem >&2; exit 42'
expect 137 "" "" "$@" sh -c 'kill -9 $$'
timeout 100 "$@" sh -c 'head -c 3000000 /dev/zero' | cmp -n 3000000 - /dev/zero
vms=$("$banger" --socket "$socket" vm list -q)
[ -z "$vms" ] || {
    echo "the example left a VM: $vms"
    exit 1
}
echo "output, exit code and signal came back"
