#!/bin/sh
# gRPC's interop tests: grpc-go's client and ours against our server, ours against grpc-go's server.
# Prints a line per case; skips (77) without Go 1.21 or its modules.
#
#   interop_test.sh SERVER CLIENT GO_SOURCE
set -eu
server=$1 client=$2 source=$3
# shellcheck source=tests/interop/grpc/common.sh
. "$(dirname "$0")/common.sh"
need_go
build "$source" "$dir/go_client" google.golang.org/grpc/interop/client
build "$source" "$dir/go_server" ./server
build "$source" "$dir/go_gzip" ./gzip

failed=0
# run TITLE COMMAND…
run() {
    title=$1
    shift
    if timeout 30 "$@" >"$dir/case" 2>&1; then
        echo "ok    $title"
    else
        echo "FAIL  $title"
        sed 's/^/      /' "$dir/case"
        failed=1
    fi
}

start "$server" 127.0.0.1:0
for case in empty_unary large_unary client_streaming server_streaming ping_pong empty_stream \
    timeout_on_sleeping_server cancel_after_begin cancel_after_first_response \
    status_code_and_message special_status_message custom_metadata unimplemented_method \
    unimplemented_service pick_first_unary; do
    run "grpc-go client, our server: $case" \
        "$dir/go_client" -server_host=127.0.0.1 -server_port="$port" -test_case="$case"
done
for case in rpc_soak channel_soak; do
    run "grpc-go client, our server: $case" \
        "$dir/go_client" -server_host=127.0.0.1 -server_port="$port" -test_case="$case" \
        -soak_iterations=20 -soak_overall_timeout_seconds=20
done
for case in client_compressed_unary server_compressed_unary client_compressed_streaming \
    server_compressed_streaming; do
    run "grpc-go gzip, our server: $case" "$dir/go_gzip" "$port" "$case"
done
for case in $("$client" --list); do
    run "our client, our server: $case" "$client" "$port" "$case"
done

start "$dir/go_server"
for case in $("$client" --list); do
    case $case in
    # grpc-go's test service knows neither expect_compressed nor response_compressed.
    client_compressed_* | server_compressed_*) continue ;;
    esac
    run "our client, grpc-go server: $case" "$client" "$port" "$case"
done
exit $failed
