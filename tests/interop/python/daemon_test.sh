#!/usr/bin/env bash
# Starts bangerd in a folder of its own and lets a stock Python gRPC client use it.
# usage: daemon_test.sh BANGERD AGENT SOURCE_FOLDER
set -euo pipefail
daemon=$1 agent=$2 source=$3
python=/usr/bin/python3 # the one that Debian's python3-grpcio belongs to

if ! "$python" -c 'import grpc' 2>/dev/null; then
    echo "skipped: python3-grpcio is not installed"
    exit 77
fi
work=$(mktemp -d /tmp/banger-py-XXXXXX)
pid=
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" || true
    fi
    rm -rf "$work"
}
trap finish EXIT

mkdir "$work/stubs"
(cd "$source/proto" && protoc -I. -I/usr/include --python_out="$work/stubs" \
    banger/v1/*.proto google/rpc/status.proto grpc/health/v1/health.proto)
env BANGER_SCOPES=none ASAN_OPTIONS=detect_leaks=0 "$daemon" --state-dir "$work/state" --agent "$agent" --driver sim 2>"$work/log" &
pid=$!
if ! timeout 60 "$python" - "$work/state/run/bangerd.sock" <<'WAIT'
import sys, grpc
channel = grpc.insecure_channel("unix:" + sys.argv[1])
grpc.channel_ready_future(channel).result(timeout=50)
WAIT
then
    cat "$work/log"
    exit 1
fi
if ! timeout 120 "$python" "$source/tests/interop/python/daemon_client.py" "$work/state/run/bangerd.sock" "$work/stubs"; then
    tail -30 "$work/log"
    exit 1
fi
