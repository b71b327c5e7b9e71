/* Names by DNS. Of VMs: "NAME.vm" is answered at an address of the loopback, where the
 * configuration says so. For VMs: guests with a tap whose egress list has names are answered these,
 * and reach what they are told. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_NAMES_NAMES_H
#define BANGER_DAEMON_CORE_NAMES_NAMES_H

#include <stdbool.h>

struct core;
struct err;
struct host_check;
struct names;

/* "off", or an address of the loopback with a port. */
bool names_address_is_valid(const char *text);
/* Answers from here on, or as soon as the address is free: nothing of it keeps a daemon from
 * serving. With "off" there is nothing but an object. NULL: out of memory. */
struct names *names_new(struct core *core, struct err *err);
/* The daemon is about to end: what it has told others of this host is taken back. NULL is fine. */
void names_drain(struct names *names);
/* NULL is fine. */
void names_free(struct names *names);
/* Fills in what `banger doctor` says; false: names are off. */
bool names_check(const struct core *core, struct host_check *check);

#endif
