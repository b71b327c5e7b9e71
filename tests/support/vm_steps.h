/* What tests do with VMs and sessions, each as one call over libbanger, to its end. */
#ifndef BANGER_TESTS_VM_STEPS_H
#define BANGER_TESTS_VM_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger/attach.h"
#include "banger/client.h"
#include "banger/methods.h"
#include "tests/support/harness.h"

#define VM_STATE(name)      BANGER__V1__VMSTATE__VM_STATE_##name
#define SESSION_STATE(name) BANGER__V1__SESSION_STATE__SESSION_STATE_##name
#define OP_STATE(name)      BANGER__V1__OPERATION_STATE__OPERATION_STATE_##name

enum { STEPS_ID_BYTES = 24, STEPS_ARGS_MAX = 16, STEPS_GONE = -1 };

struct steps_create {
    const char *name;       /* NULL: made up */
    const char *request_id; /* NULL: none */
    bool stopped, ephemeral;
    uint64_t work_disk_bytes;
    uint64_t memory_bytes; /* 0: the default */
    const char *stop_hook; /* for a shell; NULL: none */
};

/* Creates a VM and waits for the operation's end. how may be NULL. 0 with its id, or -1. */
int steps_create_vm(struct banger_client *client, const struct harness *h,
                    const struct steps_create *how, char id[STEPS_ID_BYTES],
                    struct banger_error *error);
/* The request alone: the operation as it began. */
Banger__V1__Operation *steps_begin_create(struct banger_client *client, const struct harness *h,
                                          const struct steps_create *how,
                                          struct banger_error *error);

enum steps_verb {
    STEPS_START,
    STEPS_STOP,
    STEPS_RESTART,
    STEPS_KILL,
    STEPS_DELETE,
    STEPS_PAUSE,
    STEPS_RESUME,
    STEPS_RECOVER,
};

/* request_id may be NULL. */
Banger__V1__Operation *steps_begin(struct banger_client *client, enum steps_verb verb,
                                   const char *vm, const char *request_id,
                                   struct banger_error *error);
/* To the operation's end: 0, or -1 with what it failed of. */
int steps_do(struct banger_client *client, enum steps_verb verb, const char *vm,
             struct banger_error *error);
/* Follows begun (taken, may be NULL with error set) to its end. */
int steps_finish(struct banger_client *client, Banger__V1__Operation *begun,
                 struct banger_error *error);

/* Its state, STEPS_GONE where there is none. Fatal when the daemon does not say. */
int steps_vm_state(const struct harness *h, struct banger_client *client, const char *vm);
/* Waits until it has this state (or is gone, STEPS_GONE). */
bool steps_await_vm(const struct harness *h, struct banger_client *client, const char *vm,
                    int state, int64_t timeout_ms);
/* pid of its VMM, 0 without. */
int steps_vm_pid(struct banger_client *client, const char *vm);
size_t steps_count_vms(const struct harness *h, struct banger_client *client);

/* Starts a session; argv ends with NULL. Its environment names the harness's folder, so that its
 * processes can be told from others. 0 with the id, or -1: also when it FAILED to start. */
int steps_start_session(struct banger_client *client, const struct harness *h, const char *vm,
                        const char *const *argv, bool with_stdin, char id[STEPS_ID_BYTES],
                        struct banger_error *error);
/* The same with more told in spec, whose argv, env and stdin are set here. */
int steps_start_spec(struct banger_client *client, const struct harness *h, const char *vm,
                     Banger__V1__SessionSpec *spec, const char *const *argv, bool with_stdin,
                     char id[STEPS_ID_BYTES], struct banger_error *error);
int steps_session_state(const struct harness *h, struct banger_client *client, const char *session);
bool steps_await_session(const struct harness *h, struct banger_client *client, const char *session,
                         int state, int64_t timeout_ms);
/* Runs a command to its end: its status as a shell has it, 125 for anything odd (told on stderr).
 * out gets up to size - 1 bytes of stdout and a NUL; may be NULL. */
int steps_run(struct banger_client *client, const struct harness *h, const char *vm,
              const char *const *argv, const void *in, size_t in_len, char *out, size_t size);
/* Puts the generator (emit.c) into a VM; its path there. Fatal where it fails. */
const char *steps_put_emit(struct banger_client *client, const struct harness *h, const char *vm);

#endif
