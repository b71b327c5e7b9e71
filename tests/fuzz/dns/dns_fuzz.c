/* Any packet; every name and address is there. The answer to an answer is none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/names/vm_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool by_name(void *arg, const char *name, uint32_t *address)
{
    (void)arg;
    *address = (uint32_t)strlen(name);
    return true;
}

static bool by_address(void *arg, uint32_t address, char name[NAME_BYTES])
{
    (void)arg, (void)address;
    memset(name, 'a', NAME_BYTES - 1);
    name[NAME_BYTES - 1] = '\0';
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vm_names names = {by_name, by_address, NULL};
    uint8_t reply[DNS_TOLD_BYTES], again[DNS_TOLD_BYTES];
    size_t n = size <= DNS_PACKET_BYTES ? vm_names_answer(data, size, &names, reply) : 0;
    if (n > sizeof(reply) || (n > 0 && vm_names_answer(reply, n, &names, again) != 0))
        abort();
    return 0;
}
