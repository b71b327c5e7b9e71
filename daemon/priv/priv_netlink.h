/* A question to the kernel by netlink, and its answer. One socket a call; each answer is waited
 * for, so long. */
#ifndef BANGER_DAEMON_PRIV_PRIV_NETLINK_H
#define BANGER_DAEMON_PRIV_PRIV_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/* Requests are smaller than this; answers are read in pieces of it. */
enum { NETLINK_MESSAGE_BYTES = 32 * 1024, NETLINK_ANSWER_MS = 5000 };

/* The beginning of a request, in a buffer of NETLINK_MESSAGE_BYTES. */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags);
/* bus: NETLINK_ROUTE, NETLINK_NETFILTER. on_message (or NULL) gets each message of the answer. -1
 * with errno, as the kernel has it. */
int netlink_ask(int bus, const struct nlmsghdr *h, mnl_cb_t on_message, void *arg);
/* The same for a list. It may change while it is told, which the kernel says at its end: then it is
 * asked for again, so often at most, after begin has forgotten what was told. EAGAIN: it does not
 * stop changing. */
int netlink_list(int bus, const struct nlmsghdr *h, void (*begin)(void *arg), mnl_cb_t on_message,
                 void *arg);
/* A text that is one; else out stays as it was. */
void netlink_copy_text(char *out, size_t size, const struct nlattr *attr);

#endif
