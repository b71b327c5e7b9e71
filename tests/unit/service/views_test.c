/* What is shown of the model: no field of a message is forgotten where the model has it, and every
 * field of the model shows in a message, but those that are named here. */
#include "base/err.h"
#include "daemon/service/view.h"
#include "tests/support/check.h"
#include "tests/support/message.h"
#include "tests/support/sample.h"

enum { PACKED_BYTES = 65536, STATES_MAX = 3 };

struct packed {
    size_t len;
    uint8_t bytes[PACKED_BYTES];
};

/* How one kind of row is shown. */
struct shown {
    const struct table *table;
    size_t size; /* of the row */
    void (*view)(const void *row, struct packed *out);
    /* Puts the sample into the n-th of the states in which it is shown; NULL: there is one. */
    void (*state)(void *row, int n);
    int n_states;
    const char *const *hidden; /* columns that no client sees; NULL-terminated */
    const char *const *later;  /* fields that nothing fills */
};

static const struct shown *now;
static bool found[STATES_MAX + 1][64]; /* fields that are missing, by state and place in lacks */
static char lacks[64][160];
static size_t n_lacks;
static int at_state;

static void note_missing(void *arg, const char *name)
{
    (void)arg;
    size_t i = 0;
    while (i < n_lacks && strcmp(lacks[i], name) != 0)
        i++;
    if (i == n_lacks && n_lacks < 63)
        snprintf(lacks[n_lacks++], sizeof(lacks[0]), "%s", name);
    found[at_state][i] = true;
}

static void pack(const ProtobufCMessage *m, struct packed *out)
{
    if (!CHECK(protobuf_c_message_get_packed_size(m) <= sizeof(out->bytes)))
        exit(EXIT_FAILURE);
    out->len = protobuf_c_message_pack(m, out->bytes);
    if (at_state < STATES_MAX)
        message_each_missing(m, note_missing, NULL);
}

static bool is_in(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void fill(void *row, int state)
{
    memset(row, 0, now->size);
    sample_fill(now->table, row);
    if (now->state)
        now->state(row, state);
}

/* A field has to be set in one of the states. */
static void check_fields(void *row)
{
    static struct packed packed;
    memset(found, 0, sizeof(found));
    n_lacks = 0;
    for (at_state = 0; at_state < now->n_states; at_state++) {
        fill(row, at_state);
        now->view(row, &packed);
        sample_done(now->table, row);
    }
    at_state = STATES_MAX;
    for (size_t i = 0; i < n_lacks; i++) {
        bool always = true;
        for (int n = 0; n < now->n_states; n++)
            always &= found[n][i];
        if (always && !CHECK(is_in(now->later, lacks[i])))
            fprintf(stderr, "%s is filled by nobody\n", lacks[i]);
    }
}

static bool shows(const struct column *c, void *row)
{
    static struct packed before, after;
    bool differs = false;
    for (int n = 0; n < now->n_states && !differs; n++) {
        fill(row, n);
        now->view(row, &before);
        sample_change(c, row);
        now->view(row, &after);
        differs = before.len != after.len || memcmp(before.bytes, after.bytes, before.len) != 0;
        sample_done(now->table, row);
    }
    return differs;
}

static void check_shown(const struct shown *what)
{
    now = what;
    void *row = malloc(what->size);
    if (!row)
        abort();
    check_fields(row);
    for (size_t i = 0; i < what->table->n_columns; i++) {
        const struct column *c = &what->table->columns[i];
        bool hidden = is_in(what->hidden, c->name);
        if (!CHECK_INT(shows(c, row), !hidden))
            fprintf(stderr, "%s.%s %s\n", what->table->name, c->name,
                    hidden ? "is shown: it is not hidden any more"
                           : "is not shown, and not named as hidden");
    }
    free(row);
}

static const char *const none[] = {NULL};

static void view_vm(const void *row, struct packed *out)
{
    static struct vm_view view;
    static const struct vm_condition condition = {
        .type = "READY", .status = 1, .reason = "R", .message = "m", .changed_ns = 1000000001};
    static const struct kept_output kept = {true, 1, 2, 3};
    vm_view_fill(&view, row, &condition, 1, &kept, "ssh-x SHA256:y");
    pack(&view.vm.base, out);
}

static void stamp(int64_t *at)
{
    *at = 1000000000 * INT64_C(1000) + *at;
}

static void state_vm(void *row, int n)
{
    struct vm *vm = row;
    vm->spec.run_init = n == 1; /* shown as no_init */
    if (n == 0 && (blob_set(&vm->spec.publish, "a:1:2", sizeof("a:1:2")) < 0 ||
                   blob_set(&vm->runtime.published, "a:1:2", sizeof("a:1:2")) < 0))
        abort();
    stamp(&vm->created_ns);
    stamp(&vm->updated_ns);
    stamp(&vm->started_ns);
    stamp(&vm->stopped_ns);
    stamp(&vm->expires_ns);
}

static void test_vms(void)
{
    static const char *const hidden[] = {"restart_streak", "wanted", "lease_holder", NULL};
    static const char *const later[] = {"VMSpec.volumes", NULL};
    check_shown(&(struct shown){&vm_table, sizeof(struct vm), view_vm, state_vm, 2, hidden, later});
}

static void view_session(const void *row, struct packed *out)
{
    struct session_view view;
    if (!CHECK_INT(session_view_fill(&view, row, "box", true, 1), 0))
        return;
    pack(&view.session.base, out);
    session_view_done(&view);
}

static void state_session(void *row, int n)
{
    struct session *s = row;
    s->state = n == 2 ? SESSION_LOST : SESSION_EXITED;
    s->exit_kind = n == 1 ? SESSION_EXIT_SIGNAL : SESSION_EXIT_CODE;
    s->spec.umask = 19;
    s->spec.output_policy = n == 0 ? OUTPUT_HOLD_DROP_TAKEN : OUTPUT_BLOCK;
    if (blob_set(&s->spec.rlimits, "core=1:2", sizeof("core=1:2")) < 0)
        abort();
    stamp(&s->created_ns);
    stamp(&s->started_ns);
    stamp(&s->ended_ns);
    stamp(&s->updated_ns);
}

static void test_sessions(void)
{
    static const char *const hidden[] = {"stdout_ended", "stderr_ended", "watched", "forget", NULL};
    /* What the agent says lives on is the entry's, not the row's (guest_session.c). */
    static const char *const later[] = {"GuestSession.left_processes", "GuestSession.late_bytes",
                                        NULL};
    check_shown(&(struct shown){&session_table, sizeof(struct session), view_session, state_session,
                                3, hidden, later});
}

static void view_service(const void *row, struct packed *out)
{
    struct guest_service_view view;
    static const struct guest_service_now now_is = {4, "0123456789abcdef", true, "no"};
    if (!CHECK_INT(guest_service_view_fill(&view, row, "box", &now_is), 0))
        return;
    pack(&view.service.base, out);
    guest_service_view_done(&view);
}

static void state_service(void *row, int n)
{
    struct guest_service *s = row;
    s->spec.umask = 19;
    s->spec.output_policy = n == 0 ? OUTPUT_HOLD_DROP_TAKEN : OUTPUT_BLOCK;
    if (blob_set(&s->spec.rlimits, "core=1:2", sizeof("core=1:2")) < 0)
        abort();
    stamp(&s->created_ns);
    stamp(&s->updated_ns);
}

static void test_services(void)
{
    static const char *const hidden[] = {"judged", "settled_boot", "failed", NULL};
    check_shown(&(struct shown){&guest_service_table, sizeof(struct guest_service), view_service,
                                state_service, 2, hidden, none});
}

static void view_operation(const void *row, struct packed *out)
{
    struct operation_view view;
    operation_view_fill(&view, row);
    pack(&view.operation.base, out);
}

static void state_operation(void *row, int n)
{
    struct operation *op = row;
    op->state = n == 0 ? OP_SUCCEEDED : OP_FAILED;
    op->error_code = ERR_UNAVAILABLE; /* retryable */
    stamp(&op->created_ns);
    stamp(&op->updated_ns);
    stamp(&op->ended_ns);
}

static void test_operations(void)
{
    static const char *const hidden[] = {"request_digest", "step", "params", NULL};
    check_shown(&(struct shown){&operation_table, sizeof(struct operation), view_operation,
                                state_operation, 2, hidden, none});
}

static void view_image(const void *row, struct packed *out)
{
    struct image_view view;
    image_view_fill(&view, row, 1);
    pack(&view.image.base, out);
}

static void state_image(void *row, int n)
{
    (void)n;
    stamp(&((struct image *)row)->created_ns);
}

static void test_images(void)
{
    check_shown(&(struct shown){&image_table, sizeof(struct image), view_image, state_image, 1,
                                none, none});
}

static void view_kernel(const void *row, struct packed *out)
{
    struct kernel_view view;
    kernel_view_fill(&view, row);
    pack(&view.kernel.base, out);
}

static void state_kernel(void *row, int n)
{
    (void)n;
    stamp(&((struct kernel *)row)->created_ns);
}

static void test_kernels(void)
{
    static const char *const hidden[] = {"vmlinux_path", "initramfs_path", NULL};
    check_shown(&(struct shown){&kernel_table, sizeof(struct kernel), view_kernel, state_kernel, 1,
                                hidden, none});
}

int main(void)
{
    RUN(test_vms);
    RUN(test_sessions);
    RUN(test_services);
    RUN(test_operations);
    RUN(test_images);
    RUN(test_kernels);
    return check_end();
}
