/* The reference manual of the contract, from its comments: services with their methods, then each
 * file's messages and enums. Packages without a service (the agent's) have manuals of their own. */
#include "rpc/stubgen/emit.h"

#include <string.h>

#include "rpc/stubgen/comments.h"
#include "rpc/stubgen/emit_manual.h"
#include "rpc/stubgen/markdown.h"

/* Field numbers of descriptor.proto. */
enum { FILE_SYNTAX = 12 };

static const char head[] =
    "<!-- Written by ./dev gen from proto/; do not edit. -->\n"
    "# API\n\n"
    "The contract, as its `.proto` files have it: what every method does, who may call it, what "
    "it\n"
    "answers. Any of them can be called from a shell with `banger call METHOD JSON`\n"
    "([cli.md](cli.md)), from C with [libbanger](libbanger.md), from other languages with their "
    "stock\n"
    "gRPC ([interop.md](interop.md)). Errors are gRPC statuses; the word in parentheses is the\n"
    "`reason` of their [ErrorInfo](#errorinfo).\n\n"
    "Fields are named as in the `.proto`; JSON has them in lowerCamelCase.\n\n";

static bool has_services(const proto_request *request, const char *package)
{
    const proto_file *file;
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        if (file->n_service > 0 && strcmp(file->package, package) == 0)
            return true;
    return false;
}

static bool is_ours(const proto_request *request, const proto_file *file)
{
    return schema_is_ours(file) && has_services(request, file->package);
}

/* ---- who may call what ---- */

static const char *const role_words[] = {"anyone",   "anyone", "viewer",
                                         "operator", "admin",  "fleet"};

static void emit_role_row(struct text *t, const proto_service *service, uint32_t role)
{
    bool any = false;
    for (size_t i = 0; i < service->n_method; i++) {
        struct policy p;
        policy_read(&p, service->method[i]);
        if ((p.role ? p.role : 1) != role)
            continue;
        if (!any)
            text_add(t, "| %s | %s | ", service->name, role_words[role]);
        text_add(t, "%s%s%s", any ? ", " : "", service->method[i]->name, p.host_wide ? "\\*" : "");
        any = true;
    }
    if (any)
        text_add(t, " |\n");
}

static void emit_roles(struct text *t, const proto_request *request)
{
    const proto_file *file;
    text_add(t, "## Who may call what\n\n"
                "Each role includes those before it. `*`: about the host as a whole, denied to who "
                "is bound to a\nlabel selector ([remote.md](remote.md)).\n\n"
                "| service | role | methods |\n|---|---|---|\n");
    for (size_t i = 0; (file = emit_file(request, i)); i++)
        for (size_t s = 0; s < file->n_service; s++)
            for (uint32_t role = 1; role < sizeof(role_words) / sizeof(role_words[0]); role++)
                emit_role_row(t, file->service[s], role);
    text_add(t, "\n");
}

/* ---- services ---- */

static void emit_type_link(struct text *t, const char *type, bool streams)
{
    const char *name = manual_type_heading(type);
    text_add(t, "%s[%s](", streams ? "stream of " : "", name);
    markdown_anchor(t, name);
    text_add(t, ")");
}

static void emit_duration(struct text *t, uint32_t ms)
{
    if (ms % 1000 == 0)
        text_add(t, "; deadline %u s by default", ms / 1000);
    else
        text_add(t, "; deadline %u ms by default", ms);
}

static void emit_policy(struct text *t, const proto_method *method)
{
    static const char *const effects[] = {"changes", "changes", "reads", "frees"};
    struct policy p;
    policy_read(&p, method);
    bool audited = !policy_is_read(&p) && !p.sign_of_life;
    text_add(t, "Role %s%s; %s; %s the audit log%s", role_words[p.role],
             p.host_wide ? ", host-wide" : "", effects[p.effect], audited ? "in" : "not in",
             p.idempotent ? "; may be sent again" : "");
    if (p.default_deadline_ms)
        emit_duration(t, p.default_deadline_ms);
    if (p.max_request_bytes)
        text_add(t, "; requests of up to %u bytes", p.max_request_bytes);
    if (p.max_response_bytes)
        text_add(t, "; responses of up to %u bytes", p.max_response_bytes);
    text_add(t, ".\n\n");
    if (p.planned)
        text_add(t, "**Not built**: it answers UNIMPLEMENTED.\n\n");
}

static void emit_service(struct text *t, const proto_file *file, const proto_service *service)
{
    text_add(t, "### %s\n\n", service->name);
    markdown_paragraphs(t, comment_above(file, comment_service_path(file, service)));
    for (size_t i = 0; i < service->n_method; i++) {
        const proto_method *m = service->method[i];
        text_add(t, "#### %s.%s\n\n", service->name, m->name);
        emit_type_link(t, m->input_type, m->client_streaming);
        text_add(t, " → ");
        emit_type_link(t, m->output_type, m->server_streaming);
        text_add(t, "\n\n");
        markdown_paragraphs(t, comment_above(file, comment_method_path(file, service, m)));
        emit_policy(t, m);
    }
}

/* ---- all of it ---- */

static void emit_contents(struct text *t, const proto_request *request)
{
    const proto_file *file;
    text_add(t, "| file | what |\n|---|---|\n");
    for (size_t i = 0; (file = emit_file(request, i)); i++) {
        if (!is_ours(request, file))
            continue;
        const char *name = manual_file_heading(file);
        text_add(t, "| [%s](", name);
        markdown_anchor(t, name);
        text_add(t, ") | ");
        markdown_cell(t,
                      comment_summary(
                          comment_above(file, (struct schema_path){.steps = {FILE_SYNTAX}, .n = 1}))
                          .text);
        text_add(t, " |\n");
    }
    text_add(t, "\n");
}

void emit_manual(struct text *t, const proto_request *request)
{
    const struct schema_path syntax = {.steps = {FILE_SYNTAX}, .n = 1};
    const proto_file *file;
    text_add(t, "%s", head);
    emit_contents(t, request);
    emit_roles(t, request);
    for (size_t i = 0; (file = emit_file(request, i)); i++) {
        if (!is_ours(request, file))
            continue;
        text_add(t, "## %s\n\n", manual_file_heading(file));
        markdown_paragraphs(t, comment_above(file, syntax));
        for (size_t s = 0; s < file->n_service; s++)
            emit_service(t, file, file->service[s]);
        manual_types(t, file);
    }
}
