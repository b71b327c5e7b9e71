#!/bin/sh
# libbanger's metadata there and back through grpc-go's health service, over a Unix socket and over
# TLS. Skips (77) without the Go programs.
#
#   library_test.sh INTEROP_LIBRARY INTEROP_CERTS GO_PROGRAMS
set -eu
program=$1 certs=$2 server=$3/server
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/grpc/common.sh"
need_go "$server"
mkdir "$dir/pki"
"$certs" "$dir/pki"
start "$server" "$dir/pki" "$dir/s"
timeout 20 "$program" "unix:$dir/s"
timeout 20 "$program" "tls:127.0.0.1:${ports#* }" "$dir/pki/ca.pem" "$dir/pki/client.pem" "$dir/pki/client.key"
