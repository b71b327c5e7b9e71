/* See vm_names.h. Names are answered below "vm" alone, and addresses of guests; everything else is
 * REFUSED: this is nobody's resolver. */
#include "daemon/core/names/vm_names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool vm_names_wants(const struct dns_question *q, unsigned type)
{
    return q->type == type || q->type == DNS_ANY;
}

/* What is below another name, with neither of the dots; false: none is. */
static bool vm_names_below(const struct dns_question *q, const char *name, char *text, size_t size)
{
    size_t len = strlen(q->name), end = strlen(name);
    if (len <= end || strcmp(q->name + len - end, name) != 0 || len - end >= size)
        return false;
    memcpy(text, q->name, len - end);
    text[len - end] = '\0';
    return true;
}

static int vm_names_name(const struct dns_question *q, const struct vm_names *names,
                         struct dns_answer *a)
{
    char name[NAME_BYTES];
    uint32_t address = 0;
    if (strcmp(q->name, "vm") == 0)
        return DNS_OK; /* it is there, and has nothing */
    if (!vm_names_below(q, ".vm", name, sizeof(name)) || strchr(name, '.') ||
        !names->by_name(names->arg, name, &address))
        return DNS_NO_SUCH_NAME;
    if (address != 0 && vm_names_wants(q, DNS_A))
        a->addresses[a->n++] = address;
    return DNS_OK;
}

/* "4.3.2.1.in-addr.arpa". */
static int vm_names_address(const struct dns_question *q, const struct vm_names *names,
                            char ptr[NAME_BYTES + 3], struct dns_answer *a)
{
    struct in_addr in;
    char text[INET_ADDRSTRLEN], name[NAME_BYTES];
    if (!vm_names_below(q, ".in-addr.arpa", text, sizeof(text)) ||
        inet_pton(AF_INET, text, &in) != 1 ||
        !names->by_address(names->arg, __builtin_bswap32(ntohl(in.s_addr)), name))
        return DNS_REFUSED;
    snprintf(ptr, NAME_BYTES + 3, "%s.vm", name);
    if (vm_names_wants(q, DNS_PTR))
        a->name = ptr;
    return DNS_OK;
}

size_t vm_names_answer(const uint8_t *query, size_t len, const struct vm_names *names,
                       uint8_t reply[DNS_TOLD_BYTES])
{
    struct dns_question q;
    struct dns_answer a = {.by_authority = true, .ttl_s = VM_NAMES_TTL_S};
    char ptr[NAME_BYTES + 3];
    a.code = dns_question_read(query, len, &q);
    if (a.code < 0)
        return 0;
    if (a.code == DNS_OK && q.class != DNS_IN && q.class != DNS_ANY)
        a.code = DNS_REFUSED;
    else if (a.code == DNS_OK && dns_question_is_below(&q, "vm"))
        a.code = vm_names_name(&q, names, &a);
    else if (a.code == DNS_OK)
        a.code = vm_names_address(&q, names, ptr, &a);
    return dns_answer_write(&q, &a, reply);
}
