/* VMs and sessions for tests; see vm_steps.h. */
#include "tests/support/vm_steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { SESSION_MS = 120000, EMIT_MAX_BYTES = 4 * 1024 * 1024 };

/* VMs */

int steps_finish(struct banger_client *client, Banger__V1__Operation *begun,
                 struct banger_error *error)
{
    if (!begun)
        return -1;
    Banger__V1__Operation *ended =
        banger_operation_follow(client, begun->id, HARNESS_OP_MS, NULL, NULL, error);
    int rc = ended ? banger_operation_error(ended, error) : -1;
    banger_message_free(&begun->base);
    banger_message_free(ended ? &ended->base : NULL);
    return rc;
}

Banger__V1__Operation *steps_begin_create(struct banger_client *client, const struct harness *h,
                                          const struct steps_create *how,
                                          struct banger_error *error)
{
    static const struct steps_create plain;
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    if (!how)
        how = &plain;
    spec.driver = TEXT(h->driver);
    spec.ephemeral = how->ephemeral;
    spec.network = h->tap ? BANGER__V1__NETWORK_MODE__NETWORK_MODE_TAP : 0;
    spec.work_disk_bytes = how->work_disk_bytes;
    spec.memory_bytes = how->memory_bytes;
    char *argv[] = {TEXT("sh"), TEXT("-c"), TEXT(how->stop_hook)};
    Banger__V1__VMHook hook = BANGER__V1__VMHOOK__INIT;
    hook.argv = argv;
    hook.n_argv = 3;
    if (how->stop_hook)
        spec.stop_hook = &hook;
    request.spec = &spec;
    if (how->name)
        request.name = TEXT(how->name);
    if (how->request_id)
        request.request_id = TEXT(how->request_id);
    if (how->stopped) {
        request._start_case = BANGER__V1__CREATE_VMREQUEST___START_START;
        request.start = false;
    }
    return banger_create_vm(client, &request, NULL, error);
}

int steps_create_vm(struct banger_client *client, const struct harness *h,
                    const struct steps_create *how, char id[STEPS_ID_BYTES],
                    struct banger_error *error)
{
    Banger__V1__Operation *begun = steps_begin_create(client, h, how, error);
    if (begun && strncmp(begun->resource, "vm/", 3) == 0)
        snprintf(id, STEPS_ID_BYTES, "%s", begun->resource + 3);
    return steps_finish(client, begun, error);
}

/* The requests have the same first fields, but are types of their own. */
#define BEGIN(TYPE, INIT, call)                                                                    \
    do {                                                                                           \
        TYPE request = INIT;                                                                       \
        request.vm = TEXT(vm);                                                                     \
        if (request_id)                                                                            \
            request.request_id = TEXT(request_id);                                                 \
        return call(client, &request, NULL, error);                                                \
    } while (0)

Banger__V1__Operation *steps_begin(struct banger_client *client, enum steps_verb verb,
                                   const char *vm, const char *request_id,
                                   struct banger_error *error)
{
    switch (verb) {
    case STEPS_START:
        BEGIN(Banger__V1__StartVMRequest, BANGER__V1__START_VMREQUEST__INIT, banger_start_vm);
    case STEPS_STOP:
        BEGIN(Banger__V1__StopVMRequest, BANGER__V1__STOP_VMREQUEST__INIT, banger_stop_vm);
    case STEPS_RESTART:
        BEGIN(Banger__V1__RestartVMRequest, BANGER__V1__RESTART_VMREQUEST__INIT, banger_restart_vm);
    case STEPS_KILL:
        BEGIN(Banger__V1__KillVMRequest, BANGER__V1__KILL_VMREQUEST__INIT, banger_kill_vm);
    case STEPS_DELETE:
        BEGIN(Banger__V1__DeleteVMRequest, BANGER__V1__DELETE_VMREQUEST__INIT, banger_delete_vm);
    case STEPS_PAUSE:
        BEGIN(Banger__V1__PauseVMRequest, BANGER__V1__PAUSE_VMREQUEST__INIT, banger_pause_vm);
    case STEPS_RESUME:
        BEGIN(Banger__V1__ResumeVMRequest, BANGER__V1__RESUME_VMREQUEST__INIT, banger_resume_vm);
    case STEPS_RECOVER:
        BEGIN(Banger__V1__RecoverVMRequest, BANGER__V1__RECOVER_VMREQUEST__INIT, banger_recover_vm);
    }
    return NULL;
}

int steps_do(struct banger_client *client, enum steps_verb verb, const char *vm,
             struct banger_error *error)
{
    return steps_finish(client, steps_begin(client, verb, vm, NULL, error), error);
}

static Banger__V1__VM *get_vm(struct banger_client *client, const char *vm,
                              struct banger_error *error)
{
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = TEXT(vm);
    return banger_get_vm(client, &request, NULL, error);
}

int steps_vm_state(const struct harness *h, struct banger_client *client, const char *vm)
{
    struct banger_error error;
    Banger__V1__VM *got = get_vm(client, vm, &error);
    if (!got && error.code != BANGER_NOT_FOUND)
        harness_die(h, "GetVM %s: %s", vm, error.message);
    int state = got ? (int)got->runtime->state : STEPS_GONE;
    banger_message_free(got ? &got->base : NULL);
    return state;
}

struct awaited {
    const struct harness *h;
    struct banger_client *client;
    const char *ref;
    int state, last;
};

static bool vm_is(void *arg)
{
    struct awaited *a = arg;
    a->last = steps_vm_state(a->h, a->client, a->ref);
    return a->last == a->state;
}

bool steps_await_vm(const struct harness *h, struct banger_client *client, const char *vm,
                    int state, int64_t timeout_ms)
{
    struct awaited a = {.h = h, .client = client, .ref = vm, .state = state};
    if (harness_until(vm_is, &a, timeout_ms))
        return true;
    fprintf(stderr, "VM %s stays in state %d, want %d\n", vm, a.last, state);
    return false;
}

int steps_vm_pid(struct banger_client *client, const char *vm)
{
    Banger__V1__GetVMHandlesRequest request = BANGER__V1__GET_VMHANDLES_REQUEST__INIT;
    request.vm = TEXT(vm);
    Banger__V1__VMHandles *handles = banger_get_vm_handles(client, &request, NULL, NULL);
    int pid = handles ? handles->pid : 0;
    banger_message_free(handles ? &handles->base : NULL);
    return pid;
}

size_t steps_count_vms(const struct harness *h, struct banger_client *client)
{
    struct banger_error error;
    Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
    request.page_size = 1000;
    Banger__V1__ListVMsResponse *all = banger_list_vms(client, &request, NULL, &error);
    if (!all)
        harness_die(h, "ListVMs: %s", error.message);
    size_t n = all->n_vms;
    banger_message_free(&all->base);
    return n;
}

/* Sessions */

int steps_start_spec(struct banger_client *client, const struct harness *h, const char *vm,
                     Banger__V1__SessionSpec *spec, const char *const *argv, bool with_stdin,
                     char id[STEPS_ID_BYTES], struct banger_error *error)
{
    Banger__V1__EnvVar mark = BANGER__V1__ENV_VAR__INIT;
    Banger__V1__EnvVar *env[] = {&mark};
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    mark.name = TEXT("TEST_FOLDER");
    mark.value = TEXT(h->dir);
    while (argv[spec->n_argv])
        spec->n_argv++;
    spec->argv = (char **)(uintptr_t)argv;
    spec->n_env = 1;
    spec->env = env;
    spec->stdin_mode = with_stdin ? BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE
                                  : BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    request.vm = TEXT(vm);
    request.spec = spec;
    Banger__V1__GuestSession *session = banger_start_session(client, &request, NULL, error);
    if (!session)
        return -1;
    snprintf(id, STEPS_ID_BYTES, "%s", session->id);
    int rc = session->state == SESSION_STATE(FAILED) ? -1 : 0;
    if (rc < 0) {
        memset(error, 0, sizeof(*error));
        error->code = BANGER_FAILED_PRECONDITION;
        snprintf(error->stage, sizeof(error->stage), "%s", session->failed_stage);
        snprintf(error->message, sizeof(error->message), "%s", session->last_error);
    }
    banger_message_free(&session->base);
    return rc;
}

int steps_start_session(struct banger_client *client, const struct harness *h, const char *vm,
                        const char *const *argv, bool with_stdin, char id[STEPS_ID_BYTES],
                        struct banger_error *error)
{
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    return steps_start_spec(client, h, vm, &spec, argv, with_stdin, id, error);
}

int steps_session_state(const struct harness *h, struct banger_client *client, const char *session)
{
    struct banger_error error;
    Banger__V1__GetSessionRequest request = BANGER__V1__GET_SESSION_REQUEST__INIT;
    request.session = TEXT(session);
    Banger__V1__GuestSession *got = banger_get_session(client, &request, NULL, &error);
    if (!got && error.code != BANGER_NOT_FOUND)
        harness_die(h, "GetSession %s: %s", session, error.message);
    int state = got ? (int)got->state : STEPS_GONE;
    banger_message_free(got ? &got->base : NULL);
    return state;
}

static bool session_is(void *arg)
{
    struct awaited *a = arg;
    a->last = steps_session_state(a->h, a->client, a->ref);
    return a->last == a->state;
}

bool steps_await_session(const struct harness *h, struct banger_client *client, const char *session,
                         int state, int64_t timeout_ms)
{
    struct awaited a = {.h = h, .client = client, .ref = session, .state = state};
    if (harness_until(session_is, &a, timeout_ms))
        return true;
    fprintf(stderr, "session %s stays in state %d, want %d\n", session, a.last, state);
    return false;
}

int steps_run(struct banger_client *client, const struct harness *h, const char *vm,
              const char *const *argv, const void *in, size_t in_len, char *out, size_t size)
{
    struct told_attach options = {0};
    struct banger_error error;
    struct attach_reader r;
    char session[STEPS_ID_BYTES];
    if (out)
        out[0] = '\0';
    if (steps_start_session(client, h, vm, argv, in != NULL, session, &error) < 0) {
        fprintf(stderr, "cannot run %s: %s %s\n", argv[0], error.stage, error.message);
        return 125;
    }
    if (in)
        options.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER;
    reader_open(&r, client, session, &options);
    r.keep = out != NULL;
    bool well =
        (!in || reader_write(&r, in, in_len, true, SESSION_MS)) && reader_finish(&r, SESSION_MS);
    if (out)
        snprintf(out, size, "%.*s", (int)buf_len(&r.out[1]),
                 buf_len(&r.out[1]) ? (const char *)buf_data(&r.out[1]) : "");
    int status = well && !r.lost ? r.status : 125;
    reader_close(&r);
    return status;
}

const char *steps_put_emit(struct banger_client *client, const struct harness *h, const char *vm)
{
    static const char *const take[] = {"sh", "-c", "cat >/tmp/emit && chmod 755 /tmp/emit", NULL};
    if (!h->boots)
        return harness_emit_path();
    auto_fd int fd = open(harness_emit_path(), O_RDONLY | O_CLOEXEC);
    struct stat st;
    auto_free char *program = malloc(EMIT_MAX_BYTES);
    if (fd < 0 || !program || fstat(fd, &st) < 0 || st.st_size > EMIT_MAX_BYTES ||
        read(fd, program, (size_t)st.st_size) != st.st_size)
        harness_die(h, "cannot read %s", harness_emit_path());
    if (steps_run(client, h, vm, take, program, (size_t)st.st_size, NULL, 0) != 0)
        harness_die(h, "cannot put %s into VM %s", harness_emit_path(), vm);
    return "/tmp/emit";
}
