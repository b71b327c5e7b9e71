#!/bin/sh
# h2spec against our server: every case passes, but for those below, which docs/interop.md explains.
# Skips (77) without Go 1.21 or its modules.
#
#   h2spec_test.sh SERVER GO_SOURCE
set -eu
server=$1 source=$2
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/common.sh"
need_go
build "$source" "$dir/h2spec" github.com/summerwind/h2spec/cmd/h2spec

cat >"$dir/explained" <<'END'
http2/5.1: half closed (remote): Sends a DATA frame
http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame
http2/5.1: closed: Sends a DATA frame
http2/6.1: Sends a DATA frame on the stream that is not in &#34;open&#34; or &#34;half-closed (local)&#34; state
http2/5.3.1: Sends PRIORITY frame that depend on itself
END

start "$server" 127.0.0.1:0
timeout 500 "$dir/h2spec" -h 127.0.0.1 -p "$port" -P /grpc.testing.TestService/UnaryCall -o 3 \
    -j "$dir/junit.xml" >"$dir/h2spec.log" 2>&1 || true
tail -n 1 "$dir/h2spec.log"
cases=$(grep -c '<testcase' "$dir/junit.xml")
[ "$cases" -ge 145 ] || {
    echo "only $cases cases ran"
    exit 1
}
# "package: description" of each case that failed, whether reported as failure or as error.
awk '/<testcase/ { split($0, part, "\""); name = part[2] ": " part[4] }
     /<(failure|error)[ >]/ && !said[name]++ { print name }' "$dir/junit.xml" >"$dir/failed"
while read -r name; do
    grep -qxF "$name" "$dir/explained" && echo "explained: $name"
done <"$dir/failed"
if grep -vxFf "$dir/explained" "$dir/failed"; then
    sed -n '/^Failures:/,$p' "$dir/h2spec.log"
    exit 1
fi
