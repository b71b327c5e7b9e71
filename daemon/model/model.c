/* Names and copies of the model; see model.h. */
#include "daemon/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

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

int session_spec_copy(struct session_spec *to, const struct session_spec *from)
{
    *to = *from;
    to->argv = to->env = to->tags = to->required_commands = to->rlimits = (struct blob){0};
    if (blob_set(&to->argv, from->argv.data, from->argv.len) < 0 ||
        blob_set(&to->env, from->env.data, from->env.len) < 0 ||
        blob_set(&to->tags, from->tags.data, from->tags.len) < 0 ||
        blob_set(&to->required_commands, from->required_commands.data,
                 from->required_commands.len) < 0 ||
        blob_set(&to->rlimits, from->rlimits.data, from->rlimits.len) < 0) {
        session_spec_done(to);
        return -1;
    }
    return 0;
}

void session_spec_done(struct session_spec *spec)
{
    free(spec->argv.data);
    free(spec->env.data);
    free(spec->tags.data);
    free(spec->required_commands.data);
    free(spec->rlimits.data);
    spec->argv = spec->env = spec->tags = spec->required_commands = spec->rlimits =
        (struct blob){0};
}

int session_copy(struct session *to, const struct session *from)
{
    *to = *from;
    return session_spec_copy(&to->spec, &from->spec);
}

void session_done(struct session *s)
{
    session_spec_done(&s->spec);
}

int guest_service_copy(struct guest_service *to, const struct guest_service *from)
{
    const struct blob *ready = &from->policy.readiness.argv;
    *to = *from;
    to->policy.after = to->policy.readiness.argv = (struct blob){0};
    if (session_spec_copy(&to->spec, &from->spec) < 0)
        return -1;
    if (blob_set(&to->policy.after, from->policy.after.data, from->policy.after.len) == 0 &&
        blob_set(&to->policy.readiness.argv, ready->data, ready->len) == 0)
        return 0;
    guest_service_done(to);
    return -1;
}

void guest_service_done(struct guest_service *s)
{
    session_spec_done(&s->spec);
    free(s->policy.after.data);
    free(s->policy.readiness.argv.data);
    s->policy.after = s->policy.readiness.argv = (struct blob){0};
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

static const struct label *label_find(const struct label *at, uint32_t n, const char *key)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(at[i].key, key) == 0)
            return &at[i];
    return NULL;
}

static bool labels_are_among(const struct labels *selector, const struct label *at, uint32_t n)
{
    for (uint32_t i = 0; i < selector->n; i++) {
        const struct label *l = label_find(at, n, selector->at[i].key);
        if (!l || strcmp(l->value, selector->at[i].value) != 0)
            return false;
    }
    return true;
}

bool labels_have(const struct labels *labels, const struct labels *selector)
{
    return labels_are_among(selector, labels->at, labels->n);
}

bool label_list_have(const struct label_list *list, const struct labels *selector)
{
    return labels_are_among(selector, list->at, list->n);
}

int labels_check(const struct labels *labels, struct err *err)
{
    for (uint32_t i = 0; i < labels->n; i++) {
        const char *key = labels->at[i].key;
        bool valid = *key && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._/-")] == '\0';
        if (valid && !label_find(labels->at, i, key))
            continue;
        err_set(err, ERR_INVALID, "label key \"%s\" %s", key,
                valid ? "is given twice" : "must be 1 to 63 of a-z 0-9 . _ / -");
        return err_tag(err, "INVALID_LABEL", NULL);
    }
    return 0;
}

static int label_list_fill(struct label_list *list, const struct label *at, uint32_t n)
{
    struct label *copy = n > 0 ? malloc(n * sizeof(*copy)) : NULL;
    if (n > 0 && !copy)
        return -1;
    if (n > 0)
        memcpy(copy, at, n * sizeof(*copy));
    free(list->at);
    *list = (struct label_list){n, copy};
    return 0;
}

int label_list_set(struct label_list *list, const struct labels *labels)
{
    return label_list_fill(list, labels->at, labels->n);
}

void label_list_get(const struct label_list *list, struct labels *labels)
{
    labels->n = list->n;
    if (list->n > 0)
        memcpy(labels->at, list->at, list->n * sizeof(*list->at));
}

int vm_copy(struct vm *to, const struct vm *from)
{
    *to = *from;
    to->labels = (struct label_list){0};
    to->spec.stop_hook.argv = to->spec.publish = to->spec.egress.allow = (struct blob){0};
    to->runtime.published = (struct blob){0};
    const struct blob *argv = &from->spec.stop_hook.argv, *publish = &from->spec.publish;
    const struct blob *published = &from->runtime.published, *allow = &from->spec.egress.allow;
    if (label_list_fill(&to->labels, from->labels.at, from->labels.n) == 0 &&
        blob_set(&to->spec.stop_hook.argv, argv->data, argv->len) == 0 &&
        blob_set(&to->spec.publish, publish->data, publish->len) == 0 &&
        blob_set(&to->spec.egress.allow, allow->data, allow->len) == 0 &&
        blob_set(&to->runtime.published, published->data, published->len) == 0)
        return 0;
    vm_done(to);
    return -1;
}

void vm_spec_done(struct vm_spec *spec)
{
    free(spec->stop_hook.argv.data);
    free(spec->publish.data);
    free(spec->egress.allow.data);
    spec->stop_hook.argv = spec->publish = spec->egress.allow = (struct blob){0};
}

void vm_done(struct vm *vm)
{
    if (!vm)
        return;
    vm_spec_done(&vm->spec);
    free(vm->runtime.published.data);
    vm->runtime.published = (struct blob){0};
    free(vm->labels.at);
    vm->labels = (struct label_list){0};
}
