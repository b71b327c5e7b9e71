/* The small parts: base 64, timeouts, UTF-8, metadata, deadlines, status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/base64.h"
#include "rpc/wire/call.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/metadata.h"
#include "rpc/wire/status.h"
#include "rpc/wire/timeout.h"
#include "base/utf8.h"
#include "tests/support/check.h"

static void test_timeout(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"1S", 1000},   {"20m", 20},        {"1H", 3600000},
                 {"2M", 120000}, {"1u", 1},          {"1001u", 2},
                 {"0n", 0},      {"1n", 1},          {"S", -1},
                 {"", -1},       {"123456789m", -1}, {"-1S", -1},
                 {"1x", -1},     {"1.5S", -1},       {"99999999H", INT64_C(359999996400000)}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(timeout_parse(cases[i].text, strlen(cases[i].text)), cases[i].ms);
    char text[TIMEOUT_BYTES];
    static const int64_t times[] = {0, 1, 99999999, 100000000, INT64_C(1) << 40};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        size_t len = timeout_format(text, times[i]);
        CHECK(timeout_parse(text, len) >= times[i]);
        CHECK(timeout_parse(text, len) <= times[i] + times[i] / 1000 + 1);
    }
    CHECK(timeout_parse(text, timeout_format(text, INT64_MAX)) > 0);
}

static void test_utf8(void)
{
    static const struct {
        const char *text;
        size_t len, good;
    } cases[] = {{"plain ascii text", 16, 16},
                 {"caf\xc3\xa9", 5, 5},
                 {"\xf0\x9f\x98\x80 \xe2\x82\xac", 8, 8},
                 {"ab\0cd", 5, 2},
                 {"12345678\0", 9, 8},
                 {"\xc0\x80", 2, 0},
                 {"\xed\xa0\x80", 3, 0},
                 {"\xf4\x90\x80\x80", 4, 0},
                 {"x\xe2\x82", 3, 1},
                 {"\xff", 1, 0},
                 {"\x80", 1, 0},
                 {"\xe0\x9f\xbf", 3, 0},
                 {"\xf0\x8f\xbf\xbf", 4, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(utf8_prefix((const uint8_t *)cases[i].text, cases[i].len), cases[i].good);
}

static int add(struct metadata *m, const char *key, const char *value)
{
    return metadata_add(m, (const uint8_t *)key, strlen(key), (const uint8_t *)value,
                        strlen(value));
}

static void test_metadata(void)
{
    struct metadata m;
    metadata_init(&m, 200);
    CHECK_INT(add(&m, "a", "1"), 0);
    CHECK_INT(add(&m, "a", "2"), 0);
    CHECK_INT(add(&m, "x-bin", "aGk,eW8"), 0);
    CHECK_INT(add(&m, "y-bin", ""), 0);
    size_t len;
    CHECK_STR(metadata_find(&m, "a", &len), "1");
    CHECK_STR(metadata_find(&m, "x-bin", &len), "hi");
    CHECK_INT(len, 2);
    CHECK_STR(metadata_find(&m, "y-bin", &len), "");
    CHECK(!metadata_find(&m, "b", NULL));
    CHECK_INT(add(&m, "z-bin", "!"), -1);
    CHECK_INT(errno, EINVAL);
    char big[300];
    memset(big, 'x', sizeof(big));
    big[299] = '\0';
    CHECK_INT(add(&m, "big", big), -1);
    CHECK_INT(errno, ENOSPC);
    metadata_done(&m);
}

/* What came under one key, "-bin" values joined by commas included: each by itself, in order. */
static void test_metadata_in_order(void)
{
    static const struct {
        const char *key, *value;
        size_t len;
    } want[] = {{"x-bin", "hi", 2},   {"a", "1", 1},    {"x-bin", "yo", 2},
                {"x-bin", "\0\1", 2}, {"x-bin", "", 0}, {"a", "aGk,eW8", 7}};
    struct metadata m;
    struct rpc_metadata entry;
    size_t at = 0, i = 0;
    metadata_init(&m, 300);
    CHECK_INT(add(&m, "x-bin", "aGk"), 0);
    CHECK_INT(add(&m, "a", "1"), 0);
    CHECK_INT(add(&m, "x-bin", "eW8=, AAE,"), 0);
    CHECK_INT(add(&m, "x-bin", "eW8,?"), -1); /* nothing of it is kept */
    CHECK_INT(errno, EINVAL);
    CHECK_INT(add(&m, "a", "aGk,eW8"), 0);
    for (; metadata_next(&m, &at, &entry); i++) {
        if (!CHECK(i < sizeof(want) / sizeof(want[0])))
            break;
        CHECK_STR(entry.key, want[i].key);
        CHECK_INT(entry.value_len, want[i].len);
        CHECK(memcmp(entry.value, want[i].value, want[i].len + 1) == 0);
    }
    CHECK_INT(i, sizeof(want) / sizeof(want[0]));
    CHECK_INT(metadata_put(&m, "raw-bin", 7, "a,b", 3), 0);
    CHECK_STR(metadata_find(&m, "raw-bin", NULL), "a,b");
    CHECK_INT(metadata_remove(&m, "x-bin"), 4);
    CHECK_INT(metadata_remove(&m, "x-bin"), 0);
    CHECK_STR(metadata_find(&m, "a", NULL), "1");
    CHECK_INT(metadata_remove(&m, "raw-bin"), 1);
    CHECK_INT(metadata_remove(&m, "a"), 2);
    CHECK_INT(buf_len(&m.entries), 0);
    metadata_done(&m);
}

static struct deadline *passed[64];
static size_t n_passed;

static void note_passed(struct deadline *d)
{
    passed[n_passed++] = d;
}

static void test_deadlines(void)
{
    struct deadlines h;
    deadlines_init(&h);
    struct deadline d[64] = {{0}};
    for (size_t i = 0; i < 64; i++) {
        d[i].passed = note_passed;
        CHECK_INT(deadlines_set(&h, &d[i], (int64_t)(i * 37 % 64)), 0);
    }
    CHECK_INT(deadlines_next_ms(&h), 0);
    for (size_t i = 0; i < 64; i += 3)
        deadlines_remove(&h, &d[i]);
    deadlines_remove(&h, &d[0]);
    CHECK_INT(deadlines_set(&h, &d[1], 100), 0);
    deadlines_run(&h, 63);
    CHECK_INT(n_passed, 64 - 22 - 1);
    for (size_t i = 1; i < n_passed; i++)
        CHECK(passed[i - 1]->at_ms <= passed[i]->at_ms);
    CHECK_INT(deadlines_next_ms(&h), 100);
    deadlines_remove(&h, &d[1]);
    CHECK_INT(deadlines_next_ms(&h), INT64_MAX);
    deadlines_done(&h);
}

static void test_status(void)
{
    struct err e = ERR_INIT, back = ERR_INIT;
    err_set(&e, ERR_PRECONDITION, " 100%% \xc3\xa9\n");
    err_tag(&e, "VM_RUNNING", "vm/%s", "box");
    memcpy(e.stage, "start", 6);
    struct status_text t;
    status_format(&t, &e);
    uint8_t details[STATUS_PROTO_BYTES];
    ssize_t n = base64_decode(details, sizeof(details), t.details, t.details_len);
    CHECK(n > 0);
    status_parse_code(&back, t.code, t.code_len);
    status_parse_message(&back, t.message, t.message_len);
    status_parse_details(&back, details, (size_t)n);
    CHECK_INT(back.code, ERR_PRECONDITION);
    CHECK_STR(back.message, e.message);
    CHECK_STR(back.reason, "VM_RUNNING");
    CHECK_STR(back.resource, "vm/box");
    CHECK_STR(back.stage, "start");
    CHECK(t.message[0] == '%');
    /* The longest of everything fits. */
    memset(e.message, 0x80, sizeof(e.message) - 1);
    memset(e.reason, 'r', sizeof(e.reason) - 1);
    memset(e.resource, 'r', sizeof(e.resource) - 1);
    memset(e.stage, 's', sizeof(e.stage) - 1);
    status_format(&t, &e);
    CHECK_INT(t.message_len, 3 * 511);
    status_parse_code(&back, "17", 2);
    CHECK_INT(back.code, ERR_UNKNOWN);
    status_parse_code(&back, "x", 1);
    CHECK_INT(back.code, ERR_UNKNOWN);
    status_parse_message(&back, "a%4", 3);
    CHECK_STR(back.message, "a%4");
}

int main(void)
{
    RUN(test_timeout);
    RUN(test_utf8);
    RUN(test_metadata);
    RUN(test_metadata_in_order);
    RUN(test_deadlines);
    RUN(test_status);
    return check_end();
}
