/* A byte that picks the type, then a message's bytes to our decoder: what it takes, protobuf-c must
 * take too and see the same in it, whether bytes were borrowed or copied; and our encoder makes of
 * it what protobuf-c makes, in no more room. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/call.h"
#include "rpc/wire/encode.h"
#include "rpc/wire/message.h"
#include "rpc/wire/pbwire.h"
#include "banger/v1/vm.pb-c.h"
#include "tests/support/echo_service.h"
#include "types.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ours skips what protobuf-c keeps as unknown fields. */
static void forget_unknown(ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        free(m->unknown_fields[i].data);
    free(m->unknown_fields);
    m->unknown_fields = NULL;
    m->n_unknown_fields = 0;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        char *member = (char *)m + f->offset, *quantifier = (char *)m + f->quantifier_offset;
        if (f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && *(uint32_t *)(void *)quantifier != f->id)
            continue;
        bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
        size_t n = repeated ? *(size_t *)(void *)quantifier : 1;
        ProtobufCMessage **subs =
            repeated ? *(ProtobufCMessage ***)(void *)member : (ProtobufCMessage **)(void *)member;
        for (size_t j = 0; j < n; j++)
            if (subs[j])
                forget_unknown(subs[j]);
    }
}

/* A message comes in two parts, which protobuf-c merges wrongly: numbers of the first are lost, and
 * all of it in a oneof. */
static bool has_merge(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    bool seen[64] = {false};
    struct pb_reader r = {data, data + size};
    for (struct pb_field f; pb_next(&r, &f);) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, f.id);
        if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t i = (size_t)(field - type->fields);
        if (i >= sizeof(seen) || (seen[i] && field->label != PROTOBUF_C_LABEL_REPEATED) ||
            has_merge(field->descriptor, f.data, f.len))
            return true;
        seen[i] = true;
    }
    return false;
}

static int wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PB_LEN;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PB_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_FIXED64;
    default:
        return PB_VARINT;
    }
}

/* Groups, and fields of another wire type: protobuf-c refuses what protocol buffers say is skipped.
 */
static bool has_skipped(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    struct pb_reader r = {data, data + size};
    for (struct pb_field f; pb_next(&r, &f);) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, f.id);
        if (f.wire_type == PB_GROUP)
            return true;
        if (!field)
            continue;
        bool packed = field->label == PROTOBUF_C_LABEL_REPEATED && f.wire_type == PB_LEN;
        if (f.wire_type != wire_type_of(field->type) && !packed)
            return true;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && has_skipped(field->descriptor, f.data, f.len))
            return true;
    }
    return false;
}

static uint8_t *pack(const ProtobufCMessage *m, size_t *n)
{
    *n = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(*n + 1);
    if (!packed || protobuf_c_message_pack(m, packed) != *n)
        abort();
    return packed;
}

static void check_encoder(const ProtobufCMessage *m, const uint8_t *packed, size_t n)
{
    uint8_t *room = malloc(n + 1);
    if (!room)
        abort();
    struct encoder exact = {room, room + n, false};
    encode_message(&exact, m);
    if (exact.full || exact.at != room || (n > 0 && memcmp(room, packed, n) != 0))
        abort();
    if (n > 0) {
        struct encoder short_of_one = {room + 1, room + n, false};
        encode_message(&short_of_one, m);
        if (!short_of_one.full)
            abort();
    }
    free(room);
}

static void compare(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                    const ProtobufCMessage *ours)
{
    static const uint8_t nothing[1];
    if (has_skipped(type, data, size) || has_merge(type, data, size))
        return;
    ProtobufCMessage *theirs = protobuf_c_message_unpack(type, NULL, size, size ? data : nothing);
    if (!theirs)
        abort();
    forget_unknown(theirs);
    size_t n_ours, n_theirs;
    uint8_t *a = pack(ours, &n_ours), *b = pack(theirs, &n_theirs);
    if (n_ours != n_theirs || memcmp(a, b, n_ours) != 0)
        abort();
    check_encoder(ours, a, n_ours);
    free(a);
    free(b);
    protobuf_c_message_free_unpacked(theirs, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct message_limits limits = {1 << 20, MESSAGE_MAX_DEPTH};
    struct message_cache cache = {0};
    struct err err;
    static const ProtobufCMessageDescriptor *const types[] = {
        &banger__test__v1__types__descriptor, &banger__test__v1__echo_request__descriptor,
        &banger__v1__update_vmrequest__descriptor};
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    data++;
    size--;
    ProtobufCMessage *copied = message_decode(type, data, size, &limits, &cache, &err);
    uint8_t *input = malloc(size + 1);
    if (!input)
        abort();
    memcpy(input, data, size);
    ProtobufCMessage *borrowed = message_borrow(type, input, size, &limits, &cache, &err);
    if (!copied != !borrowed)
        abort();
    if (copied) {
        compare(type, data, size, copied);
        compare(type, data, size, borrowed);
        if (message_own(borrowed) < 0)
            abort();
    }
    memset(input, 0xa5, size); /* borrowed has no more business in there */
    free(input);
    if (borrowed)
        compare(type, data, size, borrowed);
    message_recycle(&cache, copied);
    message_recycle(&cache, borrowed);
    message_cache_done(&cache);
    return 0;
}
