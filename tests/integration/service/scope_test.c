/* What an identity over mutual TLS whose role is bound to env=ci can find out about the rest:
 * nothing. Every method with a reference, driven by the descriptors, answers for what is hidden
 * exactly as for what is not there; what lists, watches and refusals say names none of it.
 *
 * Hidden are the VM "box", its session "secret" and its operation; "ours" is in scope. */
#include <stdlib.h>
#include <string.h>

#include "banger/json.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct served served;
static struct banger_client *local, *bound;
static struct banger_error error;
static char box[32], secret[32], its_operation[32];
static char ours[32], our_session[32], our_operation[32];
static const char *const hidden[] = {box, secret, its_operation, "\"box\"", "secret"};

/* The world ------------------------------------------------------------------------------------ */

static void follow(Banger__V1__Operation *op, char id[32])
{
    if (!CHECK(op != NULL)) {
        fprintf(stderr, "  (%s)\n", error.message);
        exit(EXIT_FAILURE);
    }
    snprintf(id, 32, "%s", op->id);
    banger_message_free(&op->base);
    op = banger_operation_follow(local, id, SERVED_WAIT_MS, NULL, NULL, &error);
    CHECK(op && banger_operation_error(op, &error) == 0);
    banger_message_free(op ? &op->base : NULL);
}

static void create_vm(struct banger_client *client, const char *name, char id[32],
                      char operation[32])
{
    Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    label.key = TEXT("env");
    label.value = TEXT("ci");
    create.name = TEXT(name);
    create.labels = labels;
    create.n_labels = 1;
    follow(banger_create_vm(client, &create, NULL, &error), operation);
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT(name);
    Banger__V1__VM *vm = banger_get_vm(local, &get, NULL, &error);
    if (CHECK(vm != NULL))
        snprintf(id, 32, "%s", vm->id);
    banger_message_free(vm ? &vm->base : NULL);
}

static Banger__V1__GuestSession *start_session(struct banger_client *client, const char *vm,
                                               const char *name, const char *request_id)
{
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("true")};
    spec.argv = argv;
    spec.n_argv = 1;
    start.vm = TEXT(vm);
    start.name = TEXT(name);
    start.request_id = TEXT(request_id);
    start.spec = &spec;
    return banger_start_session(client, &start, NULL, &error);
}

static void started(Banger__V1__GuestSession *s, char id[32])
{
    if (CHECK(s != NULL))
        snprintf(id, 32, "%s", s->id);
    else
        fprintf(stderr, "  (%s)\n", error.message);
    banger_message_free(s ? &s->base : NULL);
}

static Banger__V1__Operation *update_vm(struct banger_client *client, const char *vm,
                                        const char *name, const char *env)
{
    Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    label.key = TEXT("env");
    label.value = TEXT(env);
    update.vm = TEXT(vm);
    if (name) {
        update._name_case = BANGER__V1__UPDATE_VMREQUEST___NAME_NAME;
        update.name = TEXT(name);
    }
    if (env) {
        update.set_labels = labels;
        update.n_set_labels = 1;
    }
    return banger_update_vm(client, &update, NULL, &error);
}

static void build(void)
{
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT("box");
    Banger__V1__VM *vm = banger_get_vm(local, &get, NULL, &error);
    snprintf(box, sizeof(box), "%s", vm ? vm->id : "");
    banger_message_free(vm ? &vm->base : NULL);
    started(start_session(local, "box", "secret", ""), secret);
    follow(update_vm(local, "box", NULL, "production"), its_operation);
    create_vm(bound, "ours", ours, our_operation);
    follow(update_vm(local, "ours", NULL, "ci"), our_operation);
    started(start_session(bound, "ours", "open", ""), our_session);
    CHECK_INT(strlen(box) * strlen(secret) * strlen(its_operation), 16 * 16 * 16);
}

/* References ----------------------------------------------------------------------------------- */

static const struct reference {
    const char *field, *id, *name, *shown; /* hidden, by id and by name; one in scope */
} references[] = {
    {"vm", box, "box", ours},
    {"session", secret, "secret", our_session},
    {"operation", its_operation, NULL, our_operation},
    {"snapshot", "5af5af5af5af5af5", NULL, NULL}, /* there are none yet */
};

static bool put_string(ProtobufCMessage *m, const char *name, const char *value)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    if (!f || f->type != PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    memcpy((char *)m + f->offset, &value, sizeof(value));
    return true;
}

/* A request, and what of it holds the references: itself or the Open that a stream begins with. */
struct request {
    ProtobufCMessage *whole, *open; /* owned; open is NULL or within whole */
    Banger__V1__SessionSpec spec;
    char *argv[1];
};

static ProtobufCMessage *request_new(struct request *r, const struct rpc_method *method)
{
    r->whole = calloc(1, method->request->sizeof_message);
    r->open = NULL;
    protobuf_c_message_init(method->request, r->whole);
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(method->request, "open");
    if (f && f->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessageDescriptor *d = f->descriptor;
        r->open = calloc(1, d->sizeof_message);
        protobuf_c_message_init(d, r->open);
        memcpy((char *)r->whole + f->offset, &r->open, sizeof(r->open));
        memcpy((char *)r->whole + f->quantifier_offset, &f->id, sizeof(f->id));
    }
    if (strcmp(method->name, "StartSession") == 0) {
        banger__v1__session_spec__init(&r->spec);
        r->argv[0] = TEXT("true");
        r->spec.argv = r->argv;
        r->spec.n_argv = 1;
        ((Banger__V1__StartSessionRequest *)(void *)r->whole)->spec = &r->spec;
    }
    return r->open ? r->open : r->whole;
}

static void request_free(struct request *r)
{
    free(r->open);
    free(r->whole);
}

/* vm is given too where the method takes a session in a VM; NULL: it is not. */
static enum banger_code call_with(struct banger_client *client, const struct rpc_method *method,
                                  const char *field, const char *value, const char *vm)
{
    struct request r;
    ProtobufCMessage *m = request_new(&r, method);
    enum banger_code code = BANGER_OK;
    bool waits = strncmp(method->name, "Watch", 5) == 0 || method->streams & RPC_CLIENT_STREAMS;
    if (put_string(m, field, value) && (!vm || put_string(m, "vm", vm)))
        code = served_call(client, method, r.whole, waits ? 2000 : SERVED_WAIT_MS, NULL, &error);
    request_free(&r);
    return code;
}

/* The text with the reference taken out of it: all else must be the same. */
static void without(const char *text, const char *ref, char out[512])
{
    const char *at = *ref ? strstr(text, ref) : NULL;
    snprintf(out, 512, "%.*s*%s", at ? (int)(at - text) : (int)strlen(text), text,
             at ? at + strlen(ref) : "");
}

static void check_same(const struct rpc_method *method, const char *field, const char *is,
                       const char *is_not, const char *vm)
{
    struct banger_error a;
    char one[512], other[512];
    enum banger_code code = call_with(bound, method, field, is, vm);
    a = error;
    enum banger_code want = call_with(bound, method, field, is_not, vm);
    bool planned = want == BANGER_UNIMPLEMENTED;
    bool ok = CHECK_INT(code, want) && CHECK(want == BANGER_NOT_FOUND || planned);
    ok = CHECK_STR(a.reason, error.reason) && ok;
    without(a.message, is, one);
    without(error.message, is_not, other);
    ok = CHECK_STR(one, other) && ok;
    without(a.resource, is, one);
    without(error.resource, is_not, other);
    if (!(CHECK_STR(one, other) && CHECK_STR(a.stage, error.stage) &&
          CHECK_STR(a.operation_id, error.operation_id) && ok))
        fprintf(stderr, "  (%s %s \"%s\": %s; \"%s\": %s)\n", method->path, field, is, a.message,
                is_not, error.message);
}

static void check_field(const struct rpc_method *method, const struct reference *r)
{
    static const char no_id[] = "0123456789abcdef", no_name[] = "nix";
    char prefix[13];
    snprintf(prefix, sizeof(prefix), "%.12s", r->id);
    bool in_vm = strcmp(r->field, "session") == 0 &&
                 protobuf_c_message_descriptor_get_field_by_name(method->request, "vm");
    check_same(method, r->field, r->id, no_id, NULL);
    check_same(method, r->field, prefix, "0123456789ab", NULL);
    if (r->name)
        check_same(method, r->field, r->name, no_name, NULL);
    if (!in_vm)
        return;
    check_same(method, r->field, r->id, no_id, ours); /* somebody else's, in a VM that is ours */
    check_same(method, "vm", box, no_id, NULL);
    check_same(method, "vm", "box", no_name, NULL);
}

static void test_hidden_is_as_if_it_were_not(void)
{
    size_t n = 0;
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            const struct rpc_method *method = &contract_services[s]->methods[i];
            struct request request;
            const ProtobufCMessage *m = request_new(&request, method);
            const struct reference *first = NULL;
            for (size_t k = 0; k < sizeof(references) / sizeof(references[0]); k++)
                if (protobuf_c_message_descriptor_get_field_by_name(m->descriptor,
                                                                    references[k].field) &&
                    (!first || strcmp(references[k].field, "session") == 0))
                    first = &references[k]; /* a session before its VM */
            request_free(&request);
            if (!first || method->host_wide)
                continue;
            check_field(method, first);
            n++;
        }
    CHECK(n >= 40);
}

/* The walk above refuses because of the scope, not because nothing is ever found: the owner gets
 * what is hidden, and the bound identity what is its own. */
static void test_what_is_shown(void)
{
    static const char *const get[] = {"/banger.v1.VMService/GetVM",
                                      "/banger.v1.GuestSessionService/GetSession",
                                      "/banger.v1.OperationService/GetOperation"};
    for (size_t i = 0; i < 3; i++) {
        const struct rpc_method *method = served_method(get[i]);
        CHECK_INT(call_with(local, method, references[i].field, references[i].id, NULL), BANGER_OK);
        CHECK_INT(call_with(bound, method, references[i].field, references[i].shown, NULL),
                  BANGER_OK);
    }
}

/* Lists and watches ---------------------------------------------------------------------------- */

static bool names_hidden(const ProtobufCMessage *m)
{
    char *json = banger_message_to_json(m, 0, &error);
    bool found = !CHECK(json != NULL);
    for (size_t i = 0; json && i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (strstr(json, hidden[i])) {
            fprintf(stderr, "  (\"%s\" is in %s)\n", hidden[i], json);
            found = true;
        }
    free(json);
    return found;
}

/* One unary answer, looked through; its next page's token, or "". */
static bool look_through(const struct rpc_method *method, const ProtobufCMessage *request,
                         char token[64])
{
    ProtobufCMessage *m = NULL;
    auto_call struct banger_call *call = call_within(SERVED_WAIT_MS);
    struct banger_stream *stream = banger_stream_open(bound, method->path, request, call, &error);
    bool came = stream && banger_stream_next(stream, -1, &m, &error) == BANGER_NEXT_MESSAGE;
    token[0] = '\0';
    if (came) {
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "next_page_token");
        const char *text = "";
        if (f)
            memcpy(&text, (char *)m + f->offset, sizeof(text));
        snprintf(token, 64, "%s", text);
        CHECK(!names_hidden(m));
        for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
            CHECK(strstr(token, hidden[i]) == NULL);
    }
    banger_message_free(came ? m : NULL);
    banger_stream_close(stream);
    return came;
}

static void test_lists_name_nothing_hidden(void)
{
    size_t n = 0;
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            const struct rpc_method *method = &contract_services[s]->methods[i];
            char token[64] = "";
            uint32_t one = 1;
            if (strncmp(method->name, "List", 4) != 0 || method->host_wide)
                continue;
            ProtobufCMessage *m = calloc(1, method->request->sizeof_message);
            protobuf_c_message_init(method->request, m);
            const ProtobufCFieldDescriptor *f =
                protobuf_c_message_descriptor_get_field_by_name(method->request, "page_size");
            if (f && strcmp(method->name, "ListEvents") != 0)
                memcpy((char *)m + f->offset, &one, sizeof(one));
            do
                put_string(m, "page_token", *token ? token : "");
            while (look_through(method, m, token) && ++n < 1000 && *token);
            free(m);
        }
    CHECK(n >= 8 && n < 1000); /* several pages of operations at least */
}

/* By the resource's own name, too. */
static void test_lists_of_a_hidden_resource(void)
{
    char resource[64];
    snprintf(resource, sizeof(resource), "vm/%s", box);
    Banger__V1__ListOperationsRequest operations = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    operations.resource = resource;
    Banger__V1__ListOperationsResponse *o =
        banger_list_operations(bound, &operations, NULL, &error);
    CHECK(o && o->n_operations == 0);
    banger_message_free(o ? &o->base : NULL);
    Banger__V1__ListEventsRequest events = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    events.resource = resource;
    Banger__V1__ListEventsResponse *e = banger_list_events(bound, &events, NULL, &error);
    CHECK(e && e->n_events == 0);
    banger_message_free(e ? &e->base : NULL);
}

/* From the beginning of the log to a change of ours that comes behind one of what is hidden. */
static void test_watch_names_nothing_hidden(void)
{
    Banger__V1__ListEventsRequest list = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    Banger__V1__ListEventsResponse *before = banger_list_events(bound, &list, NULL, &error);
    if (!CHECK(before != NULL))
        return;
    Banger__V1__WatchEventsRequest watch = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    auto_call struct banger_call *call = call_within(SERVED_WAIT_MS);
    watch.epoch = before->epoch;
    struct banger_stream *stream =
        banger_stream_open(bound, "/banger.v1.EventService/WatchEvents", &watch.base, call, &error);
    char id[32], update[32];
    follow(update_vm(local, "box", NULL, "production"), id);
    follow(update_vm(local, "ours", NULL, "ci"), update);
    bool seen = false;
    ProtobufCMessage *m;
    while (!seen && banger_stream_next(stream, -1, &m, &error) == BANGER_NEXT_MESSAGE) {
        const Banger__V1__WatchEventsResponse *r = (Banger__V1__WatchEventsResponse *)(void *)m;
        CHECK(!names_hidden(m));
        CHECK(!r->event || !strstr(r->event->operation_id, id));
        seen = r->event && strcmp(r->event->kind, "vm.updated") == 0 &&
               strcmp(r->event->operation_id, update) == 0;
        banger_message_free(m);
    }
    CHECK(seen);
    banger_stream_close(stream);
    banger_message_free(&before->base);
}

/* Refusals ------------------------------------------------------------------------------------- */

static void check_taken(const char *what)
{
    if (!CHECK_STR(error.reason, "VM_NAME_TAKEN") || !CHECK(!strstr(error.message, box)) ||
        !CHECK_STR(error.resource, "vm/box"))
        fprintf(stderr, "  (%s: %s)\n", what, error.message);
}

/* A name that is taken is refused, for names are the host's; by which VM is not said. */
static void test_a_taken_name(void)
{
    Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    label.key = TEXT("env");
    label.value = TEXT("ci");
    create.name = TEXT("box");
    create.labels = labels;
    create.n_labels = 1;
    for (int dry = 0; dry < 2; dry++) {
        create.dry_run = dry;
        CHECK(banger_create_vm(bound, &create, NULL, &error) == NULL);
        check_taken("create");
    }
    CHECK(update_vm(bound, "ours", "box", NULL) == NULL);
    check_taken("update");
    CHECK(update_vm(local, "ours", "box", NULL) == NULL);
    CHECK_CONTAINS(error.message, box); /* whom it is shown to is told */
}

/* Request ids are a principal's own, however long its name and however alike another's. */
static void test_request_ids_of_others(void)
{
    static const char a[] = "somebody-with-a-name-that-is-very-long-indeed-1",
                      b[] = "somebody-with-a-name-that-is-very-long-indeed-2";
    char first[32] = "1", again[32] = "2", other[32] = "3";
    struct banger_client *one = served_enroll(&served, local, a, RPC_ROLE_OPERATOR, true);
    struct banger_client *two = served_enroll(&served, local, b, RPC_ROLE_OPERATOR, true);
    started(start_session(one, "ours", "", "same"), first);
    started(start_session(one, "ours", "", "same"), again);
    started(start_session(two, "ours", "", "same"), other);
    CHECK_STR(first, again);
    CHECK(strcmp(first, other) != 0);
    banger_close(one);
    banger_close(two);
}

/* A request repeated does not lead to what has left the scope, though the name is the same. */
static void test_replay_of_what_is_hidden_now(void)
{
    char id[32] = "", operation[32], vm[32];
    started(start_session(bound, "ours", "", "mine"), id);
    follow(update_vm(local, "ours", "theirs", "production"), operation); /* cuts bound */
    banger_close(bound);
    bound = served_connect_tls("bound");
    create_vm(bound, "ours", vm, operation);
    Banger__V1__GuestSession *s = start_session(bound, "ours", "", "mine");
    CHECK(s == NULL);
    CHECK_STR(error.reason, "SESSION_NOT_FOUND");
    banger_message_free(s ? &s->base : NULL);
}

int main(void)
{
    served_open(&served);
    local = served_connect(&served);
    served_listen_tls(&served, local);
    bound = served_enroll(&served, local, "bound", RPC_ROLE_FLEET, true);
    RUN(build);
    RUN(test_what_is_shown);
    RUN(test_hidden_is_as_if_it_were_not);
    RUN(test_lists_name_nothing_hidden);
    RUN(test_lists_of_a_hidden_resource);
    RUN(test_watch_names_nothing_hidden);
    RUN(test_a_taken_name);
    RUN(test_request_ids_of_others);
    RUN(test_replay_of_what_is_hidden_now);
    banger_close(bound);
    banger_close(local);
    served_close(&served);
    return check_end();
}
