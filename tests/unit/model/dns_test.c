/* Questions of guests and answers of servers, hostile ones too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/dns.h"
#include "tests/support/check.h"

enum { A = 1, CNAME = 5, AAAA = 28, IN = 1 };

/* A packet as it is written, one field after another. */
struct packet {
    uint8_t bytes[DNS_PACKET_BYTES];
    size_t len;
};

static void put16(struct packet *p, unsigned v)
{
    p->bytes[p->len++] = (uint8_t)(v >> 8);
    p->bytes[p->len++] = (uint8_t)v;
}

static void put_head(struct packet *p, unsigned id, unsigned flags, unsigned questions,
                     unsigned answers)
{
    p->len = 0;
    put16(p, id);
    put16(p, flags);
    put16(p, questions);
    put16(p, answers);
    put16(p, 0);
    put16(p, 0);
}

static void put_name(struct packet *p, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        p->bytes[p->len++] = (uint8_t)n;
        memcpy(p->bytes + p->len, name, n);
        p->len += n;
        name += n + (name[n] == '.');
    }
    p->bytes[p->len++] = 0;
}

static void put_question(struct packet *p, const char *name, unsigned type)
{
    put_name(p, name);
    put16(p, type);
    put16(p, IN);
}

/* name NULL: the question's, by a pointer. */
static void put_record(struct packet *p, const char *name, unsigned type, uint32_t ttl)
{
    if (name)
        put_name(p, name);
    else
        put16(p, 0xc00c);
    put16(p, type);
    put16(p, IN);
    put16(p, ttl >> 16);
    put16(p, ttl & 0xffff);
}

static void put_address(struct packet *p, const char *name, uint32_t ttl, uint32_t address)
{
    put_record(p, name, A, ttl);
    put16(p, 4);
    put16(p, address >> 16);
    put16(p, address & 0xffff);
}

static void put_alias(struct packet *p, const char *name, const char *of)
{
    put_record(p, name, CNAME, 60);
    put16(p, (unsigned)strlen(of) + 2);
    put_name(p, of);
}

static struct dns_question ask(const char *name, unsigned type)
{
    struct packet p;
    struct dns_question q;
    put_head(&p, 0x1234, 0x0100, 1, 0);
    put_question(&p, name, type);
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), DNS_OK);
    return q;
}

static void test_questions(void)
{
    struct dns_question q = ask("WWW.Example.org", A);
    uint8_t out[DNS_PACKET_BYTES];
    CHECK_STR(q.name, "www.example.org");
    CHECK(dns_question_is_for_addresses(&q));
    CHECK(!q.edns);
    size_t n = dns_question_write(&q, 0xbeef, out);
    struct dns_question again;
    CHECK_INT(dns_question_read(out, n, &again), DNS_OK);
    CHECK_INT(again.id, 0xbeef);
    CHECK(again.edns);
    CHECK(memcmp(again.wire, q.wire, q.wire_len) == 0); /* in the guest's own letters */
    q = ask("example.org", AAAA);
    CHECK(!dns_question_is_for_addresses(&q));
    struct packet p;
    put_head(&p, 1, 0x0100, 1, 0);
    p.bytes[p.len++] = 3; /* a label with a dot in it is no name of ours */
    memcpy(p.bytes + p.len, "a.b", 3);
    p.len += 3;
    put_question(&p, "org", A);
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), DNS_OK);
    CHECK_STR(q.name, "");
}

static void test_what_is_no_question(void)
{
    struct packet p;
    struct dns_question q;
    put_head(&p, 1, 0x8100, 1, 0);
    put_question(&p, "a.org", A);
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), -1); /* an answer */
    put_head(&p, 1, 0x2800, 1, 0);
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), DNS_NOT_BUILT);
    put_head(&p, 1, 0x0100, 2, 0);
    put_question(&p, "a.org", A);
    put_question(&p, "b.org", A);
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), DNS_FORMAT_ERROR);
    put_head(&p, 1, 0x0100, 1, 0);
    put_record(&p, NULL, A, 0); /* a pointer to itself */
    CHECK_INT(dns_question_read(p.bytes, p.len, &q), DNS_FORMAT_ERROR);
    put_head(&p, 1, 0x0100, 1, 0);
    put_question(&p, "a.org", A);
    for (size_t len = 0; len < p.len; len++)
        CHECK(dns_question_read(p.bytes, len, &q) != DNS_OK);
}

static struct dns_answer read_answer(const struct packet *p, const struct dns_question *q)
{
    struct dns_answer a = {.code = -1};
    CHECK(dns_answer_read(p->bytes, p->len, q, 7, &a));
    return a;
}

static void test_addresses_and_aliases(void)
{
    struct dns_question q = ask("www.example.org", A);
    struct packet p;
    put_head(&p, 7, 0x8180, 1, 5);
    put_question(&p, "WWW.example.ORG", A);
    put_address(&p, "b.example.net", 30, 2); /* in whatever order */
    put_alias(&p, "a.example.net", "b.example.net");
    put_alias(&p, NULL, "a.example.net");
    put_address(&p, "b.example.net", 600, 3);
    put_address(&p, "other.example.net", 1, 4); /* nobody's */
    struct dns_answer a = read_answer(&p, &q);
    CHECK_INT(a.code, DNS_OK);
    CHECK_INT(a.n, 2);
    CHECK_INT(a.addresses[0], 2);
    CHECK_INT(a.addresses[1], 3);
    CHECK_INT(a.ttl_s, 30);
}

static void test_what_is_not_the_answer(void)
{
    struct dns_question q = ask("www.example.org", A);
    struct dns_answer a;
    struct packet p;
    put_head(&p, 8, 0x8180, 1, 1); /* another id */
    put_question(&p, "www.example.org", A);
    put_address(&p, NULL, 30, 2);
    CHECK(!dns_answer_read(p.bytes, p.len, &q, 7, &a));
    put_head(&p, 7, 0x8180, 1, 1); /* another question */
    put_question(&p, "www.example.net", A);
    put_address(&p, NULL, 30, 2);
    CHECK(!dns_answer_read(p.bytes, p.len, &q, 7, &a));
    put_head(&p, 7, 0x0180, 1, 1); /* a question */
    put_question(&p, "www.example.org", A);
    put_address(&p, NULL, 30, 2);
    CHECK(!dns_answer_read(p.bytes, p.len, &q, 7, &a));
}

static void test_broken_answers_open_nothing(void)
{
    struct dns_question q = ask("www.example.org", A);
    struct packet p;
    put_head(&p, 7, 0x8180, 1, 2); /* a circle */
    put_question(&p, "www.example.org", A);
    put_alias(&p, NULL, "a.org");
    put_alias(&p, "a.org", "www.example.org");
    CHECK_INT(read_answer(&p, &q).code, DNS_FAILED);
    put_head(&p, 7, 0x8180, 1, 1); /* a pointer forward */
    put_question(&p, "www.example.org", A);
    put16(&p, 0xc000 | (unsigned)(p.len + 2));
    p.len += 20;
    CHECK_INT(read_answer(&p, &q).code, DNS_FAILED);
    put_head(&p, 7, 0x8380, 1, 0); /* cut, with nothing in it */
    put_question(&p, "www.example.org", A);
    CHECK_INT(read_answer(&p, &q).code, DNS_FAILED);
    put_head(&p, 7, 0x8182, 1, 0); /* the server's own trouble */
    put_question(&p, "www.example.org", A);
    CHECK_INT(read_answer(&p, &q).code, DNS_FAILED);
    put_head(&p, 7, 0x8183, 1, 0);
    put_question(&p, "www.example.org", A);
    CHECK_INT(read_answer(&p, &q).code, DNS_NO_SUCH_NAME);
    put_head(&p, 7, 0x8180, 1, 1);
    put_question(&p, "www.example.org", A);
    size_t from = p.len;
    put_address(&p, NULL, 30, 2);
    for (size_t len = from; len < p.len; len++) {
        struct dns_answer a;
        CHECK(dns_answer_read(p.bytes, len, &q, 7, &a));
        CHECK_INT(a.code, DNS_FAILED);
        CHECK_INT(a.n, 0);
    }
}

/* A server may send what it likes; the guest gets what fits in a packet that everybody takes. */
static void test_many_addresses(void)
{
    char name[254] = "";
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 64 == 63 ? '.' : 'a';
    struct dns_question q = ask(name, A);
    struct packet p;
    q.edns = true;
    put_head(&p, 7, 0x8180, 1, 50);
    put_question(&p, name, A);
    for (uint32_t i = 0; i < 50; i++)
        put_address(&p, NULL, 100000000, 0xc0000200 + i / 2);
    struct dns_answer a = read_answer(&p, &q);
    CHECK_INT(a.n, DNS_ADDRESSES_MAX);
    CHECK_INT(a.addresses[7], 0xc0000207);
    CHECK(a.ttl_s <= 7 * 24 * 3600);
    uint8_t out[DNS_TOLD_BYTES];
    size_t n = dns_answer_write(&q, &a, out);
    CHECK(n <= sizeof(out));
    struct dns_answer again;
    CHECK(dns_answer_read(out, n, &q, q.id, &again));
    CHECK_INT(again.n, DNS_ADDRESSES_MAX);
    CHECK(memcmp(again.addresses, a.addresses, sizeof(a.addresses)) == 0);
}

static void test_an_answer_without_a_question(void)
{
    struct dns_question q;
    struct packet p;
    uint8_t out[DNS_TOLD_BYTES];
    put_head(&p, 9, 0x0100, 3, 0);
    struct dns_answer a = {.code = dns_question_read(p.bytes, p.len, &q)};
    CHECK_INT(dns_answer_write(&q, &a, out), 12);
    CHECK_INT(out[1], 9);
    CHECK_INT(out[3] & 15, DNS_FORMAT_ERROR);
}

int main(void)
{
    RUN(test_questions);
    RUN(test_what_is_no_question);
    RUN(test_addresses_and_aliases);
    RUN(test_what_is_not_the_answer);
    RUN(test_broken_answers_open_nothing);
    RUN(test_many_addresses);
    RUN(test_an_answer_without_a_question);
    return check_end();
}
