/* protoc-gen-banger-rpc: writes typed client and server stubs for the services of .proto files.
 *
 * protoc runs it with a CodeGeneratorRequest on stdin and reads a CodeGeneratorResponse from stdout
 * (google/protobuf/compiler/plugin.proto). Wrong input is refused in the response, where protoc
 * prints it; the exit code is for our own failures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rpc/stubgen/check.h"
#include "rpc/stubgen/emit.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse proto_response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File proto_output;

enum { MAX_REQUEST_BYTES = 64 << 20, FILES_PER_PROTO = 4, FILES_OF_ALL = 4 };

static int read_all(struct buf *in)
{
    for (;;) {
        uint8_t *room = buf_reserve(in, 65536);
        ssize_t n = room ? read(STDIN_FILENO, room, 65536) : -1;
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        buf_commit(in, (size_t)n);
    }
}

static int write_all(const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Takes t. */
static int add_text(proto_response *response, const char *stem, const char *suffix, struct text *t)
{
    proto_output *out = calloc(1, sizeof(*out));
    if (!out) {
        text_done(t);
        return -1;
    }
    google__protobuf__compiler__code_generator_response__file__init(out);
    response->file[response->n_file++] = out;
    out->content = text_take(t);
    if (asprintf(&out->name, "%s%s", stem, suffix) < 0)
        out->name = NULL;
    return out->name && out->content ? 0 : -1;
}

static int add_file(proto_response *response, const proto_file *file, const char *suffix,
                    void (*emit)(struct text *t, const proto_file *file))
{
    struct text t;
    text_init(&t);
    emit(&t, file);
    return add_text(response, emit_stem(file).text, suffix, &t);
}

static int add_of_all(proto_response *response, const proto_request *request, const char *name,
                      void (*emit)(struct text *t, const proto_request *request))
{
    struct text t;
    text_init(&t);
    emit(&t, request);
    return add_text(response, name, "", &t);
}

static int generate_contract(const proto_request *request, proto_response *response)
{
    if (add_of_all(response, request, "banger/contract.rpc.h", emit_contract_header) < 0 ||
        add_of_all(response, request, "banger/contract.rpc.c", emit_contract) < 0 ||
        add_of_all(response, request, "banger/messages.h", emit_messages) < 0 ||
        add_of_all(response, request, "banger/methods.h", emit_methods) < 0)
        return -1;
    return 0;
}

/* --banger-rpc_opt=…: "contract" writes, besides, what is of all files together; "manual" the
 * manual alone. */
static int generate(const proto_request *request, proto_response *response)
{
    const char *parameter = request->parameter ? request->parameter : "";
    response->file =
        calloc(request->n_proto_file * FILES_PER_PROTO + FILES_OF_ALL, sizeof(*response->file));
    if (!response->file)
        return -1;
    if (strcmp(parameter, "manual") == 0)
        return add_of_all(response, request, "api.md", emit_manual);
    if (strcmp(parameter, "contract") == 0 && generate_contract(request, response) < 0)
        return -1;
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const proto_file *file = request->proto_file[i];
        if (file->n_service == 0 || !schema_is_generated(request, file))
            continue;
        if (add_file(response, file, ".rpc.h", emit_client_header) < 0 ||
            add_file(response, file, ".rpc.c", emit_table) < 0 ||
            add_file(response, file, ".server.rpc.h", emit_server_header) < 0 ||
            add_file(response, file, ".server.rpc.c", emit_server) < 0)
            return -1;
    }
    return 0;
}

/* Complaints become the response's error; without any, the files are made. */
static int answer(const proto_request *request, proto_response *response)
{
    struct schema schema;
    struct text errors;
    text_init(&errors);
    int rc = schema_init(&schema, request);
    if (rc == 0)
        rc = check_request(request, &schema, &errors);
    if (rc == 0 && (buf_len(&errors.bytes) > 0 || errors.failed)) {
        response->error = text_take(&errors);
        rc = response->error ? 0 : -1;
    } else if (rc == 0) {
        rc = generate(request, response);
    }
    text_done(&errors);
    schema_done(&schema);
    return rc;
}

static int write_response(const proto_response *response)
{
    size_t len = google__protobuf__compiler__code_generator_response__get_packed_size(response);
    auto_free uint8_t *bytes = malloc(len + 1);
    if (!bytes)
        return -1;
    google__protobuf__compiler__code_generator_response__pack(response, bytes);
    return write_all(bytes, len);
}

int main(void)
{
    struct buf in;
    buf_init(&in, MAX_REQUEST_BYTES);
    if (read_all(&in) < 0) {
        perror("protoc-gen-banger-rpc: reading the request");
        return 1;
    }
    proto_request *request = google__protobuf__compiler__code_generator_request__unpack(
        NULL, buf_len(&in), buf_data(&in));
    buf_done(&in);
    if (!request) {
        fprintf(stderr, "protoc-gen-banger-rpc: stdin is not a CodeGeneratorRequest; protoc runs "
                        "this program\n");
        return 1;
    }
    proto_response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    response.has_supported_features = 1;
    response.supported_features =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
    int rc = answer(request, &response);
    if (rc == 0)
        rc = write_response(&response);
    if (rc < 0)
        fprintf(stderr, "protoc-gen-banger-rpc: out of memory, or stdout is closed\n");
    for (size_t i = 0; i < response.n_file; i++) {
        free(response.file[i]->name);
        free(response.file[i]->content);
        free(response.file[i]);
    }
    free(response.file);
    free(response.error);
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    return rc < 0 ? 1 : 0;
}
