/* Names of VMs as packets: what is answered to which question, and that nothing malformed is. */
#include "daemon/core/names/vm_names.h"
#include "tests/support/check.h"

enum { A = 1, NS = 2, PTR = 12, AAAA = 28, ANY = 255, IN = 1, CHAOS = 3 };
enum { NO_ERROR, FORMAT_ERROR, NO_SUCH_NAME = 3, NOT_BUILT, REFUSED };

static bool by_name(void *arg, const char *name, uint32_t *address)
{
    (void)arg;
    *address = strcmp(name, "box") == 0 ? 0x0a450001 : 0;
    return *address || strcmp(name, "bare") == 0;
}

static bool by_address(void *arg, uint32_t address, char name[NAME_BYTES])
{
    (void)arg;
    snprintf(name, NAME_BYTES, "box");
    return address == 0x0a450001;
}

static const struct vm_names names = {by_name, by_address, NULL};
static uint8_t query[DNS_PACKET_BYTES], reply[DNS_TOLD_BYTES];
static size_t query_len, reply_len;

static void put16(unsigned value)
{
    query[query_len++] = (uint8_t)(value >> 8);
    query[query_len++] = (uint8_t)value;
}

/* A question as a stock client writes it; dots part labels. */
static void make(const char *name, unsigned type, unsigned class)
{
    memset(query, 0, sizeof(query));
    query_len = 0;
    const unsigned header[] = {0x1234, 0x0100, 1, 0, 0, 0};
    for (int i = 0; i < 6; i++)
        put16(header[i]);
    while (*name) {
        size_t n = strcspn(name, ".");
        query[query_len++] = (uint8_t)n;
        memcpy(query + query_len, name, n);
        query_len += n;
        name += n + (name[n] == '.');
    }
    query[query_len++] = 0;
    put16(type);
    put16(class);
}

/* The code of the answer; -1: none came. */
static int answer(void)
{
    uint8_t *copy = malloc(query_len ? query_len : 1); /* what is read beyond it is seen */
    memcpy(copy, query, query_len);
    reply_len = vm_names_answer(copy, query_len, &names, reply);
    free(copy);
    if (reply_len == 0)
        return -1;
    CHECK(reply_len >= 12 && reply_len <= DNS_TOLD_BYTES);
    CHECK_INT(reply[0] << 8 | reply[1], query[0] << 8 | query[1]);
    CHECK(reply[2] & 0x80);
    return reply[3] & 15;
}

static int ask(const char *name, unsigned type)
{
    make(name, type, IN);
    return answer();
}

static unsigned answers(void)
{
    return (unsigned)(reply[6] << 8 | reply[7]);
}

static void test_addresses(void)
{
    static const uint8_t record[] = {0xc0,           12, 0, A,  0,  IN, 0, 0, 0,
                                     VM_NAMES_TTL_S, 0,  4, 10, 69, 0,  1};
    CHECK_INT(ask("box.vm", A), NO_ERROR);
    CHECK_INT(answers(), 1);
    CHECK(reply[2] & 4); /* with authority */
    CHECK(memcmp(reply + 12, query + 12, query_len - 12) == 0);
    CHECK_INT(reply_len, query_len + sizeof(record));
    CHECK(memcmp(reply + query_len, record, sizeof(record)) == 0);
    CHECK_INT(ask("BoX.vM", A), NO_ERROR); /* RFC 4343, and comes back as it was written */
    CHECK_INT(answers(), 1);
    CHECK(memcmp(reply + 12, query + 12, query_len - 12) == 0);
    CHECK_INT(ask("box.vm", ANY), NO_ERROR);
    CHECK_INT(answers(), 1);
}

static void test_nothing(void)
{
    static const char *const unknown[] = {"other.vm", "a.box.vm", "b\xc3\xa4r.vm", "box_.vm"};
    static const char *const strange[] = {"example.org", "box", "vm.org", "", "boxvm"};
    CHECK_INT(ask("box.vm", AAAA), NO_ERROR);
    CHECK_INT(answers(), 0);
    CHECK_INT(ask("bare.vm", A), NO_ERROR);
    CHECK_INT(answers(), 0);
    CHECK_INT(ask("vm", NS), NO_ERROR);
    CHECK_INT(answers(), 0);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        CHECK_INT(ask(unknown[i], A), NO_SUCH_NAME);
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        CHECK_INT(ask(strange[i], A), REFUSED);
    make("box.vm", A, CHAOS);
    CHECK_INT(answer(), REFUSED);
}

static void test_back(void)
{
    static const char *const strange[] = {"2.0.69.10.in-addr.arpa", "1.0.69.10.in-addr.arpb",
                                          "0.69.10.in-addr.arpa",   "999.0.69.10.in-addr.arpa",
                                          "x.0.69.10.in-addr.arpa", "1.0.69.010000.in-addr.arpa"};
    CHECK_INT(ask("1.0.69.10.in-addr.arpa", PTR), NO_ERROR);
    CHECK_INT(answers(), 1);
    CHECK(memcmp(reply + reply_len - 8, "\3box\2vm", 8) == 0);
    CHECK_INT(ask("1.0.69.10.in-addr.arpa", A), NO_ERROR);
    CHECK_INT(answers(), 0);
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        CHECK_INT(ask(strange[i], PTR), REFUSED);
}

static void test_edns(void)
{
    make("box.vm", A, IN);
    query[11] = 1;
    static const uint8_t opt[11] = {0, 0, 41, 0x10, 0};
    memcpy(query + query_len, opt, sizeof(opt));
    query_len += sizeof(opt);
    CHECK_INT(answer(), NO_ERROR);
    CHECK_INT(reply[11], 1);
    CHECK_INT(reply[reply_len - 9], 41);
    query_len -= 3; /* cut off: as if it were not there */
    CHECK_INT(answer(), NO_ERROR);
    CHECK_INT(reply[11], 0);
}

/* Each from a good question. */
static void test_malformed(void)
{
    make("box.vm", A, IN);
    for (size_t len = query_len; len-- > 0;) {
        query_len = len;
        CHECK_INT(answer(), len < 12 ? -1 : FORMAT_ERROR);
    }
    make("box.vm", A, IN);
    query[2] |= 0x80; /* a reply, maybe our own: two servers must not talk for ever */
    CHECK_INT(answer(), -1);
    make("box.vm", A, IN);
    query[2] |= 5 << 3; /* UPDATE */
    CHECK_INT(answer(), NOT_BUILT);
    CHECK_INT(reply_len, 12);
    static const int counts[] = {5, 7, 9};
    for (int i = 0; i < 3; i++) {
        make("box.vm", A, IN);
        query[counts[i]] = 2;
        CHECK_INT(answer(), FORMAT_ERROR);
    }
    static const uint8_t lengths[] = {0xc0, 0x40, 0x80, 0xff, 64};
    for (int i = 0; i < 5; i++) {
        make("box.vm", A, IN);
        query[12] = lengths[i];
        CHECK_INT(answer(), FORMAT_ERROR);
    }
    make("", A, IN); /* 127 labels are the most that a name has, and 255 bytes */
    query_len = 12;
    for (int i = 0; i < 127; i++) {
        query[query_len++] = 1;
        query[query_len++] = 'a';
    }
    query_len += 5;
    CHECK_INT(answer(), REFUSED);
    query[query_len - 5] = 1;
    query_len += 6;
    CHECK_INT(answer(), FORMAT_ERROR);
}

int main(void)
{
    RUN(test_addresses);
    RUN(test_nothing);
    RUN(test_back);
    RUN(test_edns);
    RUN(test_malformed);
    return check_end();
}
