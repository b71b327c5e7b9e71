/* The stream of frames between qemu and banger-net: a byte that cuts it and picks a policy, then
 * frames. Whatever passes is whole, was there, and leads to where it may; with names each question
 * is answered or asked, and what the guest sends comes back as an answer, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/vmm/net/net_filter.h"
#include "daemon/vmm/net/net_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct net_own own = {.n = 1, .at = {{.address = 0xc6336401, .prefix = 32}}};
static struct net_policy policy;
static struct net_names names;

static void question(const uint8_t *frame, size_t len)
{
    uint8_t out[NET_DNS_BYTES];
    size_t n = 0;
    enum net_names_way way = net_names_ask(&names, frame, len, out, &n);
    if (way == NET_NAMES_NOWHERE)
        return;
    if (n > sizeof(out) ||
        (way == NET_NAMES_TO_PASST ? !net_names_is_question(out, n) : !net_names_is_answer(out, n)))
        abort();
}

/* As if passt had sent it. */
static void answer(const uint8_t *frame, size_t len)
{
    uint8_t out[NET_DNS_BYTES];
    size_t n = 0;
    if (policy.names && net_names_is_answer(frame, len) &&
        net_names_tell(&names, &policy.ranges, &own, frame, len, out, &n) &&
        (n > sizeof(out) || !net_names_is_answer(out, n)))
        abort();
    for (size_t i = 0; i < names.pins.n; i++)
        if (!egress_name_may_lead_to(names.pins.at[i].address))
            abort();
}

static void set_up_names(void)
{
    memset(&names, 0, sizeof(names));
    names.now_ms = 1000;
    names.names.n = 1;
    if (egress_name_parse("*.example.org:443", &names.names.at[0], NULL) < 0)
        abort();
    policy.names = &names;
    policy.question = question;
}

static void set_up(enum egress_mode mode)
{
    static const char *const texts[] = {"192.0.2.0/24:443/tcp", "0.0.0.0/0:53/udp"};
    struct egress_list list = {.n = 2};
    for (uint32_t i = 0; i < list.n; i++)
        if (egress_entry_parse(texts[i], &list.at[i], NULL) < 0)
            abort();
    if (egress_compile(&list, &policy.ranges, NULL) < 0)
        abort();
    policy.mode = mode;
    policy.names = NULL;
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Of what passed: never to a closed address but for what passt answers itself. */
static void check(const uint8_t *frame, size_t len)
{
    if (len < 14 || frame[12] != 8 || (frame[13] != 0 && frame[13] != 6))
        abort();
    if (frame[13] == 6)
        return;
    if (len < 34)
        abort();
    uint32_t to = number(frame + 30);
    bool answered = to == 0x0a000202 || to == 0x0a000203 || to == UINT32_MAX;
    if ((egress_is_closed(to) || to >> 8 == 0x0a0002 || to == 0xc6336401) && !answered)
        abort();
    if (policy.mode == EGRESS_NONE && (!answered || to == 0x0a000203))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    set_up((enum egress_mode)(EGRESS_ALL + data[0] % 3));
    if (data[0] % 3 == 2 && data[0] >= 128)
        set_up_names();
    size_t first = 1 + (size_t)(data[0] / 3) % len, have = 0, kept;
    uint8_t *buffer = malloc(len);
    if (!buffer)
        return 0;
    for (size_t at = 1; at < len;) {
        size_t part = at < first ? first - at : len - at;
        memcpy(buffer + have, data + at, part);
        at += part;
        have += part;
        int64_t seen = net_filter_stream(&policy, &own, buffer, have, &kept);
        if (seen < 0)
            break;
        if ((size_t)seen > have || kept > (size_t)seen)
            abort();
        for (size_t i = 0; i < kept;) {
            size_t n = number(buffer + i);
            if (kept - i - NET_HEAD_BYTES < n)
                abort();
            check(buffer + i + NET_HEAD_BYTES, n);
            i += NET_HEAD_BYTES + n;
        }
        have -= (size_t)seen;
        memmove(buffer, buffer + seen, have);
    }
    free(buffer);
    for (size_t at = 1; len - at >= NET_HEAD_BYTES;) { /* the same from the other side */
        size_t n = number(data + at);
        if (len - at - NET_HEAD_BYTES < n)
            break;
        answer(data + at + NET_HEAD_BYTES, n);
        at += NET_HEAD_BYTES + n;
    }
    return 0;
}
