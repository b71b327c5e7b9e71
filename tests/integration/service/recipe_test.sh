#!/usr/bin/env bash
# The recipe "Add an RPC" of docs/HACKING.md, walked: and then the method is there for libbanger, the
# manual and "banger call".
#
#   recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add an RPC" "$@"

# The plugin alone, which is what gen.sh begins with.
check_proto() {
    mkdir -p "$work/checked"
    protoc -Iproto -I/usr/include --plugin="$build/rpc/stubgen/protoc-gen-banger-rpc" \
        --banger-rpc_out="$work/checked" banger/v1/host.proto
}

works make rpc/stubgen/protoc-gen-banger-rpc

# ---- 1. The .proto ----

edit proto/banger/v1/host.proto '
    { print }
    /^service HostService/ { print "  rpc Greet(GreetRequest) returns (GreetResponse) {\n  }" }
    END { print "message GreetRequest {\n  string who = 1;\n}\nmessage GreetResponse {\n  string greeting = 1;\n}" }'
names 'method HostService.Greet has no comment' check_proto
names 'method HostService.Greet has no role' check_proto
edit proto/banger/v1/host.proto '
    /rpc Greet/ { print "  // Says hello." }
    { print }
    /rpc Greet/ { print "    option (policy) = {role: ROLE_VIEWER, effect: EFFECT_READ, idempotent: true, default_deadline_ms: 1000};" }'
works check_proto
names 'run ./dev gen' scripts/gen.sh --check
works scripts/gen.sh
grep -q 'X(greet, "banger.v1.HostService", Greet, ' gen/banger/methods.h || fail "libbanger has no banger_greet"
grep -q '^#### HostService.Greet$' docs/api.md || fail "docs/api.md has no HostService.Greet"
grep -q 'HostService.*viewer.*Greet' docs/api.md || fail "docs/api.md does not say who may call it"
grep -q 'banger.v1.HostService.Greet' tests/compat/wire_layout.txt || fail "the wire layout has no Greet"
echo "ok   1: the .proto and what is made of it"

# ---- 2. The handler ----

test=tests/integration/service/service_contract_test
works make "$test"
names '/banger.v1.HostService/Greet: UNIMPLEMENTED' "$build/$test" briefly
edit daemon/service/host.c '
    /^int host_service_register/ {
        print "static void handle_greet(void *self, struct rpc_call *call, const Banger__V1__GreetRequest *request)\n{"
        print "    Banger__V1__GreetResponse response = BANGER__V1__GREET_RESPONSE__INIT;"
        print "    (void)self;\n    response.greeting = request->who;"
        print "    banger_v1_host_service_greet_reply(call, &response);\n}\n"
    }
    { print }
    /_handlers handlers = \{/ { print "        .greet = handle_greet," }'
works make "$test"
works "$build/$test" briefly
echo "ok   2: the handler"

# ---- What comes by itself ----

works make clients/shell/banger
works "$build/clients/shell/banger" call Greet --help
says 'HostService/Greet: Says hello'
works "$build/clients/shell/banger" __complete call Gre
grep -q '^Greet' "$work/said" || fail "its name is not completed"
echo "ok   3: banger call has it"
walked
