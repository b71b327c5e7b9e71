/* Tables of iptables-legacy, as the kernel gives them. */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "daemon/priv/priv_legacy.h"
#include "tests/support/check.h"

enum {
    ENTRY_BYTES = sizeof(struct ipt_entry) + sizeof(struct xt_standard_target),
    DROP = -1,
    ACCEPT = -2
};

static uint8_t table[4 * ENTRY_BYTES];

static void put(size_t i, const char *in, int verdict)
{
    struct ipt_entry e = {.target_offset = sizeof(e), .next_offset = ENTRY_BYTES};
    struct xt_standard_target t = {.verdict = verdict};
    t.target.u.target_size = sizeof(t);
    memcpy(e.ip.iniface, in, strlen(in));
    memset(e.ip.iniface_mask, 0xff, strlen(in)); /* as "bg+" is */
    memcpy(table + i * ENTRY_BYTES, &e, sizeof(e));
    memcpy(table + i * ENTRY_BYTES + sizeof(e), &t, sizeof(t));
}

static const struct legacy_chain forward = {
    .first = ENTRY_BYTES, .policy = 2 * (size_t)ENTRY_BYTES, .user = 3 * (size_t)ENTRY_BYTES};

static bool drops(void)
{
    return legacy_table_drops(table, sizeof(table), &forward);
}

static void test_policy_and_exception(void)
{
    put(0, "", ACCEPT);    /* INPUT */
    put(1, "eth", ACCEPT); /* FORWARD, */
    put(2, "", ACCEPT);    /* and its policy */
    put(3, "", ACCEPT);
    CHECK(!drops());
    put(2, "", DROP);
    CHECK(drops());
    put(1, "bg", DROP);
    CHECK(drops());
    put(1, "bgx", ACCEPT); /* one tap alone */
    CHECK(drops());
    put(1, "bg", ACCEPT);
    CHECK(!drops());
    put(1, "", ACCEPT);
    CHECK(!drops()); /* all of it */
    put(1, "", DROP);
    put(2, "", ACCEPT);
    CHECK(drops());
    put(1, "eth", DROP);
    CHECK(!drops());
    put(2, "", DROP);
    put(0, "bg", ACCEPT); /* let in, not through */
    CHECK(drops());
    put(3, "bg", ACCEPT); /* in a chain that FORWARD jumps to */
    CHECK(!drops());
}

static void test_what_is_no_table(void)
{
    put(0, "", ACCEPT);
    put(1, "eth", ACCEPT);
    put(2, "", DROP);
    put(3, "", ACCEPT);
    CHECK(drops());
    for (size_t len = 0; len < sizeof(table); len++)
        legacy_table_drops(table, len, &forward);
    struct ipt_entry e;
    memcpy(&e, table + ENTRY_BYTES, sizeof(e));
    e.next_offset = 0; /* and ends */
    memcpy(table + ENTRY_BYTES, &e, sizeof(e));
    CHECK(!drops());
    CHECK(!legacy_table_drops(table, sizeof(table),
                              &(struct legacy_chain){.first = SIZE_MAX - 3, .policy = SIZE_MAX}));
}

int main(void)
{
    RUN(test_policy_and_exception);
    RUN(test_what_is_no_table);
    return check_end();
}
