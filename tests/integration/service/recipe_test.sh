#!/usr/bin/env bash
# The recipe "Add an RPC" of docs/HACKING.md, walked in a copy of the tree: without each step something
# names what is missing, with it nothing does, and then the method is there for libbanger, the manual
# and "banger call". Only what such a change touches is compiled; the rest is the build's.
#
#   recipe_test.sh SOURCE BUILD
set -euo pipefail
source=$1 build=$2
for tool in protoc ninja; do
    command -v $tool >/dev/null || {
        echo "skipped: $tool is not installed"
        exit 77
    }
done
[ -e "$build/build.ninja" ] || {
    echo "skipped: this is not a build by ninja"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/tree
mkdir "$copy" "$work/objects"
tar -C "$source" -cf - --exclude=./build --exclude=./.git . | tar -C "$copy" -xf -

fail() {
    printf 'FAIL: %s\n' "$*"
    [ ! -e "$work/said" ] || sed 's/^/    /' "$work/said"
    exit 1
}

# names WORDS COMMAND...: fails, and says the words.
names() {
    local words=$1
    shift
    if "$@" >"$work/said" 2>&1; then fail "nothing is missing for: $*"; fi
    grep -qF -- "$words" "$work/said" || fail "\"$words\" is not what $* says"
}

# works COMMAND...
works() {
    "$@" >"$work/said" 2>&1 || fail "$*"
}

# The plugin alone, which is what gen.sh begins with.
check_proto() {
    mkdir -p "$work/checked"
    (cd "$copy" && protoc -Iproto -I/usr/include --plugin="$build/rpc/stubgen/protoc-gen-banger-rpc" \
        --banger-rpc_out="$work/checked" banger/v1/host.proto)
}

# in_copy COMMAND: as ninja runs it, of the copy's sources; the build's own files stay where they are.
in_copy() {
    local command=${1//"$source/"/"$copy/"}
    command=${command//"$copy/${build#"$source"/}"/"$build"}
    (cd "$build" && eval "$command")
}

# compile OBJECT: one of the build's, from the copy, into objects/.
compile() {
    local command
    command=$(ninja -C "$build" -t commands "$1" | tail -n 1)
    command=$(sed -E "s# -M[TF] [^ ]+##g; s# -MD##; s# -o [^ ]+# -o $work/objects/$(basename "$1")#" <<<"$command")
    in_copy "$command"
}

# link PROGRAM: as the build does, with what was compiled before the libraries.
link() {
    local command
    command=$(ninja -C "$build" -t commands "$1" | tail -n 1)
    command=$(sed -E "s# -o [^ ]+# $work/objects/*.o -o $work/$(basename "$1")#" <<<"$command")
    (cd "$build" && eval "$command")
}

edit() { # FILE AWK-PROGRAM
    awk "$2" "$copy/$1" >"$work/edited"
    cmp -s "$work/edited" "$copy/$1" && fail "nothing to change in $1"
    cp "$work/edited" "$copy/$1"
}

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
names 'run ./dev gen' "$copy/scripts/gen.sh" --check
works "$copy/scripts/gen.sh"
grep -q 'X(greet, "banger.v1.HostService", Greet, ' "$copy/gen/banger/methods.h" || fail "libbanger has no banger_greet"
grep -q '^#### HostService.Greet$' "$copy/docs/api.md" || fail "docs/api.md has no HostService.Greet"
grep -q 'HostService.*viewer.*Greet' "$copy/docs/api.md" || fail "docs/api.md does not say who may call it"
grep -q 'banger.v1.HostService.Greet' "$copy/tests/compat/wire_layout.txt" || fail "the wire layout has no Greet"
echo "ok   1: the .proto and what is made of it"

# ---- 2. The handler ----

for object in gen/CMakeFiles/gen_messages.dir/banger/v1/host.pb-c.c.o \
    gen/CMakeFiles/gen_rpc.dir/banger/v1/host.rpc.c.o \
    gen/CMakeFiles/gen_rpc_server.dir/banger/v1/host.server.rpc.c.o \
    daemon/service/CMakeFiles/service.dir/host.c.o; do
    works compile "$object"
done
test=tests/integration/service/service_contract_test
works link "$test"
names '/banger.v1.HostService/Greet: UNIMPLEMENTED' "$work/service_contract_test" briefly
edit daemon/service/host.c '
    /^int host_service_register/ {
        print "static void handle_greet(void *self, struct rpc_call *call, const Banger__V1__GreetRequest *request)\n{"
        print "    Banger__V1__GreetResponse response = BANGER__V1__GREET_RESPONSE__INIT;"
        print "    (void)self;\n    response.greeting = request->who;"
        print "    banger_v1_host_service_greet_reply(call, &response);\n}\n"
    }
    { print }
    /_handlers handlers = \{/ { print "        .greet = handle_greet," }'
works compile daemon/service/CMakeFiles/service.dir/host.c.o
works link "$test"
works "$work/service_contract_test" briefly
echo "ok   2: the handler"

# ---- What comes by itself ----

rm "$work/objects/host.c.o" "$work/objects/host.server.rpc.c.o"
works link clients/shell/banger
works "$work/banger" call Greet --help
grep -q 'HostService/Greet: Says hello' "$work/said" || fail "banger call does not know it"
works "$work/banger" __complete call Gre
grep -q '^Greet' "$work/said" || fail "its name is not completed"
echo "ok   3: banger call has it"
