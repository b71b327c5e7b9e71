/* See vm_change.h. */
#include "daemon/core/vm/vm_change.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_ssh.h"

static json_t *vm_change_list(const struct vm_allow *allow)
{
    json_t *texts = json_array();
    char text[EGRESS_NAME_TEXT_BYTES];
    for (uint32_t i = 0; vm_egress_text(allow, i, text) > 0; i++)
        json_array_append_new(texts, json_string(text));
    return texts;
}

char *vm_change_write(const struct vm_change *c, struct err *err)
{
    json_t *hook = c->stop_hook_given ? vm_hook_write(&c->stop_hook) : NULL;
    bool fits = hook || !c->stop_hook_given;
    json_t *o = json_pack(
        "{s:I, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:s*, s:i, s:o, s:o*, s:o*}",
        "if_generation", (json_int_t)c->if_generation, "name", c->name, "cpus", (json_int_t)c->cpus,
        "memory_bytes", (json_int_t)c->memory_bytes, "expire_after_ms",
        (json_int_t)c->expire_after_ms, "idle_stop_after_ms", (json_int_t)c->idle_stop_after_ms,
        "restart", (int)c->restart, "autostart", c->autostart, "memory_max_bytes",
        (json_int_t)c->memory_max_bytes, "cpu_quota_percent", (json_int_t)c->cpu_quota_percent,
        "tasks_max", (json_int_t)c->tasks_max, "ssh_host_key",
        c->host_key_given ? c->host_key : NULL, "egress", (int)c->egress, "allow",
        vm_change_list(&c->allow), "stop_hook", hook, "publish",
        vm_publish_change_pack(&c->publish));
    char *params = o && fits ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!params)
        err_set(err, ERR_LIMIT, "out of memory for an operation");
    return params;
}

static uint64_t vm_change_number(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* Where 0 says something, -1 says nothing. */
static int64_t vm_change_option(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void vm_change_read_list(const json_t *texts, struct vm_allow *allow)
{
    size_t i;
    json_t *text;
    json_array_foreach(texts, i, text)
    {
        const char *entry = json_string_value(text);
        if (entry)
            vm_egress_add(allow, entry, NULL);
    }
}

void vm_change_read(const struct operation_entry *op, struct vm_change *c)
{
    json_t *o = json_loads(text_get(operation_row(op)->params), 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *host_key = json_string_value(json_object_get(o, "ssh_host_key"));
    *c = (struct vm_change){.if_generation = vm_change_number(o, "if_generation"),
                            .cpus = (uint32_t)vm_change_number(o, "cpus"),
                            .memory_bytes = vm_change_number(o, "memory_bytes"),
                            .expire_after_ms = vm_change_option(o, "expire_after_ms"),
                            .idle_stop_after_ms = vm_change_option(o, "idle_stop_after_ms"),
                            .restart = (enum restart_policy)vm_change_number(o, "restart"),
                            .autostart = (int)vm_change_option(o, "autostart"),
                            .memory_max_bytes = vm_change_option(o, "memory_max_bytes"),
                            .cpu_quota_percent = vm_change_option(o, "cpu_quota_percent"),
                            .tasks_max = vm_change_option(o, "tasks_max")};
    snprintf(c->name, sizeof(c->name), "%s", name ? name : "");
    c->host_key_given = host_key != NULL;
    snprintf(c->host_key, sizeof(c->host_key), "%s", host_key ? host_key : "");
    c->egress = (enum egress_mode)vm_change_number(o, "egress");
    vm_change_read_list(json_object_get(o, "allow"), &c->allow);
    vm_publish_change_read(&c->publish, json_object_get(o, "publish"));
    const json_t *hook = json_object_get(o, "stop_hook");
    c->stop_hook_given = hook != NULL;
    if (hook && vm_hook_read(hook, &c->stop_hook) < 0)
        abort();
    json_decref(o);
}

void vm_change_done(struct vm_change *c)
{
    free(c->stop_hook.argv.data);
}

void vm_change_policies(const struct vm_change *c, struct vm_spec *spec)
{
    if (c->expire_after_ms >= 0)
        spec->expire_after_ms = (uint64_t)c->expire_after_ms;
    if (c->idle_stop_after_ms >= 0)
        spec->idle_stop_after_ms = (uint64_t)c->idle_stop_after_ms;
    if (c->restart)
        spec->restart = c->restart;
    if (c->autostart >= 0)
        spec->autostart = c->autostart;
}

bool vm_change_machine(const struct vm_change *c, struct vm_spec *spec)
{
    const struct vm_spec was = *spec;
    if (c->cpus)
        spec->cpus = c->cpus;
    if (c->memory_bytes)
        spec->memory_bytes = c->memory_bytes;
    if (c->memory_max_bytes >= 0)
        spec->limits.memory_max_bytes = (uint64_t)c->memory_max_bytes;
    if (c->cpu_quota_percent >= 0)
        spec->limits.cpu_quota_percent = (uint32_t)c->cpu_quota_percent;
    if (c->tasks_max >= 0)
        spec->limits.tasks_max = (uint32_t)c->tasks_max;
    return spec->cpus != was.cpus || spec->memory_bytes != was.memory_bytes ||
           spec->limits.memory_max_bytes != was.limits.memory_max_bytes ||
           spec->limits.cpu_quota_percent != was.limits.cpu_quota_percent ||
           spec->limits.tasks_max != was.limits.tasks_max;
}

int vm_change_egress(const struct vm_change *c, struct vm_spec *spec, struct err *err)
{
    struct vm_egress to = {0};
    if (!c->egress)
        return 0;
    if (vm_egress_set(&to, c->egress, &c->allow, err) < 0)
        return -1;
    const struct vm_egress was = spec->egress;
    bool same = was.mode == to.mode && was.allow.len == to.allow.len &&
                (to.allow.len == 0 || memcmp(was.allow.data, to.allow.data, to.allow.len) == 0);
    if (!same)
        spec->egress = to;
    free(same ? to.allow.data : was.allow.data);
    return !same;
}

/* Of the request */

/* Beyond any bound it is refused by those. */
static int64_t vm_change_of(const uint64_t *value)
{
    return !value ? -1 : *value > INT64_MAX ? INT64_MAX : (int64_t)*value;
}

static int vm_change_fill_egress(struct vm_change *c, const struct vm_egress *egress,
                                 struct err *err)
{
    if (!egress)
        return 0;
    c->egress = egress->mode ? egress->mode : EGRESS_ALL;
    return vm_egress_read(egress, &c->allow, err);
}

int vm_change_fill(struct vm_change *c, const struct vm_update_request *req, struct err *err)
{
    *c = (struct vm_change){.if_generation = req->if_generation,
                            .cpus = req->cpus,
                            .memory_bytes = req->memory_bytes,
                            .expire_after_ms = vm_change_of(req->expire_after_ms),
                            .idle_stop_after_ms = vm_change_of(req->idle_stop_after_ms),
                            .restart = req->restart,
                            .autostart = req->autostart ? *req->autostart : -1,
                            .memory_max_bytes = vm_change_of(req->memory_max_bytes),
                            .cpu_quota_percent =
                                req->cpu_quota_percent ? (int64_t)*req->cpu_quota_percent : -1,
                            .tasks_max = req->tasks_max ? (int64_t)*req->tasks_max : -1};
    snprintf(c->name, sizeof(c->name), "%s", req->name ? req->name : "");
    c->host_key_given = req->ssh_host_key != NULL;
    snprintf(c->host_key, sizeof(c->host_key), "%s", req->ssh_host_key ? req->ssh_host_key : "");
    if (req->publish) {
        c->publish.given = true;
        c->publish.n = vm_publish_read(req->publish, c->publish.list);
    }
    if (req->stop_hook) {
        c->stop_hook_given = true;
        c->stop_hook = *req->stop_hook;
    }
    if ((req->name && vm_name_check(req->name, err) < 0) ||
        (req->stop_hook && vm_hook_check(&c->stop_hook, err) < 0) ||
        (req->ssh_host_key && vm_ssh_host_key_check(req->ssh_host_key, err) < 0) ||
        (c->cpus && vm_cpus_check(c->cpus, err) < 0) ||
        (c->memory_bytes && vm_memory_check(c->memory_bytes, err) < 0))
        return -1;
    return vm_change_fill_egress(c, req->egress, err);
}
