/* What users ask of VMs, as operations. On the loop's thread.
 *
 * To ask is the one verb for operations, here and in image.h. Each function answers a repeated
 * request (meta) with the operation of the first, checks, and starts an operation: borrowed, see
 * operation.h. NULL with err where nothing was begun. meta NULL: by the daemon itself. Strings are
 * borrowed for the call; `vm` is a reference as in vm_find.
 *
 * With meta->scope (scope.h) other VMs are as if they were not there, and no change of labels may
 * lead out of it: ERR_DENIED (OUT_OF_SCOPE).
 *
 * Errors of all: ERR_NOT_FOUND (VM_NOT_FOUND), ERR_INVALID (AMBIGUOUS_REFERENCE), ERR_EXISTS
 * (REQUEST_ID_REUSED), ERR_PRECONDITION (VM_WRONG_STATE), and those of host_check_admits
 * (host_settings.h) for what starts machines. */
#ifndef BANGER_DAEMON_CORE_VM_VM_OPS_H
#define BANGER_DAEMON_CORE_VM_VM_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/operation/operation.h"
#include "daemon/model/model.h"

struct core;
struct err;

struct vm_create_request {
    const char *name;            /* NULL or "": one is made up */
    struct vm_spec spec;         /* zeros and "": defaults */
    const char *kernel;          /* reference; NULL or "": the image's */
    const struct labels *labels; /* NULL: none */
    const struct labels *scope;  /* which they must match; NULL: any */
    bool start;
};

/* The checks alone, for dry runs: fills *vm as it would become (without id) where vm is not NULL;
 * vm_done is due for it. */
int vm_create_check(struct core *core, const struct vm_create_request *req, struct vm *vm,
                    struct err *err);
struct operation_entry *vm_ask_create(struct core *core, const struct vm_create_request *req,
                                      const struct request_meta *meta, struct err *err);

struct vm_start_request {
    const char *vm;
};
struct operation_entry *vm_ask_start(struct core *core, const struct vm_start_request *req,
                                     const struct request_meta *meta, struct err *err);

struct vm_stop_request {
    const char *vm;
    int64_t grace_ms; /* until it is forced; -1: the default; 0: at once */
};
struct operation_entry *vm_ask_stop(struct core *core, const struct vm_stop_request *req,
                                    const struct request_meta *meta, struct err *err);
struct operation_entry *vm_ask_restart(struct core *core, const struct vm_stop_request *req,
                                       const struct request_meta *meta, struct err *err);

struct operation_entry *vm_ask_kill(struct core *core, const char *vm,
                                    const struct request_meta *meta, struct err *err);
struct operation_entry *vm_ask_pause(struct core *core, const char *vm,
                                     const struct request_meta *meta, struct err *err);
struct operation_entry *vm_ask_resume(struct core *core, const char *vm,
                                      const struct request_meta *meta, struct err *err);
struct operation_entry *vm_ask_recover(struct core *core, const char *vm,
                                       const struct request_meta *meta, struct err *err);

struct vm_delete_request {
    const char *vm;
    bool force; /* kill, and end what else is under way, rather than stop */
};
struct operation_entry *vm_ask_delete(struct core *core, const struct vm_delete_request *req,
                                      const struct request_meta *meta, struct err *err);

struct vm_update_request {
    const char *vm;
    uint64_t if_generation;          /* 0: any; else ERR_ABORTED (GENERATION_MISMATCH) */
    const char *name;                /* NULL: as it is */
    uint32_t cpus;                   /* 0: as it is */
    uint64_t memory_bytes;           /* 0: as it is */
    const struct labels *set_labels; /* NULL: none */
    const char *const *remove_labels;
    size_t n_remove_labels;
    /* NULL: as they are. expire_after_ms counts from the moment of the change on. */
    const uint64_t *expire_after_ms, *idle_stop_after_ms;
    enum restart_policy restart; /* 0: as it is */
    const bool *autostart;
    const uint64_t *memory_max_bytes; /* of its limits */
    const uint32_t *cpu_quota_percent, *tasks_max;
    const char *ssh_host_key;        /* NULL: as it is; "": whatever its guest shows next */
    const struct vm_hook *stop_hook; /* NULL: as it is; without argv: none */
    const struct blob *publish;      /* vm_publish.h; NULL: as they are */
    const struct vm_egress *egress;  /* NULL: the same */
};
/* Takes effect when its turn comes, and is checked (again) then; cpus and memory of a running VM
 * with its next start. */
struct operation_entry *vm_ask_update(struct core *core, const struct vm_update_request *req,
                                      const struct request_meta *meta, struct err *err);
/* Once, when the operations are loaded: what those that wait were asked for. */
int vm_updates_load(struct core *core, struct err *err);

struct vm_prune_request {
    const struct labels *selector; /* NULL: all */
    const struct labels *scope;    /* which they must match as well; NULL: any */
    bool dry_run;
};
/* Deletes stopped and failed VMs, one after another; the operation's message says how many. */
struct operation_entry *vm_ask_prune(struct core *core, const struct vm_prune_request *req,
                                     const struct request_meta *meta, struct err *err);
/* The next it would delete; after NULL: the first. */
struct vm_entry;
struct vm_entry *vm_prune_next(struct core *core, const struct labels *selector,
                               const struct vm_entry *after);

/* All kinds there are, for operation_engine_new. NULL-terminated. */
extern const struct operation_kind *const core_operation_kinds[];

#endif
