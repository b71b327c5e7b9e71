/* iptables-legacy: rules that nf_tables does not list, as old Dockers make them. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LEGACY_H
#define BANGER_DAEMON_PRIV_PRIV_LEGACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does its table filter drop what is forwarded (input: what comes in) and nobody has let through,
 * guests with taps not excepted? Makes no table where there is none. */
bool legacy_drops(bool input);

/* A built-in chain, by the places of its entries in a table. */
struct legacy_chain {
    size_t first, policy; /* the last, which all others come to */
    size_t user;          /* from here on are chains that somebody made */
};

/* Of a table as the kernel gives it. What is no table that we know drops nothing. Pure. */
bool legacy_table_drops(const uint8_t *entries, size_t len, const struct legacy_chain *chain);

#endif
