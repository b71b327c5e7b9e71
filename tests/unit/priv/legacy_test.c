/* Tables of iptables-legacy, as the kernel gives them. */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "daemon/priv/priv_legacy.h"
#include "tests/support/check.h"

enum {
    ENTRY_BYTES = sizeof(struct ipt_entry) + sizeof(struct xt_standard_target),
    ENTRIES = 6,
    INPUT = 0, /* an entry and its policy */
    FORWARD = 2,
    USER = 4, /* a chain that somebody made */
    DROP = -1,
    ACCEPT = -2,
    RETURN = -5,
};

static uint8_t table[ENTRIES * ENTRY_BYTES];

static void put_as(size_t i, const char *in, int verdict, uint8_t flags)
{
    struct ipt_entry e = {.target_offset = sizeof(e), .next_offset = ENTRY_BYTES};
    struct xt_standard_target t = {.verdict = verdict};
    t.target.u.target_size = sizeof(t);
    e.ip.flags = flags;
    memcpy(e.ip.iniface, in, strlen(in));
    memset(e.ip.iniface_mask, 0xff, strlen(in)); /* as "bg+" is */
    memcpy(table + i * ENTRY_BYTES, &e, sizeof(e));
    memcpy(table + i * ENTRY_BYTES + sizeof(e), &t, sizeof(t));
}

static void put(size_t i, const char *in, int verdict)
{
    put_as(i, in, verdict, 0);
}

/* A copy of the first len bytes, so that nothing behind them is read unnoticed. */
static bool drops_of(size_t len, size_t first)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, table, len);
    bool drops = legacy_table_drops(copy, len, first, (size_t)(FORWARD + 1) * ENTRY_BYTES);
    free(copy);
    return drops;
}

static bool drops(void)
{
    return drops_of(sizeof(table), (size_t)FORWARD * ENTRY_BYTES);
}

static void clear(int policy)
{
    put(INPUT, "eth", ACCEPT);
    put(INPUT + 1, "", ACCEPT);
    put(FORWARD, "eth", ACCEPT);
    put(FORWARD + 1, "", policy);
    put(USER, "eth", ACCEPT);
    put(USER + 1, "", RETURN);
}

static void test_policy_and_exception(void)
{
    clear(ACCEPT);
    CHECK(!drops());
    clear(DROP);
    CHECK(drops());
    put(FORWARD, "bg", DROP);
    CHECK(drops());
    put(FORWARD, "bgx", ACCEPT); /* one tap alone */
    CHECK(drops());
    put(FORWARD, "bg", ACCEPT);
    CHECK(!drops());
    put(FORWARD, "", ACCEPT); /* all of it */
    CHECK(!drops());
    put(FORWARD, "eth", RETURN);
    CHECK(drops());
    put(INPUT, "bg", ACCEPT); /* let in, not through */
    CHECK(drops());
    clear(ACCEPT);
    put(FORWARD, "", DROP);
    CHECK(drops());
    put(FORWARD, "bg", DROP);
    CHECK(drops());
    put(FORWARD, "eth", DROP);
    CHECK(!drops());
}

static void test_chains_that_it_leads_to(void)
{
    clear(DROP);
    put(USER, "bg", ACCEPT);
    CHECK(drops()); /* nobody leads there */
    put(FORWARD, "", USER * ENTRY_BYTES);
    CHECK(!drops());
    put(FORWARD, "bg", USER * ENTRY_BYTES);
    CHECK(!drops());
    put(FORWARD, "eth", USER * ENTRY_BYTES);
    CHECK(drops());
    clear(ACCEPT);
    put(FORWARD, "", USER * ENTRY_BYTES);
    CHECK(!drops()); /* comes back */
    put(USER, "", DROP);
    CHECK(drops());
    put(USER, "eth", RETURN);
    put(USER + 1, "", DROP); /* of those that did not leave before */
    CHECK(!drops());
    clear(DROP);
    put_as(FORWARD, "", USER * ENTRY_BYTES, IPT_F_GOTO);
    put(USER, "bg", ACCEPT);
    CHECK(!drops());
    put(USER, "eth", ACCEPT); /* and comes to the policy, not to what follows */
    put(FORWARD + 1, "", DROP);
    CHECK(drops());
}

static void test_what_is_no_table(void)
{
    const size_t first = (size_t)FORWARD * ENTRY_BYTES, end = first + 2 * (size_t)ENTRY_BYTES;
    clear(DROP);
    put(FORWARD, "", USER * ENTRY_BYTES);
    for (size_t len = 0; len <= sizeof(table); len++)
        CHECK_INT(drops_of(len, first), len >= end); /* else its policy cannot be read */
    put(USER + 1, "", FORWARD * ENTRY_BYTES);        /* round and round */
    CHECK(drops());
    clear(DROP);
    struct ipt_entry e;
    memcpy(&e, table + first, sizeof(e));
    e.next_offset = 0; /* and ends */
    memcpy(table + first, &e, sizeof(e));
    CHECK(drops());
    CHECK(drops_of(sizeof(table), SIZE_MAX - 3));
}

int main(void)
{
    RUN(test_policy_and_exception);
    RUN(test_chains_that_it_leads_to);
    RUN(test_what_is_no_table);
    return check_end();
}
