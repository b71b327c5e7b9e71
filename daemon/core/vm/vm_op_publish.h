/* What of vm.update is about published ports. */
#ifndef BANGER_DAEMON_CORE_VM_VM_OP_PUBLISH_H
#define BANGER_DAEMON_CORE_VM_VM_OP_PUBLISH_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/model/vm_publish.h"

struct err;
struct vm_entry;

struct vm_publish_change {
    bool given;
    struct vm_publish list[VM_PUBLISH_MAX];
    size_t n;
};

/* For an operation's params, and back; NULL: not given. */
json_t *vm_publish_change_pack(const struct vm_publish_change *c);
void vm_publish_change_read(struct vm_publish_change *c, const json_t *list);
/* Whether it may be, and, where its VM runs, is to be had. */
int vm_publish_change_check(const struct vm_publish_change *c, struct vm_entry *e, struct err *err);
/* Into the record, between vm_edit and vm_save. -1: out of memory. */
int vm_publish_change_apply(const struct vm_publish_change *c, struct vm_entry *e);

#endif
