/* iptables-legacy: rules that nf_tables does not list, as old Dockers make them. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LEGACY_H
#define BANGER_DAEMON_PRIV_PRIV_LEGACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does its table filter drop what is forwarded and nobody has let through, guests with taps not
 * excepted? Makes no table where there is none. */
bool legacy_drops_forward(void);

/* Of a table as the kernel gives it: entries, with the first of FORWARD and the one that is its
 * policy by their places. Pure. */
bool legacy_table_drops(const uint8_t *entries, size_t len, size_t first, size_t policy);

#endif
