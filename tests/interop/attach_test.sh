#!/bin/sh
# A stock client reads what a command said, over the daemon's Unix socket and over mutual TLS, twenty
# times in a row: every byte and the exit status, while it has not said itself that it is done (no
# half-close). Skips (77) where the client is not built.
#
#   attach_test.sh BANGERD AGENT BANGER SETUP_TEST NEEDED COMMAND…
#
# COMMAND PKI_FOLDER TARGET attach SESSION TIMES wants 300000 bytes on stdout, 8 on stderr and status 42.
# It finds the descriptors of the product in BANGER_DESCRIPTORS, its .proto files in BANGER_PROTO_DIR.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
export BANGER_DESCRIPTORS="$root/gen/banger.binpb" BANGER_PROTO_DIR="$root/proto"
daemon=$1 agent=$2 banger=$3 setup=$4 needed=$5
shift 5
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/grpc/common.sh"
# shellcheck source=tests/interop/enrolled.sh
. "$(dirname "$0")/enrolled.sh"
[ -e "$needed" ] || skip "the client is not built; see the test $setup"

start_daemon "$daemon" --state-dir "$dir/s" --driver sim --agent "$agent"
socket=$dir/s/run/bangerd.sock
serve_tls "$banger" "$dir/s"
enroll "$banger" "$dir/s" operator
# The identity is the certificate and its key; some libraries want them apart.
mkdir "$dir/pki"
cp "$context/ca.pem" "$dir/pki/"
sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$context/identity.pem" >"$dir/pki/client.pem"
sed -n '/BEGIN .*PRIVATE KEY/,/END .*PRIVATE KEY/p' "$context/identity.pem" >"$dir/pki/client.key"

"$banger" --socket "$socket" -q vm create --name box >/dev/null
session=$("$banger" --socket "$socket" -q session start box -- \
    sh -c 'head -c 300000 /dev/zero; echo problem >&2; exit 42')
code=0
timeout 60 "$banger" --socket "$socket" session wait "$session" || code=$?
[ "$code" = 42 ]

failed=0
for target in "unix:$socket" "tls:$address"; do
    said=$(timeout 120 "$@" "$dir/pki" "$target" attach "$session" 20 2>"$dir/stderr") || failed=1
    echo "${target%%:*}: $said"
    [ "$said" = "ok attach" ] || {
        failed=1
        cat "$dir/stderr"
    }
done
"$banger" --socket "$socket" -q vm delete box >/dev/null
exit $failed
