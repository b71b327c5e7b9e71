/* iptables-legacy: rules that nf_tables does not list, as old Dockers make them. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LEGACY_H
#define BANGER_DAEMON_PRIV_PRIV_LEGACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does its table filter drop what is forwarded (input: what comes in) and nobody has let through,
 * guests with taps not excepted? Makes no table where there is none. */
bool legacy_drops(bool input);

/* Of a table as the kernel gives it, with a chain's first entry and its policy by their places.
 * What cannot be said of its rules its policy says. Pure. */
bool legacy_table_drops(const uint8_t *entries, size_t len, size_t first, size_t policy);

#endif
