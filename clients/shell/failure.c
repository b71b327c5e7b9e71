/* Errors on stderr: for people, or with --errors json a document a line. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool as_json; /* set once, before anything can fail */

void cli_errors_as_json(bool wanted)
{
    as_json = wanted;
}

/* What to do about it, where that is known. */
static const char *cli_hint(const struct banger_error *error)
{
    static const struct {
        const char *reason, *hint;
    } hints[] = {
        {"IMAGE_NOT_FOUND", "see \"banger image list\"; \"banger image build\" makes the default"},
        {"KERNEL_NOT_FOUND", "see \"banger kernel list\""},
        {"VM_NOT_FOUND", "see \"banger vm list\""},
        {"NO_CA", "on that host: banger auth init --listen 0.0.0.0:7443"},
        {"VM_NOT_RUNNING", "start it with \"banger vm start\""},
        {"SESSION_NOT_FOUND", "see \"banger session list\""},
        {"SESSION_RUNNING", "stop it first, or use --force"},
        {"WRITER_TAKEN", "use --view to watch, or --takeover to become the writer"},
    };
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(error->reason, hints[i].reason) == 0)
            return hints[i].hint;
    return NULL;
}

static void failure_put(const char *name, const char *text)
{
    if (!*text)
        return;
    fprintf(stderr, ", \"%s\": ", name);
    cli_write_quoted(stderr, text);
}

static void failure_print_json(const struct banger_error *error, const char *message,
                               const char *hint, int status)
{
    fprintf(stderr, "{\"error\": {\"code\": \"%s\", \"message\": ", banger_code_name(error->code));
    cli_write_quoted(stderr, message);
    failure_put("reason", error->reason);
    failure_put("resource", error->resource);
    failure_put("stage", error->stage);
    failure_put("operationId", error->operation_id);
    failure_put("hint", hint ? hint : "");
    fprintf(stderr, ", \"status\": %d}}\n", status);
}

static void failure_print(const struct banger_error *error, const char *message, const char *hint,
                          int status)
{
    fflush(stdout);
    if (as_json) {
        failure_print_json(error, message, hint, status);
        return;
    }
    bool staged = error->stage[0];
    cli_say(stderr, "banger: %s%s%s%s", message, staged ? " (stage " : "", error->stage,
            staged ? ")" : "");
    if (hint)
        fprintf(stderr, "  %s\n", hint);
}

int cli_fail(const struct banger_error *error, const char *fmt, ...)
{
    char what[256], message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    snprintf(message, sizeof(message), "%s: %s", what,
             error->message[0] ? error->message : banger_code_name(error->code));
    const char *hint = strstr(error->message, "banger ") ? NULL : cli_hint(error);
    failure_print(error, message, hint, EXIT_BANGER);
    return EXIT_BANGER;
}

int cli_fail_with(int status, const char *reason, const char *fmt, ...)
{
    struct banger_error error = {.code = BANGER_FAILED_PRECONDITION};
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    snprintf(error.reason, sizeof(error.reason), "%s", reason);
    failure_print(&error, message, NULL, status);
    return status;
}

int cli_usage(const char *fmt, ...)
{
    struct banger_error error = {.code = BANGER_INVALID_ARGUMENT};
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    failure_print(&error, message, NULL, EXIT_BANGER);
    return EXIT_BANGER;
}
