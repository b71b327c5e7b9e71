/* A question (its length in the first byte), and behind it what a server answers: what is taken of
 * it fits into a packet for the guest, which reads the same there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dns_question *q, const struct dns_answer *a)
{
    uint8_t told[DNS_TOLD_BYTES];
    struct dns_answer again;
    struct dns_question as = *q;
    as.type = as.class = 1;
    size_t n = dns_answer_write(&as, a, told);
    if (n > sizeof(told) || a->n > DNS_ADDRESSES_MAX || (a->code != DNS_OK && a->n > 0))
        abort();
    if (!dns_answer_read(told, n, q, q->id, &again) || again.n != a->n || again.code != a->code ||
        memcmp(again.addresses, a->addresses, a->n * sizeof(*a->addresses)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question q;
    struct dns_answer a;
    uint8_t asked[DNS_PACKET_BYTES];
    if (size < 1 || data[0] > size - 1)
        return 0;
    size_t first = data[0];
    if (dns_question_read(data + 1, first, &q) != DNS_OK)
        return 0;
    if (dns_question_write(&q, 7, asked) > sizeof(asked) || strlen(q.name) > q.wire_len)
        abort();
    size_t rest = size - 1 - first;
    if (rest <= DNS_PACKET_BYTES && dns_answer_read(data + 1 + first, rest, &q, q.id, &a))
        check(&q, &a);
    return 0;
}
