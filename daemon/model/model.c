/* Names and copies of the model; see model.h. */
#include "daemon/model/model.h"

#include <stdlib.h>
#include <string.h>

static const char *name_at(const char *const *names, size_t n, int value)
{
    return value >= 0 && (size_t)value < n ? names[value] : "UNSPECIFIED";
}

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[] = {"UNSPECIFIED", "PENDING",  "PREPARING", "STARTING",
                                        "RUNNING",     "PAUSED",   "STOPPING",  "STOPPED",
                                        "FAILED",      "DELETING", "UNKNOWN"};
    return name_at(names, sizeof(names) / sizeof(names[0]), (int)state);
}

const char *session_state_name(enum session_state state)
{
    static const char *const names[] = {"UNSPECIFIED", "PENDING", "STARTING", "RUNNING",
                                        "STOPPING",    "EXITED",  "FAILED",   "LOST"};
    return name_at(names, sizeof(names) / sizeof(names[0]), (int)state);
}

const char *op_state_name(enum op_state state)
{
    static const char *const names[] = {"UNSPECIFIED", "PENDING", "RUNNING",  "UNDOING",
                                        "SUCCEEDED",   "FAILED",  "CANCELLED"};
    return name_at(names, sizeof(names) / sizeof(names[0]), (int)state);
}

int blob_set(struct blob *b, const void *data, size_t len)
{
    uint8_t *copy = NULL;
    if (len > 0) {
        copy = malloc(len);
        if (!copy)
            return -1;
        memcpy(copy, data, len);
    }
    free(b->data);
    *b = (struct blob){copy, len};
    return 0;
}

int session_copy(struct session *to, const struct session *from)
{
    *to = *from;
    to->argv = to->env = to->tags = to->required_commands = (struct blob){0};
    if (blob_set(&to->argv, from->argv.data, from->argv.len) < 0 ||
        blob_set(&to->env, from->env.data, from->env.len) < 0 ||
        blob_set(&to->tags, from->tags.data, from->tags.len) < 0 ||
        blob_set(&to->required_commands, from->required_commands.data,
                 from->required_commands.len) < 0) {
        session_done(to);
        return -1;
    }
    return 0;
}

void session_done(struct session *s)
{
    free(s->argv.data);
    free(s->env.data);
    free(s->tags.data);
    free(s->required_commands.data);
    s->argv = s->env = s->tags = s->required_commands = (struct blob){0};
}

int text_set(char **to, const char *from)
{
    char *copy = from && *from ? strdup(from) : NULL;
    if (!copy && from && *from)
        return -1;
    free(*to);
    *to = copy;
    return 0;
}

int operation_copy(struct operation *to, const struct operation *from)
{
    *to = *from;
    to->message = to->error_message = to->params = NULL;
    if (text_set(&to->message, from->message) < 0 ||
        text_set(&to->error_message, from->error_message) < 0 ||
        text_set(&to->params, from->params) < 0) {
        operation_done(to);
        return -1;
    }
    return 0;
}

void operation_done(struct operation *op)
{
    free(op->message);
    free(op->error_message);
    free(op->params);
    op->message = op->error_message = op->params = NULL;
}

bool labels_have(const struct labels *labels, const struct labels *selector)
{
    for (uint32_t s = 0; s < selector->n; s++) {
        bool found = false;
        for (uint32_t i = 0; i < labels->n && !found; i++)
            found = strcmp(labels->at[i].key, selector->at[s].key) == 0 &&
                    strcmp(labels->at[i].value, selector->at[s].value) == 0;
        if (!found)
            return false;
    }
    return true;
}
