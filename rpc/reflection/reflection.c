/* The reflection services; see reflection.h. Every answer borrows from the descriptor set. */
#include "rpc/reflection/reflection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "grpc/reflection/v1/reflection.rpc.h"
#include "grpc/reflection/v1/reflection.server.rpc.h"
#include "grpc/reflection/v1alpha/reflection.rpc.h"
#include "rpc/event/server.h"
#include "rpc/reflection/descriptors.h"

enum { MAX_SERVICES = 64, MAX_NAME_BYTES = 256, MAX_EXTENSIONS = 256 };

struct reflection {
    struct rpc_server *server;
    struct descriptors descriptors;
    /* v1alpha has the messages of v1, under another path. */
    struct rpc_method alpha_method;
    struct rpc_service alpha;
};

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

static void answer(struct rpc_call *call, const request_t *request, response_t *response)
{
    static char nothing[] = "";
    response->valid_host = request->host ? request->host : nothing;
    response->original_request = (request_t *)(uintptr_t)request;
    if (grpc_reflection_v1_server_reflection_server_reflection_info_send(call, response) == 0)
        return;
    /* Never an end that looks well with an answer left out. */
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "no memory or no room for an answer");
    rpc_call_finish(call, &err);
}

static void answer_error(struct rpc_call *call, const request_t *request, enum err_code code,
                         const char *what)
{
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    struct err err;
    err_set(&err, code, "%s", what);
    error.error_code = (int32_t)code;
    error.error_message = err.message;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &error;
    answer(call, request, &response);
}

static void answer_file(const struct reflection *r, struct rpc_call *call, const request_t *request,
                        int file)
{
    struct slice files[DESCRIPTORS_MAX_FILES];
    ProtobufCBinaryData data[DESCRIPTORS_MAX_FILES];
    if (file < 0) {
        answer_error(call, request, ERR_NOT_FOUND, "there is none of that name");
        return;
    }
    size_t n = descriptors_closure(&r->descriptors, file, files);
    for (size_t i = 0; i < n; i++)
        data[i] = (ProtobufCBinaryData){files[i].len, (uint8_t *)(uintptr_t)files[i].data};
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__FileDescriptorResponse found =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    found.file_descriptor_proto = data;
    found.n_file_descriptor_proto = n;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &found;
    answer(call, request, &response);
}

static void answer_extensions(const struct reflection *r, struct rpc_call *call,
                              const request_t *request, const char *type)
{
    int32_t numbers[MAX_EXTENSIONS];
    if (descriptors_file_of_symbol(&r->descriptors, type) < 0) {
        answer_error(call, request, ERR_NOT_FOUND, "there is no type of that name");
        return;
    }
    size_t n = descriptors_extensions(&r->descriptors, type, numbers, MAX_EXTENSIONS);
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__ExtensionNumberResponse found =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    found.base_type_name = (char *)(uintptr_t)type;
    found.extension_number = numbers;
    found.n_extension_number = n < MAX_EXTENSIONS ? n : MAX_EXTENSIONS;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response.all_extension_numbers_response = &found;
    answer(call, request, &response);
}

/* The services that the server has, of those that are described. */
struct listing {
    struct rpc_server *server;
    char names[MAX_SERVICES][MAX_NAME_BYTES];
    Grpc__Reflection__V1__ServiceResponse services[MAX_SERVICES],
        *at[MAX_SERVICES]; /* into services */
    size_t n;
};

static int listing_add(void *arg, const char *name)
{
    struct listing *l = arg;
    if (!rpc_server_has(l->server, name))
        return 0;
    if (l->n == MAX_SERVICES)
        return -1;
    snprintf(l->names[l->n], sizeof(l->names[0]), "%s", name);
    grpc__reflection__v1__service_response__init(&l->services[l->n]);
    l->services[l->n].name = l->names[l->n];
    l->at[l->n] = &l->services[l->n];
    l->n++;
    return 0;
}

static void answer_services(const struct reflection *r, struct rpc_call *call,
                            const request_t *request)
{
    struct listing l = {.server = r->server, .n = 0};
    descriptors_each_service(&r->descriptors, listing_add, &l);
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    list.service = l.at;
    list.n_service = l.n;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &list;
    answer(call, request, &response);
}

static void on_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    const struct reflection *r = arg;
    const struct descriptors *d = &r->descriptors;
    const request_t *m = (const request_t *)message;
    const Grpc__Reflection__V1__ExtensionRequest *e;
    switch (m->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        answer_file(r, call, m, descriptors_file_by_name(d, m->file_by_filename));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        answer_file(r, call, m, descriptors_file_of_symbol(d, m->file_containing_symbol));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        e = m->file_containing_extension;
        answer_file(r, call, m,
                    descriptors_file_of_extension(d, e->containing_type, e->extension_number));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        answer_extensions(r, call, m, m->all_extension_numbers_of_type);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(r, call, m);
        break;
    default:
        answer_error(call, m, ERR_INVALID, "the question is not known");
        break;
    }
    /* Answers are larger than questions. */
    if (!rpc_call_writable(call))
        rpc_call_pause_reading(call);
}

static void on_writable(void *arg, struct rpc_call *call)
{
    (void)arg;
    rpc_call_resume_reading(call);
}

static void on_half_closed(void *arg, struct rpc_call *call)
{
    (void)arg;
    rpc_call_finish(call, NULL);
}

static void handle_info(void *self, struct rpc_call *call)
{
    static const struct rpc_call_events events = {
        .message = on_message, .half_closed = on_half_closed, .writable = on_writable};
    rpc_call_set_events(call, &events, self);
}

int reflection_register(struct rpc_server *server, const void *set, size_t len, struct err *err)
{
    static const struct grpc_reflection_v1_server_reflection_handlers handlers = {
        .server_reflection_info = handle_info};
    const struct rpc_service *alpha = &grpc_reflection_v1alpha_server_reflection;
    struct reflection *r = calloc(1, sizeof(*r));
    if (!r || rpc_server_on_free(server, free, r) < 0) {
        free(r);
        return err_set(err, ERR_LIMIT, "out of memory for reflection");
    }
    r->server = server;
    r->alpha_method = grpc_reflection_v1_server_reflection.methods[0];
    r->alpha_method.path = alpha->methods[0].path;
    r->alpha = (struct rpc_service){alpha->name, &r->alpha_method, 1};
    if (descriptors_init(&r->descriptors, set, len, err) < 0 ||
        grpc_reflection_v1_server_reflection_register(server, &handlers, r, err) < 0)
        return -1;
    return rpc_server_add(server, &r->alpha, &handlers, r, err);
}
