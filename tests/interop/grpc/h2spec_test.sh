#!/bin/sh
# h2spec with its strict cases against our server, over TCP and over TLS: every case passes, but for
# those below, which docs/interop.md explains. Skips (77) without the Go programs.
#
#   h2spec_test.sh FOLDER_OF_OUR_PROGRAMS GO_PROGRAMS
set -eu
bin=$1 go=$2
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/common.sh"
need_go "$go/h2spec"

cat >"$dir/explained" <<'END'
http2/5.1: half closed (remote): Sends a DATA frame
http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame
http2/5.1: closed: Sends a DATA frame
http2/6.1: Sends a DATA frame on the stream that is not in &#34;open&#34; or &#34;half-closed (local)&#34; state
http2/5.3.1: Sends PRIORITY frame that depend on itself
END

failed=0
# judge TITLE JUNIT LOG
judge() {
    if [ ! -s "$2" ] || [ "$(grep -c '<testcase' "$2")" -lt 146 ]; then
        echo "$1: not all cases ran"
        tail -n 5 "$3"
        failed=1
        return
    fi
    echo "$1: $(tail -n 1 "$3")"
    # "package: description" of each case that failed, whether reported as failure or as error.
    awk '/<testcase/ { split($0, part, "\""); name = part[2] ": " part[4] }
         /<(failure|error)[ >]/ && !said[name]++ { print name }' "$2" >"$dir/failed"
    while read -r name; do
        if grep -qxF "$name" "$dir/explained"; then
            echo "$1, explained: $name"
        else
            echo "$1, FAILED: $name"
            failed=1
        fi
    done <"$dir/failed"
}

mkdir "$dir/pki"
"$bin/interop_certs" "$dir/pki"
start "$bin/interop_server" "$dir/pki" "$dir/socket"
tcp=${ports% *} tls=${ports#* }
timeout 200 "$go/h2spec" "$tcp" "$dir/tcp.xml" >"$dir/tcp.log" 2>&1 &
beside=$!
timeout 200 "$go/h2spec" "$tls" "$dir/tls.xml" "$dir/pki" >"$dir/tls.log" 2>&1 || true
wait "$beside" || true
judge TCP "$dir/tcp.xml" "$dir/tcp.log"
judge TLS "$dir/tls.xml" "$dir/tls.log"
exit $failed
