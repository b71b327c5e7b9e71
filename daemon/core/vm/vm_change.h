/* What a vm.update changes of its VM, but for labels: as asked for, as JSON in the operation's
 * params, and put into a spec. */
#ifndef BANGER_DAEMON_CORE_VM_VM_CHANGE_H
#define BANGER_DAEMON_CORE_VM_VM_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/vm/vm_op_publish.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/model/model.h"

struct err;
struct operation_entry;
struct vm_update_request;

struct vm_change {
    uint64_t if_generation;
    char name[NAME_BYTES]; /* "": as it is */
    uint32_t cpus;
    uint64_t memory_bytes;
    int64_t expire_after_ms, idle_stop_after_ms; /* -1: as it is */
    enum restart_policy restart;
    int autostart;                                          /* -1: as it is */
    int64_t memory_max_bytes, cpu_quota_percent, tasks_max; /* the same */
    bool host_key_given;
    char host_key[SSH_HOST_KEY_BYTES];
    enum egress_mode egress; /* 0: as it is */
    struct vm_allow allow;
    struct vm_publish_change publish;
    bool stop_hook_given;
    struct vm_hook stop_hook; /* owned, where it was read */
};

/* Its hook is the request's, borrowed. ERR_INVALID: of the request by itself. */
int vm_change_fill(struct vm_change *c, const struct vm_update_request *req, struct err *err);
/* JSON, the caller's to free; NULL: out of memory. */
char *vm_change_write(const struct vm_change *c, struct err *err);
/* To be done with. Without memory the daemon does not go on: only half of it would be done. */
void vm_change_read(const struct operation_entry *op, struct vm_change *c);
void vm_change_done(struct vm_change *c);
void vm_change_policies(const struct vm_change *c, struct vm_spec *spec);
/* What its machine is made with, egress apart; true: something of that is another now. */
bool vm_change_machine(const struct vm_change *c, struct vm_spec *spec);
/* True: it is another now. -1: out of memory. */
int vm_change_egress(const struct vm_change *c, struct vm_spec *spec, struct err *err);

#endif
