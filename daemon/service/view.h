/* The model as messages: a view is the message with everything it points at, in one struct on the
 * stack or in an array; strings are borrowed from the model, so a view lives no longer than that.
 */
#ifndef BANGER_DAEMON_SERVICE_VIEW_H
#define BANGER_DAEMON_SERVICE_VIEW_H

#include "banger/v1/host.pb-c.h"
#include "banger/v1/image.pb-c.h"
#include "banger/v1/operation.pb-c.h"
#include "banger/v1/guest_service.pb-c.h"
#include "banger/v1/session_types.pb-c.h"
#include "banger/v1/vm.pb-c.h"
#include "daemon/core/vm/vm.h"
#include "daemon/model/egress.h"
#include "daemon/model/model.h"
#include "daemon/model/vm_publish.h"

/* NULL for 0 (it has not happened), else the filled stamp. */
Google__Protobuf__Timestamp *view_time(Google__Protobuf__Timestamp *stamp, int64_t unix_ns);

struct store_health;

/* Borrows from the health. */
struct store_view {
    Banger__V1__StoreStatus status;
    Google__Protobuf__Timestamp since;
};

Banger__V1__StoreStatus *view_store(struct store_view *view, const struct store_health *health);

struct labels_view {
    Banger__V1__Label labels[LABELS_MAX];
    Banger__V1__Label *pointers[LABELS_MAX];
};

/* Returns n, which is LABELS_MAX at most. */
size_t labels_view_fill(struct labels_view *view, const struct label *labels, uint32_t n);

struct publish_view {
    struct vm_publish at[VM_PUBLISH_MAX];
    Banger__V1__Publish messages[VM_PUBLISH_MAX];
    Banger__V1__Publish *pointers[VM_PUBLISH_MAX];
};

struct vm_view {
    Banger__V1__VM vm; /* the message */
    Banger__V1__VMSpec spec;
    Banger__V1__VMLimits limits;
    Banger__V1__VMHook stop_hook;
    char *stop_hook_argv[VM_HOOK_ARGS_MAX];
    Banger__V1__Egress egress;
    char *egress_allow[EGRESS_ENTRIES_MAX];
    Banger__V1__VMRuntime runtime;
    Banger__V1__KeptOutput kept;
    Banger__V1__GuestSSH ssh;
    Google__Protobuf__Timestamp created, updated, started, stopped, expires;
    Google__Protobuf__Timestamp condition_changed[VM_CONDITIONS_MAX];
    struct vm_condition condition_models[VM_CONDITIONS_MAX]; /* for a caller who has nowhere else */
    Banger__V1__Condition conditions[VM_CONDITIONS_MAX];
    Banger__V1__Condition *condition_pointers[VM_CONDITIONS_MAX];
    struct labels_view labels;
    struct publish_view publish, published;
};

void vm_view_fill(struct vm_view *view, const struct vm *vm, const struct vm_condition *conditions,
                  size_t n_conditions, const struct kept_output *kept,
                  const char *offered_ssh_host_key);

enum { SESSION_STRINGS_MAX = 1024 };

/* Larger than fits the stack nicely: its string tables are allocated. */
struct session_spec_view {
    Banger__V1__SessionSpec spec;
    Banger__V1__SessionLimits limits;
    char **strings;          /* argv, tags, required_commands */
    Banger__V1__EnvVar *env; /* names are copies, values point into the blob */
    Banger__V1__EnvVar **env_pointers;
    char *env_names;
    Banger__V1__ResourceLimit *rlimits;
    Banger__V1__ResourceLimit **rlimit_pointers;
};

/* -1: out of memory, and there is nothing to be freed. */
int session_spec_view_fill(struct session_spec_view *view, const struct session_spec *spec);
void session_spec_view_done(struct session_spec_view *view);

struct session_view {
    Banger__V1__GuestSession session;
    struct session_spec_view spec;
    Banger__V1__SessionExit exit;
    Google__Protobuf__Timestamp created, started, ended, updated;
};

/* vm_name may be NULL. -1: out of memory. */
int session_view_fill(struct session_view *view, const struct session *session, const char *vm_name,
                      bool writer_attached, uint32_t viewers);
void session_view_done(struct session_view *view);

struct guest_service_view {
    Banger__V1__GuestService service;
    Banger__V1__GuestServiceSpec spec;
    Banger__V1__ServiceReadiness readiness;
    struct session_spec_view command;
    Google__Protobuf__Timestamp created, updated;
    char **strings; /* after, argv of its readiness check */
};

/* What is true of a service now, and is in no row. */
struct guest_service_now {
    int state;       /* enum guest_service_state */
    const char *run; /* id of its latest session */
    bool ready;
    const char *last_check;
};

/* vm_name may be NULL. -1: out of memory. */
int guest_service_view_fill(struct guest_service_view *view, const struct guest_service *s,
                            const char *vm_name, const struct guest_service_now *now);
void guest_service_view_done(struct guest_service_view *view);

struct operation_view {
    Banger__V1__Operation operation;
    Banger__V1__OperationError error;
    Banger__V1__ErrorInfo info;
    Google__Protobuf__Timestamp created, updated, ended;
};

void operation_view_fill(struct operation_view *view, const struct operation *op);

struct image_view {
    Banger__V1__Image image;
    Google__Protobuf__Timestamp created;
};

void image_view_fill(struct image_view *view, const struct image *image, uint32_t n_vms);

struct kernel_view {
    Banger__V1__Kernel kernel;
    Google__Protobuf__Timestamp created;
};

void kernel_view_fill(struct kernel_view *view, const struct kernel *kernel);

#endif
