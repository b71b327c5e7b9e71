/* Messages from hostile bytes: what is refused and why, what is borrowed, how duplicates merge. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/call.h"
#include "rpc/wire/message.h"
#include "tests/support/check.h"
#include "tests/support/echo_service.h"

enum { PAYLOAD_BYTES = 3000, PAYLOAD_AT = 3 };

static const struct message_limits usual = {1 << 20, MESSAGE_MAX_DEPTH};

static struct err decode(const void *data, size_t len, size_t memory)
{
    struct err e = ERR_INIT;
    struct message_cache cache = {0};
    struct message_limits limits = {memory, MESSAGE_MAX_DEPTH};
    ProtobufCMessage *m =
        message_decode(&banger__test__v1__echo_request__descriptor, data, len, &limits, &cache, &e);
    if (m)
        rpc_message_free(m);
    message_cache_done(&cache);
    return e;
}

#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1, 1 << 20)

static void test_decode(void)
{
    CHECK_INT(DECODE("").code, ERR_NONE);
    CHECK_INT(DECODE("\x0a\x02hi").code, ERR_NONE);
    CHECK_INT(DECODE("\xf2\x3f\x02hi").code, ERR_NONE); /* unknown field */
    struct err e = DECODE("\x0a\x02\xff\xfe");
    CHECK_INT(e.code, ERR_INVALID);
    CHECK_STR(e.message, "field text: the string is not valid UTF-8");
    e = DECODE("\x0a\x03"
               "a\0b");
    CHECK_STR(e.message, "field text: the string has a NUL byte in it");
    e = DECODE("\x42\x07\x12\x05\x0a\x03"
               "a\0b");
    CHECK_STR(e.message, "field nested.leaves.text: the string has a NUL byte in it");
    e = DECODE("\x0a\x05hi");
    CHECK_STR(e.message, "request message: malformed protocol buffer");
    e = DECODE("\x42\x02\x0a\x05");
    CHECK_STR(e.message, "field nested: malformed protocol buffer");
    e = DECODE("\x4a\x02\x80\x80");
    CHECK_STR(e.message, "field numbers: malformed packed numbers");
    CHECK_INT(DECODE("\x4a\x03\x01\x02\x03").code, ERR_NONE);
    CHECK_INT(DECODE("\x48\x01\x48\x02").code, ERR_NONE);             /* not packed */
    CHECK_INT(DECODE("\xed\x9e\xff\xcb\x00\1\2\3\4").code, ERR_NONE); /* a tag of five bytes */
    CHECK_INT(DECODE("\xed\x9e\xff\xcb\x80\x00\1\2\3\4").code, ERR_INVALID);
    CHECK_INT(DECODE("\x00\x00").code, ERR_INVALID); /* field number 0 */
    CHECK_INT(DECODE("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").code, ERR_INVALID);
}

/* Fields that are not what the type says, and groups, are skipped as unknown ones are. */
static void test_skipped(void)
{
    CHECK_INT(DECODE("\x08\x01").code, ERR_NONE);               /* text as a number */
    CHECK_INT(DECODE("\x1a\x01x").code, ERR_NONE);              /* count as bytes */
    CHECK_INT(DECODE("\x45\1\2\3\4").code, ERR_NONE);           /* nested as four bytes */
    CHECK_INT(DECODE("\x39\1\2\3\4\5\6\7\x08").code, ERR_NONE); /* tags as eight */
    CHECK_INT(DECODE("\x0b\x0c").code, ERR_NONE);               /* text as an empty group */
    CHECK_INT(DECODE("\xf3\x3f\x0a\x02hi\xf4\x3f\x18\x01").code, ERR_NONE);
    CHECK_INT(DECODE("\x0b\x13\x08\x01\x14\x0c").code, ERR_NONE); /* one in another */
    CHECK_INT(DECODE("\x0b").code, ERR_INVALID);                  /* without an end */
    CHECK_INT(DECODE("\x0b\x14").code, ERR_INVALID);              /* another's end */
    CHECK_INT(DECODE("\x0c").code, ERR_INVALID);                  /* an end alone */
    CHECK_INT(DECODE("\x0b\x0a\x05hi\x0c").code, ERR_INVALID);
    uint8_t deep[200];
    memset(deep, 0x0b, 100);
    memset(deep + 100, 0x0c, 100);
    CHECK_INT(decode(deep + 70, 60, 1 << 20).code, ERR_NONE);
    CHECK_INT(decode(deep, sizeof(deep), 1 << 20).code, ERR_INVALID);
}

/* Two bytes on the wire, far more in memory. */
static void test_decode_budget(void)
{
    size_t len = 200000;
    uint8_t *tags = malloc(len);
    for (size_t i = 0; i < len; i += 2) {
        tags[i] = 0x3a;
        tags[i + 1] = 0;
    }
    struct err e = decode(tags, len, 1 << 20);
    CHECK_INT(e.code, ERR_LIMIT);
    CHECK_CONTAINS(e.message, "field tags");
    CHECK_INT(decode(tags, 2000, 1 << 20).code, ERR_NONE);
    /* Duplicates of a message field are merged, with arrays that grow each time. */
    for (size_t i = 0; i + 6 <= len; i += 6)
        memcpy(tags + i, "\x42\x04\x12\x00\x12\x00", 6);
    CHECK_INT(decode(tags, 60, 1 << 20).code, ERR_NONE);
    CHECK_INT(decode(tags, 60000, 1 << 20).code, ERR_LIMIT);
    free(tags);
}

static Banger__Test__V1__EchoRequest *request_of(struct message_cache *cache, const void *data,
                                                 size_t len)
{
    struct err e = ERR_INIT;
    ProtobufCMessage *m =
        message_borrow(&banger__test__v1__echo_request__descriptor, data, len, &usual, cache, &e);
    CHECK(m != NULL);
    return (Banger__Test__V1__EchoRequest *)m;
}

#define REQUEST(cache, bytes) request_of(cache, bytes, sizeof(bytes) - 1)

/* The last number and string, the sum of messages and repeated fields: whatever a sender splits. */
static void test_merge(void)
{
    static const char first[] = "\x0a\x01"
                                "a"
                                "\x18\x07"
                                "\x42\x06\x0a\x01n\x12\x01\x00"
                                "\x4a\x02\x01\x02";
    static const char parts[] = "\x0a\x01"
                                "a"
                                "\x18\x07"
                                "\x42\x03\x0a\x01"
                                "n"
                                "\x4a\x02\x01\x02"
                                "\x0a\x01z"
                                "\x42\x05\x12\x03\x0a\x01m"
                                "\x48\x03"
                                "\x4a\x03\x04\x05\x06";
    struct message_cache cache = {0};
    CHECK_INT(DECODE(first).code, ERR_INVALID); /* a leaf that is cut short */
    Banger__Test__V1__EchoRequest *r = REQUEST(&cache, parts);
    CHECK_STR(r->text, "z");
    CHECK_INT(r->count, 7);
    CHECK_STR(r->nested->text, "n");
    CHECK_INT(r->nested->n_leaves, 1);
    CHECK_STR(r->nested->leaves[0]->text, "m");
    CHECK_INT(r->n_numbers, 6);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_INT(r->numbers[i], i + 1);
    message_recycle(&cache, &r->base);
    message_cache_done(&cache);
}

/* A request whose payload is PAYLOAD_BYTES of 'p', n times over. */
static char *request_bytes(unsigned n, size_t *len)
{
    size_t one = PAYLOAD_AT + PAYLOAD_BYTES;
    char *bytes = malloc(n * one);
    for (unsigned i = 0; i < n; i++) {
        memcpy(bytes + i * one, "\x12\xb8\x17", PAYLOAD_AT);
        memset(bytes + i * one + PAYLOAD_AT, 'p', PAYLOAD_BYTES);
    }
    *len = n * one;
    return bytes;
}

static void test_borrow(void)
{
    size_t len;
    struct message_cache cache = {0};
    char *bytes = request_bytes(3, &len);
    Banger__Test__V1__EchoRequest *r = request_of(&cache, bytes, len);
    CHECK_INT(r->payload.len, PAYLOAD_BYTES);
    CHECK(r->payload.data == (uint8_t *)bytes + len - PAYLOAD_BYTES);
    CHECK_INT(message_own(&r->base), 0);
    CHECK(r->payload.data != (uint8_t *)bytes + len - PAYLOAD_BYTES);
    CHECK(memcmp(r->payload.data, bytes + PAYLOAD_AT, PAYLOAD_BYTES) == 0);
    message_recycle(&cache, &r->base);
    /* What is not borrowed is not: the arena that comes back remembers nothing. */
    r = REQUEST(&cache, "\x12\x01x");
    CHECK_INT(message_own(&r->base), 0);
    CHECK(r->payload.len == 1 && r->payload.data[0] == 'x');
    message_recycle(&cache, &r->base);
    message_cache_done(&cache);
    free(bytes);
}

/* Owning it later costs the budget now. */
static void test_borrow_limits(void)
{
    size_t len;
    struct err e = ERR_INIT;
    struct message_cache cache = {0};
    const struct message_limits little = {2500, MESSAGE_MAX_DEPTH};
    char *bytes = request_bytes(1, &len);
    CHECK(!message_borrow(&banger__test__v1__echo_request__descriptor, (uint8_t *)bytes, len,
                          &little, &cache, &e));
    CHECK_INT(e.code, ERR_LIMIT);
    CHECK_CONTAINS(e.message, "field payload: the message takes too much memory");
    message_cache_done(&cache);
    free(bytes);
}

int main(void)
{
    RUN(test_decode);
    RUN(test_skipped);
    RUN(test_decode_budget);
    RUN(test_merge);
    RUN(test_borrow);
    RUN(test_borrow_limits);
    return check_end();
}
