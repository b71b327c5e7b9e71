/* See dns.h. A name's pointers lead backwards only, so each name ends; what is asked for in vain
 * (types of records that guests have no use for) is no answer's but ours to tell. */
#include "daemon/model/dns.h"

#include <string.h>

enum {
    HEADER_BYTES = 12,
    LABEL_MAX = 63,
    TYPE_ALIAS = 5, /* CNAME */
    TYPE_OPT = 41,
    RECORD_BYTES = 10, /* of a record, behind its name */
    TTL_MAX_S = 7 * 24 * 3600,
};

/* Of the second 16 bits of a header. */
enum {
    FLAG_REPLY = 0x8000,
    OPCODES = 0x7800,
    FLAG_AUTHORITY = 0x0400,
    FLAG_CUT = 0x0200,
    FLAG_RECURSE = 0x0100,
    FLAG_RECURSES = 0x0080,
    CODES = 0x000f,
};

struct writer {
    uint8_t *bytes;
    size_t len;
};

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(struct writer *w, unsigned value)
{
    w->bytes[w->len++] = (uint8_t)(value >> 8);
    w->bytes[w->len++] = (uint8_t)value;
}

static void put32(struct writer *w, uint32_t value)
{
    put16(w, value >> 16);
    put16(w, value & 0xffff);
}

static void put_bytes(struct writer *w, const uint8_t *bytes, size_t len)
{
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* A name without pointers, as it is; *at moves behind what of it is here. False: it is none. */
static bool read_name(const uint8_t *packet, size_t len, size_t *at,
                      uint8_t wire[DNS_WIRE_NAME_BYTES], size_t *wire_len)
{
    size_t from = *at, before = *at;
    bool moved = false;
    *wire_len = 0;
    for (;;) {
        if (from >= len)
            return false;
        size_t n = packet[from];
        if (n >= 0xc0) {
            if (from + 2 > len)
                return false;
            size_t to = get16(packet + from) & 0x3fff;
            if (!moved)
                *at = from + 2;
            moved = true;
            if (to < HEADER_BYTES || to >= before)
                return false;
            from = before = to;
            continue;
        }
        if (n > LABEL_MAX || from + 1 + n > len || *wire_len + 1 + n > DNS_WIRE_NAME_BYTES)
            return false;
        memcpy(wire + *wire_len, packet + from, 1 + n);
        *wire_len += 1 + n;
        from += 1 + n;
        if (n == 0)
            break;
    }
    if (!moved)
        *at = from;
    return true;
}

static bool is_same_name(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    for (size_t i = 0; i < a_len; i++) /* lengths of labels are below 'A' */
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

/* As text, where all of it is what names are made of; else "". */
static void name_text(const uint8_t *wire, size_t len, char text[DNS_WIRE_NAME_BYTES])
{
    size_t n = 0;
    text[0] = '\0';
    for (size_t at = 0; at < len && wire[at] > 0; at += 1u + wire[at]) {
        if (n > 0)
            text[n++] = '.';
        for (size_t i = 1; i <= wire[at]; i++) {
            char c = (char)lower(wire[at + i]);
            if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_') {
                text[0] = '\0';
                return;
            }
            text[n++] = c;
        }
    }
    text[n] = '\0';
}

/* Questions */

int dns_question_read(const uint8_t *packet, size_t len, struct dns_question *q)
{
    size_t at = HEADER_BYTES;
    *q = (struct dns_question){.id = 0};
    if (len < HEADER_BYTES || len > DNS_PACKET_BYTES)
        return -1;
    q->id = (uint16_t)get16(packet);
    q->flags = (uint16_t)get16(packet + 2);
    if (q->flags & FLAG_REPLY)
        return -1;
    if (q->flags & OPCODES)
        return DNS_NOT_BUILT;
    if (get16(packet + 4) != 1 || get16(packet + 6) || get16(packet + 8))
        return DNS_FORMAT_ERROR;
    /* None of its pointers leads before the name itself. */
    if (!read_name(packet, len, &at, q->wire, &q->wire_len) || at + 4 > len) {
        q->wire_len = 0;
        return DNS_FORMAT_ERROR;
    }
    q->type = (uint16_t)get16(packet + at);
    q->class = (uint16_t)get16(packet + at + 2);
    at += 4;
    q->edns = get16(packet + 10) > 0 && at + 11 <= len && packet[at] == 0 &&
              get16(packet + at + 1) == TYPE_OPT;
    name_text(q->wire, q->wire_len, q->name);
    return 0;
}

bool dns_question_is_for_addresses(const struct dns_question *q)
{
    return q->class == DNS_IN && q->type == DNS_A;
}

bool dns_question_is_below(const struct dns_question *q, const char *label)
{
    size_t last = 0, len = strlen(label);
    for (size_t at = 0; at < q->wire_len && q->wire[at] > 0; at += 1u + q->wire[at])
        last = at;
    if (q->wire_len == 0 || q->wire[last] != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(q->wire[last + 1 + i]) != (uint8_t)label[i])
            return false;
    return true;
}

static void put_header(struct writer *w, unsigned id, unsigned flags, const unsigned counts[4])
{
    put16(w, id);
    put16(w, flags);
    for (int i = 0; i < 4; i++)
        put16(w, counts[i]);
}

static void put_edns(struct writer *w)
{
    w->bytes[w->len++] = 0; /* the root */
    put16(w, TYPE_OPT);
    put16(w, DNS_PACKET_BYTES);
    put32(w, 0); /* version 0, no flags */
    put16(w, 0);
}

size_t dns_question_write(const struct dns_question *q, uint16_t id,
                          uint8_t packet[DNS_PACKET_BYTES])
{
    static const unsigned counts[4] = {1, 0, 0, 1};
    struct writer w = {.bytes = packet};
    put_header(&w, id, FLAG_RECURSE, counts);
    put_bytes(&w, q->wire, q->wire_len);
    put16(&w, DNS_A);
    put16(&w, DNS_IN);
    put_edns(&w);
    return w.len;
}

/* Answers */

struct record {
    uint8_t owner[DNS_WIRE_NAME_BYTES];
    size_t owner_len;
    unsigned type, class;
    uint32_t ttl_s;
    size_t data, data_len; /* in the packet */
};

static bool read_record(const uint8_t *packet, size_t len, size_t *at, struct record *r)
{
    if (!read_name(packet, len, at, r->owner, &r->owner_len) || *at + RECORD_BYTES > len)
        return false;
    const uint8_t *p = packet + *at;
    r->type = get16(p);
    r->class = get16(p + 2);
    r->ttl_s = get32(p + 4);
    if (r->ttl_s > TTL_MAX_S) /* RFC 2181, 8: with its first bit set it is 0; we bound it anyway */
        r->ttl_s = r->ttl_s > INT32_MAX ? 0 : TTL_MAX_S;
    r->data_len = get16(p + 8);
    r->data = *at + RECORD_BYTES;
    *at = r->data + r->data_len;
    return *at <= len;
}

struct walk {
    const uint8_t *packet;
    size_t len, first; /* of the records */
    unsigned count;
    uint8_t name[DNS_WIRE_NAME_BYTES]; /* that is looked for */
    size_t name_len;
};

static void take_address(struct dns_answer *a, uint32_t address)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->addresses[i] == address)
            return;
    if (a->n < DNS_ADDRESSES_MAX)
        a->addresses[a->n++] = address;
}

/* One look at all records for one name: its addresses, or what it is an alias of. -1: they are
 * broken; 0: there are no more; 1: another name is to be looked for. */
static int walk_once(struct walk *w, struct dns_answer *a)
{
    struct record r;
    size_t at = w->first, alias = 0;
    for (unsigned i = 0; i < w->count; i++) {
        if (!read_record(w->packet, w->len, &at, &r))
            return -1;
        if (r.class != DNS_IN || !is_same_name(r.owner, r.owner_len, w->name, w->name_len))
            continue;
        if (r.type == DNS_A && r.data_len == 4)
            take_address(a, get32(w->packet + r.data));
        else if (r.type == TYPE_ALIAS)
            alias = r.data;
        else
            continue;
        a->ttl_s = r.ttl_s < a->ttl_s ? r.ttl_s : a->ttl_s;
    }
    if (a->n > 0 || alias == 0)
        return 0;
    return read_name(w->packet, w->len, &alias, w->name, &w->name_len) ? 1 : -1;
}

static void walk_all(struct walk *w, struct dns_answer *a)
{
    int rc = 1;
    for (int i = 0; rc == 1 && i <= DNS_ALIASES_MAX; i++)
        rc = walk_once(w, a);
    if (rc != 0) {
        a->code = DNS_FAILED;
        a->n = 0;
    }
}

bool dns_answer_read(const uint8_t *packet, size_t len, const struct dns_question *q, uint16_t id,
                     struct dns_answer *a)
{
    struct walk w = {.packet = packet, .len = len};
    size_t at = HEADER_BYTES;
    if (len < HEADER_BYTES || get16(packet) != id || get16(packet + 4) != 1 ||
        (get16(packet + 2) & (FLAG_REPLY | OPCODES)) != FLAG_REPLY ||
        !read_name(packet, len, &at, w.name, &w.name_len) || at + 4 > len ||
        get16(packet + at) != DNS_A || get16(packet + at + 2) != DNS_IN ||
        !is_same_name(w.name, w.name_len, q->wire, q->wire_len))
        return false;
    *a = (struct dns_answer){.code = (int)(get16(packet + 2) & CODES), .ttl_s = TTL_MAX_S};
    w.first = at + 4;
    w.count = get16(packet + 6);
    if (a->code != DNS_OK && a->code != DNS_NO_SUCH_NAME)
        a->code = DNS_FAILED;
    if (a->code == DNS_OK)
        walk_all(&w, a);
    if (a->n == 0 && (get16(packet + 2) & FLAG_CUT)) /* what fits would have been enough */
        a->code = DNS_FAILED;
    return true;
}

static unsigned answer_flags(const struct dns_question *q, const struct dns_answer *a)
{
    bool knows = a->code == DNS_OK || a->code == DNS_NO_SUCH_NAME;
    unsigned by = !a->by_authority ? FLAG_RECURSES : knows ? FLAG_AUTHORITY : 0;
    return FLAG_REPLY | by | (q->flags & (OPCODES | FLAG_RECURSE)) | (unsigned)a->code;
}

/* The beginning of a record for the question's name. */
static void put_record(struct writer *w, unsigned type, uint32_t ttl_s)
{
    put16(w, 0xc000 | HEADER_BYTES);
    put16(w, type);
    put16(w, DNS_IN);
    put32(w, ttl_s);
}

/* Of labels without dots, as data of a record. */
static void put_name(struct writer *w, const char *name)
{
    put16(w, (unsigned)strlen(name) + 2);
    for (const char *at = name; *at;) {
        size_t n = strcspn(at, ".");
        w->bytes[w->len++] = (uint8_t)n;
        put_bytes(w, (const uint8_t *)at, n);
        at += n + (at[n] == '.');
    }
    w->bytes[w->len++] = 0;
}

size_t dns_answer_write(const struct dns_question *q, const struct dns_answer *a,
                        uint8_t packet[DNS_TOLD_BYTES])
{
    struct writer w = {.bytes = packet};
    const unsigned counts[4] = {q->wire_len > 0, (unsigned)a->n + (a->name != NULL), 0, q->edns};
    put_header(&w, q->id, answer_flags(q, a), counts);
    if (q->wire_len > 0) {
        put_bytes(&w, q->wire, q->wire_len);
        put16(&w, q->type);
        put16(&w, q->class);
    }
    for (size_t i = 0; i < a->n; i++) {
        put_record(&w, DNS_A, a->ttl_s);
        put16(&w, 4);
        put32(&w, a->addresses[i]);
    }
    if (a->name) {
        put_record(&w, DNS_PTR, a->ttl_s);
        put_name(&w, a->name);
    }
    if (q->edns)
        put_edns(&w);
    return w.len;
}
