/* See dns_packet.h. Names are answered below "vm" alone, and addresses of guests; everything else
 * is REFUSED: this is nobody's resolver. Questions have no compression, so a pointer in one is an
 * error; replies have one, to the name that was asked for. */
#include "daemon/core/names/dns_packet.h"

#include <string.h>

enum {
    HEADER_BYTES = 12,
    NAME_WIRE_BYTES = 255,
    LABEL_BYTES = 63,
    LABELS_DEEP = 128,
    QUESTION_AT = 0xc000 | HEADER_BYTES, /* a pointer to it */
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_OPT = 41,
    TYPE_ANY = 255,
    CLASS_IN = 1,
    CLASS_ANY = 255,
    OPT_BYTES = 11,
};

/* Of the second 16 bits of a header. */
enum { FLAG_REPLY = 0x8000, FLAG_AUTHORITY = 0x0400, FLAG_RECURSE = 0x0100, OPCODES = 0x7800 };

enum { NO_ERROR = 0, FORMAT_ERROR = 1, NO_SUCH_NAME = 3, NOT_BUILT = 4, REFUSED = 5 };

struct question {
    const uint8_t *labels[LABELS_DEEP]; /* their lengths come first */
    size_t n_labels;
    size_t end; /* of it, in the packet */
    unsigned type, class;
};

struct reply {
    uint8_t *bytes;
    size_t len;
    unsigned answers;
};

static unsigned dns_get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void dns_put16(struct reply *r, unsigned value)
{
    r->bytes[r->len++] = (uint8_t)(value >> 8);
    r->bytes[r->len++] = (uint8_t)value;
}

static void dns_put32(struct reply *r, uint32_t value)
{
    dns_put16(r, value >> 16);
    dns_put16(r, value & 0xffff);
}

static void dns_put_label(struct reply *r, const char *label)
{
    size_t n = strlen(label);
    r->bytes[r->len++] = (uint8_t)n;
    memcpy(r->bytes + r->len, label, n);
    r->len += n;
}

/* Questions */

static bool dns_read_question(const uint8_t *query, size_t len, struct question *q)
{
    size_t at = HEADER_BYTES;
    q->n_labels = 0;
    while (at < len && query[at] > 0) {
        if (query[at] > LABEL_BYTES || q->n_labels == LABELS_DEEP ||
            at + 1 + query[at] > HEADER_BYTES + NAME_WIRE_BYTES - 1)
            return false;
        q->labels[q->n_labels++] = query + at;
        at += 1u + query[at];
    }
    if (at + 5 > len)
        return false;
    q->type = dns_get16(query + at + 1);
    q->class = dns_get16(query + at + 3);
    q->end = at + 5;
    return true;
}

/* It is what may come behind a question: one that names what EDNS it speaks (RFC 6891). */
static bool dns_has_edns(const uint8_t *query, size_t len, const struct question *q)
{
    return dns_get16(query + 10) > 0 && q->end + OPT_BYTES <= len && query[q->end] == 0 &&
           dns_get16(query + q->end + 1) == TYPE_OPT;
}

static uint8_t dns_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool dns_is(const uint8_t *label, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (label[0] != n || dns_lower(label[i + 1]) != (uint8_t)text[i])
            return false;
    return label[0] == n;
}

/* A label that is one of a VM: its text; else "". */
static void dns_label_text(const uint8_t *label, char name[NAME_BYTES])
{
    size_t n = 0;
    for (; n < label[0] && n < NAME_BYTES - 1; n++) {
        char c = (char)dns_lower(label[n + 1]);
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
            break;
        name[n] = c;
    }
    name[n == label[0] ? n : 0] = '\0';
}

/* Answers */

static void dns_put_answer(struct reply *r, unsigned type)
{
    dns_put16(r, QUESTION_AT);
    dns_put16(r, type);
    dns_put16(r, CLASS_IN);
    dns_put32(r, DNS_TTL_S);
    r->answers++;
}

static int dns_answer_name(const struct question *q, const struct dns_names *names, struct reply *r)
{
    char name[NAME_BYTES];
    uint32_t address = 0;
    if (q->n_labels == 1)
        return NO_ERROR; /* "vm" itself is there, and has nothing */
    dns_label_text(q->labels[0], name);
    if (q->n_labels > 2 || !name[0] || !names->by_name(names->arg, name, &address))
        return NO_SUCH_NAME;
    if (address == 0 || (q->type != TYPE_A && q->type != TYPE_ANY))
        return NO_ERROR;
    dns_put_answer(r, TYPE_A);
    dns_put16(r, sizeof(address));
    dns_put32(r, address);
    return NO_ERROR;
}

/* "4.3.2.1.in-addr.arpa"; false: it is no address. */
static bool dns_read_address(const struct question *q, uint32_t *address)
{
    *address = 0;
    if (q->n_labels != 6 || !dns_is(q->labels[4], "in-addr") || !dns_is(q->labels[5], "arpa"))
        return false;
    for (size_t i = 4; i-- > 0;) {
        const uint8_t *label = q->labels[i];
        unsigned part = 0;
        for (size_t j = 1; j <= label[0]; j++) {
            if (label[j] < '0' || label[j] > '9' || label[0] > 3)
                return false;
            part = part * 10 + (label[j] - (unsigned)'0');
        }
        if (part > 255)
            return false;
        *address = *address << 8 | part;
    }
    return true;
}

static int dns_answer_address(const struct question *q, const struct dns_names *names,
                              struct reply *r)
{
    uint32_t address;
    char name[NAME_BYTES];
    if (!dns_read_address(q, &address) || !names->by_address(names->arg, address, name))
        return REFUSED;
    if (q->type != TYPE_PTR && q->type != TYPE_ANY)
        return NO_ERROR;
    dns_put_answer(r, TYPE_PTR);
    dns_put16(r, (unsigned)(1 + strlen(name) + 1 + 2 + 1));
    dns_put_label(r, name);
    dns_put_label(r, "vm");
    r->bytes[r->len++] = 0;
    return NO_ERROR;
}

static int dns_answer_question(const struct question *q, const struct dns_names *names,
                               struct reply *r)
{
    if (q->class != CLASS_IN && q->class != CLASS_ANY)
        return REFUSED;
    if (q->n_labels > 0 && dns_is(q->labels[q->n_labels - 1], "vm"))
        return dns_answer_name(q, names, r);
    return dns_answer_address(q, names, r);
}

static void dns_put_edns(struct reply *r)
{
    r->bytes[r->len++] = 0; /* the root */
    dns_put16(r, TYPE_OPT);
    dns_put16(r, DNS_QUERY_BYTES);
    dns_put32(r, 0); /* version 0, no flags */
    dns_put16(r, 0);
}

static void dns_put_header(uint8_t *bytes, const uint8_t *query, unsigned flags,
                           const unsigned counts[4])
{
    struct reply head = {.bytes = bytes};
    dns_put16(&head, dns_get16(query));
    dns_put16(&head, FLAG_REPLY | (dns_get16(query + 2) & (OPCODES | FLAG_RECURSE)) | flags);
    for (int i = 0; i < 4; i++)
        dns_put16(&head, counts[i]);
}

size_t dns_answer(const uint8_t *query, size_t len, const struct dns_names *names,
                  uint8_t reply[DNS_REPLY_BYTES])
{
    struct reply r = {.bytes = reply, .len = HEADER_BYTES};
    struct question q;
    if (len < HEADER_BYTES || (dns_get16(query + 2) & FLAG_REPLY))
        return 0;
    bool plain = (dns_get16(query + 2) & OPCODES) == 0;
    if (!plain || dns_get16(query + 4) != 1 || dns_get16(query + 6) || dns_get16(query + 8) ||
        !dns_read_question(query, len, &q)) {
        static const unsigned nothing[4];
        dns_put_header(reply, query, plain ? FORMAT_ERROR : NOT_BUILT, nothing);
        return r.len;
    }
    memcpy(reply + HEADER_BYTES, query + HEADER_BYTES, q.end - HEADER_BYTES);
    r.len = q.end;
    int code = dns_answer_question(&q, names, &r);
    bool edns = dns_has_edns(query, len, &q);
    if (edns)
        dns_put_edns(&r);
    const unsigned counts[4] = {1, r.answers, 0, edns};
    dns_put_header(reply, query, (unsigned)code | (code == REFUSED ? 0 : FLAG_AUTHORITY), counts);
    return r.len;
}
