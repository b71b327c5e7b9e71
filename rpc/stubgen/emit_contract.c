/* What is of all .proto files together: the table of services, and libbanger's headers with a typed
 * function for every unary method and with the messages. */
#include "rpc/stubgen/emit.h"

#include <stdio.h>
#include <string.h>

static const char banner[] = "/* Written by protoc-gen-banger-rpc from proto/; do not edit. */\n";

const proto_file *emit_file(const proto_request *request, size_t i)
{
    if (i >= request->n_file_to_generate)
        return NULL;
    for (size_t k = 0; k < request->n_proto_file; k++)
        if (strcmp(request->proto_file[k]->name, request->file_to_generate[i]) == 0)
            return request->proto_file[k];
    return NULL; /* not reached: protoc sends what it names */
}

void emit_contract_header(struct text *t, const proto_request *request)
{
    (void)request;
    text_add(t, "%s", banner);
    text_add(t, "#ifndef BANGER_CONTRACT_RPC_H\n#define BANGER_CONTRACT_RPC_H\n\n");
    text_add(t, "#include \"rpc/wire/method.h\"\n\n");
    text_add(t, "/* Every service of proto/; ends with NULL. */\n");
    text_add(t, "extern const struct rpc_service *const contract_services[];\n\n#endif\n");
}

void emit_contract(struct text *t, const proto_request *request)
{
    const proto_file *file;
    text_add(t, "%s#include \"banger/contract.rpc.h\"\n\n", banner);
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        if (file->n_service > 0)
            text_add(t, "#include \"%s.rpc.h\"\n", emit_stem(file).text);
    text_add(t, "\nconst struct rpc_service *const contract_services[] = {\n");
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        for (size_t s = 0; s < file->n_service; s++)
            text_add(t, "    &%s,\n",
                     name_service(file->package ? file->package : "", file->service[s]->name).text);
    text_add(t, "    NULL,\n};\n");
}

static bool is_unary(const proto_method *method)
{
    return !method->client_streaming && !method->server_streaming;
}

/* Services of others only where a program would call them: health, not reflection. */
static bool is_for_programs(const proto_file *file)
{
    bool wanted = schema_is_ours(file) && file->n_service > 0;
    for (size_t s = 0; s < file->n_service; s++)
        for (size_t i = 0; i < file->service[s]->n_method; i++)
            wanted |= is_unary(file->service[s]->method[i]);
    return wanted;
}

void emit_messages(struct text *t, const proto_request *request)
{
    const proto_file *file;
    text_add(t, "%s", banner);
    text_add(t,
             "/* The contract's messages, as protoc-c makes them. They have unnamed unions, which "
             "strict C99 has\n * not: said to the compiler here, so that -std=c99 -pedantic is "
             "quiet about what is not its user's.\n */\n");
    text_add(t, "#ifndef BANGER_CLIENT_MESSAGES_H\n#define BANGER_CLIENT_MESSAGES_H\n\n");
    text_add(t, "#if defined(__GNUC__)\n#pragma GCC diagnostic push\n"
                "#pragma GCC diagnostic ignored \"-Wpedantic\"\n#endif\n");
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        if (is_for_programs(file))
            text_add(t, "#include \"%s.pb-c.h\"\n", emit_stem(file).text);
    text_add(t, "#if defined(__GNUC__)\n#pragma GCC diagnostic pop\n#endif\n\n#endif\n");
}

/* Ours by their own name; of others with what they are about: Health.Check is check_health. */
static void emit_unary(struct text *t, const proto_file *file, const proto_service *service,
                       const proto_method *method)
{
    struct stub s = stub_make(file, service, method);
    struct name full = name_full(file->package ? file->package : "", service->name);
    bool ours = schema_is_ours(file);
    if (*s.summary.text && !strstr(s.summary.text, "*/"))
        text_add(t, " \\\n    /* %s */", s.summary.text);
    text_add(t, " \\\n    X(%s%s%s, \"%s\", %s, %s, %s)", s.snake.text, ours ? "" : "_",
             ours ? "" : name_service_kind(service->name).text, full.text, method->name,
             s.request.text, s.response.text);
}

static const char methods_head[] =
    "/* A typed function for every unary method of the contract:\n"
    " *\n"
    " *   Banger__V1__VM *banger_get_vm(struct banger_client *, const Banger__V1__GetVMRequest *,\n"
    " *                                 struct banger_call *, struct banger_error *);\n"
    " *\n"
    " * The response is freed with banger_message_free(&vm->base). What each method does, and its\n"
    " * errors, is said in docs/api.md. */\n"
    "#ifndef BANGER_CLIENT_METHODS_H\n"
    "#define BANGER_CLIENT_METHODS_H\n"
    "\n"
    "#include \"banger/client.h\"\n"
    "#include \"banger/messages.h\"\n"
    "\n"
    "/* X(C name, package and service, method, request type, response type) */\n"
    "#define BANGER_UNARY_METHODS(X)";

static const char methods_tail[] =
    "\n"
    "\n"
    "#define BANGER_DECLARE_METHOD_(name, service, method, request_type, response_type) \\\n"
    "    static inline response_type *banger_##name( \\\n"
    "        struct banger_client *client, const request_type *request, \\\n"
    "        struct banger_call *call, struct banger_error *error) \\\n"
    "    { \\\n"
    "        return (response_type *)(void *)banger_invoke( \\\n"
    "            client, \"/\" service \"/\" #method, &request->base, call, error); \\\n"
    "    }\n"
    "BANGER_UNARY_METHODS(BANGER_DECLARE_METHOD_)\n"
    "#undef BANGER_DECLARE_METHOD_\n"
    "\n"
    "#endif\n";

void emit_methods(struct text *t, const proto_request *request)
{
    const proto_file *file;
    text_add(t, "%s%s", banner, methods_head);
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        for (size_t s = 0; s < file->n_service; s++)
            for (size_t k = 0; k < file->service[s]->n_method; k++)
                if (is_unary(file->service[s]->method[k]))
                    emit_unary(t, file, file->service[s], file->service[s]->method[k]);
    text_add(t, "%s", methods_tail);
}
