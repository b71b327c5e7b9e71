/* struct banger_error, made from what rpc/wire says. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "banger/v1/common.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/wire/message.h"
#include "rpc/wire/call.h"

const char *banger_code_name(enum banger_code code)
{
    return err_code_name((enum err_code)code);
}

static void error_copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

void error_of_err(struct banger_error *error, const struct err *err)
{
    if (!error)
        return;
    *error = (struct banger_error){.code = (enum banger_code)err->code, .sys = err->sys};
    error_copy(error->reason, sizeof(error->reason), err->reason);
    error_copy(error->resource, sizeof(error->resource), err->resource);
    error_copy(error->stage, sizeof(error->stage), err->stage);
    error_copy(error->message, sizeof(error->message), err->message);
}

int(error_set)(struct banger_error *error, enum banger_code code, const char *fmt, ...)
{
    if (!error)
        return -1;
    *error = (struct banger_error){.code = code};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error->message, sizeof(error->message), fmt, ap);
    va_end(ap);
    return -1;
}

int(error_no_memory)(struct banger_error *error)
{
    return error_set(error, BANGER_RESOURCE_EXHAUSTED, "out of memory");
}

int(error_wrap)(struct banger_error *error, const char *fmt, ...)
{
    if (!error)
        return -1;
    char text[sizeof(error->message)];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len >= 0 && (size_t)len < sizeof(text) - 3) {
        size_t at = (size_t)len;
        text[at++] = ':';
        text[at++] = ' ';
        size_t room = sizeof(text) - 1 - at, more = strnlen(error->message, room);
        memcpy(text + at, error->message, more);
        text[at + more] = '\0';
    }
    memcpy(error->message, text, sizeof(text));
    return -1;
}

void error_add_details(struct banger_error *error, const void *status, size_t len)
{
    static const struct message_limits limits = {.max_memory_bytes = 64 << 10,
                                                 .max_depth = MESSAGE_MAX_DEPTH};
    struct message_cache cache = {0};
    ProtobufCMessage *decoded =
        message_decode(&google__rpc__status__descriptor, status, len, &limits, &cache, NULL);
    if (!decoded)
        return;
    const Google__Rpc__Status *s = (const Google__Rpc__Status *)decoded;
    for (size_t i = 0; i < s->n_details; i++) {
        const Google__Protobuf__Any *any = s->details[i];
        if (strcmp(any->type_url, "type.googleapis.com/banger.v1.ErrorInfo") != 0)
            continue;
        ProtobufCMessage *info =
            message_decode(&banger__v1__error_info__descriptor, any->value.data, any->value.len,
                           &limits, &cache, NULL);
        if (!info)
            continue;
        error_copy(error->operation_id, sizeof(error->operation_id),
                   ((const Banger__V1__ErrorInfo *)info)->operation_id);
        rpc_message_free(info);
    }
    rpc_message_free(decoded);
    message_cache_done(&cache);
}
