/* Names and labels; see priv_names.h. */
#include "daemon/priv/priv_names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/sha256.h"

int priv_owner_of(const char *state_dir, struct priv_owner *owner, struct err *err)
{
    owner->uid = (uint32_t)geteuid();
    return state_tag(state_dir, owner->state, err);
}

bool priv_state_is_valid(const char *state)
{
    return strlen(state) == PRIV_STATE_BYTES - 1 &&
           strspn(state, "0123456789abcdef") == PRIV_STATE_BYTES - 1;
}

void priv_label(const struct priv_owner *owner, const char *vm_id, char label[PRIV_LABEL_BYTES])
{
    snprintf(label, PRIV_LABEL_BYTES, "banger %u %s %s", (unsigned)owner->uid, owner->state, vm_id);
}

bool priv_pool_read(const char *text, struct priv_pool *pool)
{
    char address[16] = "";
    unsigned prefix = 0;
    int used = 0;
    struct in_addr in;
    if (sscanf(text, "%15[0-9.]/%u%n", address, &prefix, &used) != 2 || text[used] ||
        inet_pton(AF_INET, address, &in) != 1 || prefix < PRIV_POOL_PREFIX_MIN ||
        prefix > PRIV_PREFIX)
        return false;
    *pool = (struct priv_pool){.base = ntohl(in.s_addr), .prefix = prefix};
    return (pool->base & ~(UINT32_MAX << (32 - prefix))) == 0;
}

bool priv_pool_has(const struct priv_pool *pool, uint32_t address)
{
    return ((address ^ pool->base) & UINT32_MAX << (32 - pool->prefix)) == 0;
}

/* 65 bits of the label's digest. */
void priv_tap_name(const struct priv_owner *owner, const char *vm_id, char name[PRIV_TAP_BYTES])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    char label[PRIV_LABEL_BYTES];
    uint8_t digest[SHA256_BYTES];
    struct sha256 s;
    priv_label(owner, vm_id, label);
    sha256_init(&s);
    sha256_add(&s, label, strlen(label));
    sha256_end(&s, digest);
    memcpy(name, "bg", 2);
    for (int i = 2; i < PRIV_TAP_BYTES - 1; i++)
        name[i] = digits[digest[i] % 32];
    name[PRIV_TAP_BYTES - 1] = '\0';
}

bool priv_is_tap_name(const char *name)
{
    return strncmp(name, "bg", 2) == 0 && strlen(name) == PRIV_TAP_BYTES - 1;
}

bool priv_label_read(const struct priv_owner *owner, const char *label, char vm_id[ID_BYTES])
{
    char whole[PRIV_LABEL_BYTES];
    const char *id = strrchr(label, ' ');
    if (!id || !id_is_valid(id + 1))
        return false;
    snprintf(vm_id, ID_BYTES, "%s", id + 1);
    priv_label(owner, vm_id, whole);
    return strcmp(label, whole) == 0;
}

void priv_address_text(uint32_t address, char text[16])
{
    snprintf(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
             address & 255);
}
