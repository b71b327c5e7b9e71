/* x.rpc.h, what a client includes, and x.rpc.c, the tables that client and server share. They need
 * rpc/wire only. */
#include "rpc/stubgen/emit.h"

#include <stdio.h>
#include <string.h>

#include "rpc/stubgen/comments.h"

struct stub stub_make(const proto_file *file, const proto_service *service,
                      const proto_method *method)
{
    struct schema_path path = comment_method_path(file, service, method);
    struct stub s = {.proto = method,
                     .proto_service = service,
                     .summary = comment_summary(comment_above(file, path)),
                     .service = name_service(file->package ? file->package : "", service->name),
                     .snake = name_snake(method->name),
                     .request = name_c_type(method->input_type),
                     .response = name_c_type(method->output_type),
                     .client_streams = method->client_streaming,
                     .server_streams = method->server_streaming};
    snprintf(s.function.text, NAME_BYTES, "%.250s_%.250s", s.service.text, s.snake.text);
    s.constant = name_upper(s.function.text);
    return s;
}

struct name emit_stem(const proto_file *file)
{
    struct name stem = {""};
    size_t len = strlen(file->name);
    if (len > 6 && strcmp(file->name + len - 6, ".proto") == 0)
        len -= 6;
    snprintf(stem.text, NAME_BYTES, "%.*s", (int)len, file->name);
    return stem;
}

void emit_banner(struct text *t, const proto_file *file)
{
    text_add(t, "/* Written by protoc-gen-banger-rpc from %s; do not edit. */\n", file->name);
}

void emit_quoted(struct text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++)
        text_add(t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    text_add(t, "\"");
}

static void emit_start(struct text *t, const struct stub *s)
{
    text_add(t, "static inline struct rpc_call *\n%s_start(\n", s->function.text);
    text_add(t, "    struct rpc_client *client, const struct rpc_call_options *options,\n");
    if (!s->client_streams)
        text_add(t, "    const %s *request,\n", s->request.text);
    text_add(t, "    const struct rpc_call_events *events, void *arg, struct err *err)\n{\n");
    text_add(t, "    return rpc_client_start(client, &%s.methods[%s],\n", s->service.text,
             s->constant.text);
    text_add(t, "                            options, %s, events, arg, err);\n}\n\n",
             s->client_streams ? "NULL" : "&request->base");
}

static void emit_client_method(struct text *t, const struct stub *s)
{
    text_add(t, "/* %s: %s%s -> %s%s */\n", s->proto->name, s->client_streams ? "stream of " : "",
             s->request.text, s->server_streams ? "stream of " : "", s->response.text);
    emit_start(t, s);
    if (s->client_streams) {
        text_add(t, "static inline int\n%s_send_request(\n", s->function.text);
        text_add(t, "    struct rpc_call *call, const %s *request)\n{\n", s->request.text);
        text_add(t, "    return rpc_call_send(call, &request->base);\n}\n\n");
    }
    text_add(t, "static inline const %s *\n", s->response.text);
    text_add(t, "%s_response(const ProtobufCMessage *message)\n{\n", s->function.text);
    text_add(t, "    return (const %s *)message;\n}\n\n", s->response.text);
}

static void emit_client_service(struct text *t, const proto_file *file,
                                const proto_service *service)
{
    struct name prefix = name_service(file->package ? file->package : "", service->name);
    struct name upper = name_upper(prefix.text);
    text_add(t, "/* %s */\n\n", service->name);
    text_add(t, "extern const struct rpc_service %s;\n\n", prefix.text);
    text_add(t, "enum %s_method {\n", prefix.text);
    for (size_t i = 0; i < service->n_method; i++)
        text_add(t, "    %s,\n", stub_make(file, service, service->method[i]).constant.text);
    text_add(t, "    %s_METHODS /* their number */\n};\n\n", upper.text);
    for (size_t i = 0; i < service->n_method; i++) {
        struct stub s = stub_make(file, service, service->method[i]);
        emit_client_method(t, &s);
    }
}

void emit_client_header(struct text *t, const proto_file *file)
{
    struct name stem = emit_stem(file);
    struct name guard = name_guard(stem.text);
    emit_banner(t, file);
    text_add(t, "#ifndef %s_RPC_H\n#define %s_RPC_H\n\n", guard.text, guard.text);
    text_add(t, "#include \"%s.pb-c.h\"\n#include \"rpc/wire/client.h\"\n\n", stem.text);
    for (size_t i = 0; i < file->n_service; i++)
        emit_client_service(t, file, file->service[i]);
    text_add(t, "#endif\n");
}

/* Calls the typed handler: the one place where the type of a request is asserted by a cast. */
static void emit_dispatch(struct text *t, const struct stub *s)
{
    struct name handler = name_handler(s->proto->name);
    text_add(t, "static bool\n%s_dispatch(\n", s->function.text);
    text_add(t, "    const void *handlers, void *self, struct rpc_call *call,\n");
    text_add(t, "    const ProtobufCMessage *request)\n{\n");
    text_add(t, "    const struct %s_handlers *h = handlers;\n", s->service.text);
    text_add(t, "    if (!h->%s)\n        return false;\n", handler.text);
    if (s->client_streams)
        text_add(t, "    (void)request;\n    h->%s(self, call);\n", handler.text);
    else
        text_add(t, "    h->%s(self, call, (const %s *)request);\n", handler.text, s->request.text);
    text_add(t, "    return true;\n}\n\n");
}

static void emit_row(struct text *t, const struct stub *s, const char *service)
{
    struct policy p;
    policy_read(&p, s->proto);
    /* Standard services (health, reflection) cannot carry our option: open to every peer. */
    const char *role = p.role ? policy_role_name(p.role) : "RPC_ROLE_ANYONE";
    text_add(t, "    [%s] = {\n", s->constant.text);
    text_add(t, "        .name = \"%s\",\n", s->proto->name);
    text_add(t, "        .path = \"/%s/%s\",\n", service, s->proto->name);
    text_add(t, "        .request = &%s__descriptor,\n", name_c_symbol(s->proto->input_type).text);
    text_add(t, "        .response = &%s__descriptor,\n",
             name_c_symbol(s->proto->output_type).text);
    text_add(t, "        .dispatch = %s_dispatch,\n", s->function.text);
    if (s->client_streams || s->server_streams)
        text_add(t, "        .streams = %s%s%s,\n", s->client_streams ? "RPC_CLIENT_STREAMS" : "",
                 s->client_streams && s->server_streams ? " | " : "",
                 s->server_streams ? "RPC_SERVER_STREAMS" : "");
    text_add(t, "        .role = %s,\n", role);
    /* As those that only look. */
    text_add(t, "        .effect = %s,\n",
             p.role ? policy_effect_name(p.effect) : "RPC_EFFECT_READ");
    if (p.host_wide)
        text_add(t, "        .host_wide = true,\n");
    if (p.idempotent)
        text_add(t, "        .idempotent = true,\n");
    if (p.default_deadline_ms)
        text_add(t, "        .default_deadline_ms = %u,\n", p.default_deadline_ms);
    if (p.max_request_bytes)
        text_add(t, "        .max_request_bytes = %u,\n", p.max_request_bytes);
    if (p.max_response_bytes)
        text_add(t, "        .max_response_bytes = %u,\n", p.max_response_bytes);
    if (p.planned)
        text_add(t, "        .planned = true,\n");
    if (p.sign_of_life)
        text_add(t, "        .sign_of_life = true,\n");
    text_add(t, "        .resource_kind = \"%s\",\n",
             *p.resource_kind ? p.resource_kind : name_service_kind(s->proto_service->name).text);
    text_add(t, "        .summary = ");
    emit_quoted(t, s->summary.text);
    text_add(t, ",\n");
    text_add(t, "    },\n");
}

static void emit_table_service(struct text *t, const proto_file *file, const proto_service *service)
{
    const char *package = file->package ? file->package : "";
    struct name prefix = name_service(package, service->name);
    struct name full = name_full(package, service->name);
    for (size_t i = 0; i < service->n_method; i++) {
        struct stub s = stub_make(file, service, service->method[i]);
        emit_dispatch(t, &s);
    }
    if (service->n_method > 0) {
        text_add(t, "static const struct rpc_method %s_methods[] = {\n", prefix.text);
        for (size_t i = 0; i < service->n_method; i++) {
            struct stub s = stub_make(file, service, service->method[i]);
            emit_row(t, &s, full.text);
        }
        text_add(t, "};\n\n");
    }
    text_add(t, "const struct rpc_service %s = {\n    .name = \"%s\",\n", prefix.text, full.text);
    if (service->n_method > 0)
        text_add(t, "    .methods = %s_methods,\n    .n_methods = %s_METHODS,\n", prefix.text,
                 name_upper(prefix.text).text);
    text_add(t, "};\n");
}

void emit_table(struct text *t, const proto_file *file)
{
    struct name stem = emit_stem(file);
    emit_banner(t, file);
    text_add(t, "#include \"%s.rpc.h\"\n#include \"%s.server.rpc.h\"\n", stem.text, stem.text);
    for (size_t i = 0; i < file->n_service; i++) {
        text_add(t, "\n/* %s */\n\n", file->service[i]->name);
        emit_table_service(t, file, file->service[i]);
    }
}
