/* Ports of guests at addresses of the host, as a record keeps them: texts "ADDRESS:PORT:GUEST_PORT"
 * in a blob, one after another, each with its NUL. */
#ifndef BANGER_DAEMON_MODEL_VM_PUBLISH_H
#define BANGER_DAEMON_MODEL_VM_PUBLISH_H

#include <netinet/in.h>
#include <stdbool.h>

#include "daemon/model/model.h"

enum { VM_PUBLISH_MAX = 16, VM_PUBLISH_ADDRESS_BYTES = INET6_ADDRSTRLEN };

struct vm_publish {
    char address[VM_PUBLISH_ADDRESS_BYTES]; /* of the host, a number */
    uint32_t host_port;                     /* 0: any that is free */
    uint32_t guest_port;
};

/* Fills out and returns how many; whatever does not fit is left out. */
size_t vm_publish_read(const struct blob *blob, struct vm_publish out[VM_PUBLISH_MAX]);
/* Addresses as inet_ntop writes them, "" as loopback; what is no address stays as it is. ERR_LIMIT.
 */
int vm_publish_write(struct blob *blob, const struct vm_publish *list, size_t n, struct err *err);
/* Addresses are some, ports are in their bounds, none is there twice. ERR_INVALID (INVALID_SPEC).
 */
int vm_publish_check(const struct blob *blob, struct err *err);
/* The same address and port, where that is one. */
bool vm_publish_same(const struct vm_publish *a, const struct vm_publish *b);
/* One of them is heard where the other is: the same port, and the same address or all addresses. */
bool vm_publish_collides(const struct vm_publish *a, const struct vm_publish *b);
/* Beyond loopback, or below 1024: what others of the host or its network would take for the host's
 * own. */
bool vm_publish_is_wide(const struct vm_publish *p);
/* For bind; false: it is no address. */
bool vm_publish_sockaddr(const struct vm_publish *p, struct sockaddr_storage *to, socklen_t *len);
/* "ADDRESS:PORT", of IPv6 "[ADDRESS]:PORT". */
enum { VM_PUBLISH_TEXT_BYTES = VM_PUBLISH_ADDRESS_BYTES + 16 };
const char *vm_publish_text(const struct vm_publish *p, char text[VM_PUBLISH_TEXT_BYTES]);

#endif
