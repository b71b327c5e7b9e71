/* What a client asks for comes back in what it is shown: each field of a spec goes from the message
 * into the model and out again. */
#include "base/err.h"
#include "daemon/service/guest_session.h"
#include "daemon/service/view.h"
#include "daemon/service/vm.h"
#include "tests/support/check.h"
#include "tests/support/message.h"

static void print_missing(void *arg, const char *name)
{
    (void)arg;
    fprintf(stderr, "not asked for: %s\n", name);
    CHECK(!"every field of the sample is set");
}

static void *pack(const ProtobufCMessage *m, size_t *len)
{
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(m) + 1);
    *len = bytes ? protobuf_c_message_pack(m, bytes) : 0;
    return bytes;
}

/* One field as it is alone in its message. */
static bool same_field(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *a,
                       const ProtobufCMessage *b)
{
    ProtobufCMessageDescriptor one = *a->descriptor;
    size_t n[2];
    void *packed[2];
    one.fields = f;
    one.n_fields = 1;
    for (int i = 0; i < 2; i++) {
        ProtobufCMessage *copy = malloc(a->descriptor->sizeof_message);
        if (!copy)
            abort();
        memcpy(copy, i ? b : a, a->descriptor->sizeof_message);
        copy->descriptor = &one;
        packed[i] = pack(copy, &n[i]);
        free(copy);
    }
    bool same = n[0] == n[1] && n[0] > 0 && memcmp(packed[0], packed[1], n[0]) == 0;
    free(packed[0]);
    free(packed[1]);
    return same;
}

static void check_shown(const ProtobufCMessage *asked, const ProtobufCMessage *shown,
                        const char *const *but)
{
    message_each_missing(asked, print_missing, NULL);
    for (unsigned i = 0; i < asked->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &asked->descriptor->fields[i];
        bool expected = true;
        for (const char *const *name = but; *name; name++)
            expected &= strcmp(*name, f->name) != 0;
        if (!CHECK_INT(same_field(f, asked, shown), expected))
            fprintf(stderr, "%s.%s is %s\n", asked->descriptor->short_name, f->name,
                    expected ? "lost on its way in or out" : "no exception any more");
    }
}

static void test_of_a_vm(void)
{
    struct err err = ERR_INIT;
    struct vm vm = {.id = "0123456789abcdef"};
    struct kept_output kept = {0};
    static struct vm_view view;
    Banger__V1__VMSpec *asked =
        (Banger__V1__VMSpec *)message_new_filled(&banger__v1__vmspec__descriptor);
    CHECK_INT(vm_service_fill_spec(&vm.spec, asked, &err), -1); /* volumes are not built */
    size_t n_volumes = asked->n_volumes;
    asked->n_volumes = 0;
    if (CHECK_INT(vm_service_fill_spec(&vm.spec, asked, &err), 0)) {
        asked->n_volumes = n_volumes;
        vm_view_fill(&view, &vm, NULL, 0, &kept, "");
        /* The kernel's reference is resolved by the core. */
        static const char *const but[] = {"volumes", "kernel", NULL};
        check_shown(&asked->base, &view.spec.base, but);
    }
    vm_done(&vm);
    protobuf_c_message_free_unpacked(&asked->base, NULL);
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = strdup(text);
}

static void test_of_a_session(void)
{
    struct err err = ERR_INIT;
    struct session session;
    struct session_view view;
    Banger__V1__StartSessionRequest *asked = (Banger__V1__StartSessionRequest *)message_new_filled(
        &banger__v1__start_session_request__descriptor);
    set_text(&asked->spec->cwd, "/x");
    set_text(&asked->spec->rlimits[0]->name, "nofile");
    asked->spec->output_policy = BANGER__V1__OUTPUT_POLICY__OUTPUT_POLICY_HOLD;
    asked->spec->delete_ended_ms = 1000;
    asked->spec->limits->spool_bytes = 65536;
    if (CHECK_INT(session_service_spec(&session, asked, &err), 0)) {
        CHECK_STR(session.name, asked->name);
        CHECK_INT(session_view_fill(&view, &session, NULL, false, 0), 0);
        static const char *const but[] = {NULL};
        check_shown(&asked->spec->base, &view.spec.spec.base, but);
        session_view_done(&view);
        session_done(&session);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    protobuf_c_message_free_unpacked(&asked->base, NULL);
}

int main(void)
{
    RUN(test_of_a_vm);
    RUN(test_of_a_session);
    return check_end();
}
