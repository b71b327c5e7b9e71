/* x.server.rpc.h, what a service includes (handlers, typed answers), and x.server.rpc.c, its
 * registration, the only part that needs rpc/event. */
#include "rpc/stubgen/emit.h"

#include <stdio.h>

static void emit_handlers(struct text *t, const proto_file *file, const proto_service *service)
{
    struct name prefix = name_service(file->package ? file->package : "", service->name);
    text_add(t, "/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where "
                "the client\n");
    text_add(t,
             " * streams there is none: the handler sets rpc_call_events and gets messages. */\n");
    text_add(t, "struct %s_handlers {\n", prefix.text);
    for (size_t i = 0; i < service->n_method; i++) {
        struct stub s = stub_make(file, service, service->method[i]);
        text_add(t, "    void (*%s)(void *self, struct rpc_call *call",
                 name_handler(s.proto->name).text);
        if (!s.client_streams)
            text_add(t, ",\n        const %s *request", s.request.text);
        text_add(t, ");\n");
    }
    if (service->n_method == 0)
        text_add(t, "    char none;\n");
    text_add(t, "};\n\n");
    text_add(t, "/* handlers must outlive the server; self is passed to each of them. */\n");
    text_add(t, "int %s_register(\n", prefix.text);
    text_add(t, "    struct rpc_server *server, const struct %s_handlers *handlers,\n",
             prefix.text);
    text_add(t, "    void *self, struct err *err);\n\n");
}

static void emit_answers(struct text *t, const struct stub *s)
{
    text_add(t, "/* %s */\n", s->proto->name);
    if (s->server_streams) {
        text_add(t, "static inline int\n%s_send(\n", s->function.text);
        text_add(t, "    struct rpc_call *call, const %s *message)\n{\n", s->response.text);
        text_add(t, "    return rpc_call_send(call, &message->base);\n}\n\n");
    } else {
        text_add(t, "static inline void\n%s_reply(\n", s->function.text);
        text_add(t, "    struct rpc_call *call, const %s *response)\n{\n", s->response.text);
        text_add(t, "    rpc_call_reply(call, &response->base);\n}\n\n");
    }
    if (s->client_streams) {
        text_add(t, "static inline const %s *\n", s->request.text);
        text_add(t, "%s_request(const ProtobufCMessage *message)\n{\n", s->function.text);
        text_add(t, "    return (const %s *)message;\n}\n\n", s->request.text);
    }
}

void emit_server_header(struct text *t, const proto_file *file)
{
    struct name stem = emit_stem(file);
    struct name guard = name_guard(stem.text);
    emit_banner(t, file);
    text_add(t, "#ifndef %s_SERVER_RPC_H\n#define %s_SERVER_RPC_H\n\n", guard.text, guard.text);
    text_add(t, "#include \"%s.pb-c.h\"\n#include \"rpc/wire/call.h\"\n\n", stem.text);
    text_add(t, "struct err;\nstruct rpc_server;\n\n");
    for (size_t i = 0; i < file->n_service; i++) {
        const proto_service *service = file->service[i];
        text_add(t, "/* %s */\n\n", service->name);
        emit_handlers(t, file, service);
        for (size_t k = 0; k < service->n_method; k++) {
            struct stub s = stub_make(file, service, service->method[k]);
            emit_answers(t, &s);
        }
    }
    text_add(t, "#endif\n");
}

void emit_server(struct text *t, const proto_file *file)
{
    struct name stem = emit_stem(file);
    emit_banner(t, file);
    text_add(t, "#include \"%s.server.rpc.h\"\n\n", stem.text);
    text_add(t, "#include \"%s.rpc.h\"\n#include \"rpc/event/server.h\"\n", stem.text);
    for (size_t i = 0; i < file->n_service; i++) {
        struct name prefix =
            name_service(file->package ? file->package : "", file->service[i]->name);
        text_add(t, "\nint %s_register(\n", prefix.text);
        text_add(t, "    struct rpc_server *server, const struct %s_handlers *handlers,\n",
                 prefix.text);
        text_add(t, "    void *self, struct err *err)\n{\n");
        text_add(t, "    return rpc_server_add(server, &%s, handlers, self, err);\n}\n",
                 prefix.text);
    }
}
