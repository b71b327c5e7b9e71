#!/usr/bin/env bash
# The recipe "Add a guest channel" of docs/HACKING.md, walked with a copy of the Unix socket that goes by
# another name.
#
#   recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add a guest channel" "$@"

# ---- 1. The channel ----

channel=daemon/guest/channel_dummy.c
sed 's/unix_/dummy_/g; s/channel_unix/channel_dummy/g; s/"unix"/"dummy"/; /\.recv = /d' daemon/guest/channel_unix.c >$channel
names 'channel_dummy' make guest_channels_test
# Declared by itself it compiles, and is in no list.
sed -i '/^#include "daemon/a extern const struct channel_kind channel_dummy;' $channel
works make guest_channels_test
names 'GUEST_CHANNEL_KINDS (daemon/model/model.h) does not list it' run_test guest_channels_test
says 'channel_dummy.c has a channel dummy'

# ---- 2. Its line ----

sed -i '/^extern/d' $channel
edit daemon/model/model.h '{ sub(/X\(VSOCK, vsock\)/, "X(VSOCK, vsock) X(DUMMY, dummy)"); print }'
works make guest_channels_test
names 'channel dummy has no recv' run_test guest_channels_test
# One that does not say why it is over.
edit $channel '
    /^const struct channel_kind/ {
        print "static ssize_t dummy_recv(struct channel *c, void *room, size_t len, struct err *err)"
        print "{\n    (void)err;\n    return channel_socket_recv(c, room, len, NULL);\n}\n"
    }
    /\.close = / { print "    .recv = dummy_recv," }
    { print }'
works make guest_channels_test
works run_test guest_channels_test

# ---- 3. Its rig ----

names 'rig_dummy' make channel_conformance
edit tests/integration/guest/channel_rig.c '
    { print }
    END {
        print "\nstatic void dummy_begin(struct loop *loop, struct channel_config *config)\n{"
        print "    rig_socket_begin(loop, config);\n    config->kind = &channel_dummy;\n}\n"
        print "const struct rig rig_dummy = {\n    .name = \"dummy\",\n    .volume_bytes = 1 << 20,"
        print "    .begin = dummy_begin,\n    .accept = unix_accept,\n    .shut = socket_shut,"
        print "    .end = rig_socket_end,\n};"
    }'
works make channel_conformance
names 'FAIL test_lost_at_any_byte' run_test channel_conformance_dummy
sed -i '/^    (void)err;/d; s/room, len, NULL/room, len, err/' $channel
works make channel_conformance
works run_test 'channel_conformance_(dummy|unix)'
works scripts/check-layering
walked
