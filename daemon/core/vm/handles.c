/* handles.json; see handles.h. */
#include "daemon/core/vm/handles.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_internal.h"
#include "rpc/event/worker.h"

enum { HANDLES_MAX_BYTES = 8192, PID_MAX_LINUX = 4194304 };

char *handles_to_json(const struct vm_handles *h)
{
    json_t *o = json_pack("{s:i, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "pid", (int)h->pid,
                          "pid_start_time", (json_int_t)h->pid_start_time, "host_boot_id",
                          h->host_boot_id, "tap_device", h->tap_device, "base_loop", h->base_loop,
                          "cow_loop", h->cow_loop, "dm_name", h->dm_name, "dm_dev", h->dm_dev);
    char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    json_decref(o);
    return text;
}

/* Longer texts than the array are not ours. */
static int handles_get_text(const json_t *o, const char *key, char *to, size_t room)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return 0;
    const char *text = json_string_value(v);
    if (!text || strlen(text) >= room)
        return -1;
    snprintf(to, room, "%s", text);
    return 0;
}

int handles_from_json(const char *text, size_t len, struct vm_handles *handles, struct err *err)
{
    *handles = (struct vm_handles){0};
    json_error_t why;
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(err, ERR_INVALID, "not a handles file: %s", o ? "no object" : why.text);
    }
    struct vm_handles h = {0};
    json_int_t pid = json_integer_value(json_object_get(o, "pid"));
    json_int_t start = json_integer_value(json_object_get(o, "pid_start_time"));
    bool bad = pid <= 1 || pid > PID_MAX_LINUX || start < 0;
    h.pid = (pid_t)pid;
    h.pid_start_time = (uint64_t)start;
    bad |= handles_get_text(o, "host_boot_id", h.host_boot_id, sizeof(h.host_boot_id)) < 0 ||
           handles_get_text(o, "tap_device", h.tap_device, sizeof(h.tap_device)) < 0 ||
           handles_get_text(o, "base_loop", h.base_loop, sizeof(h.base_loop)) < 0 ||
           handles_get_text(o, "cow_loop", h.cow_loop, sizeof(h.cow_loop)) < 0 ||
           handles_get_text(o, "dm_name", h.dm_name, sizeof(h.dm_name)) < 0 ||
           handles_get_text(o, "dm_dev", h.dm_dev, sizeof(h.dm_dev)) < 0;
    json_decref(o);
    if (bad)
        return err_set(err, ERR_INVALID, "a handles file with absurd values");
    *handles = h;
    return 0;
}

void handles_load(const char *vm_dir, struct vm_handles *handles)
{
    *handles = (struct vm_handles){0};
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/handles.json", vm_dir);
    struct err err = ERR_INIT;
    auto_free char *text = NULL;
    size_t len;
    if (fs_read_own(path, HANDLES_MAX_BYTES, &text, &len, &err) < 0) {
        if (err.code != ERR_NOT_FOUND)
            log_err(LOG_LEVEL_WARN, vm_dir, &err, "no hint about its process");
    } else if (handles_from_json(text, len, handles, &err) < 0) {
        log_err(LOG_LEVEL_WARN, vm_dir, &err, "no hint about its process");
    }
}

/* One write per VM at a time, so that the last one wins. */
struct handles_save {
    struct job job;
    struct vm_entry *vm; /* referenced */
    bool again;
    char path[PATH_BYTES + 16];
    char *text; /* owned; NULL: remove the file */
};

static void handles_save_run(struct job *job)
{
    struct handles_save *s = container_of(job, struct handles_save, job);
    struct err err = ERR_INIT;
    if (!s->text)
        fs_remove_tree(s->path, &err);
    else if (!fs_has(s->path, s->text, strlen(s->text)) &&
             fs_write_scratch(s->path, s->text, strlen(s->text), 0600, &err) < 0 &&
             err.code != ERR_NOT_FOUND)
        log_err(LOG_LEVEL_WARN, s->path, &err, "cannot keep the handles");
}

static void handles_save_done(struct job *job)
{
    struct handles_save *s = container_of(job, struct handles_save, job);
    struct vm_entry *e = s->vm;
    bool again = s->again;
    free(s->text);
    free(s);
    e->saving = NULL;
    if (again && e->core->vms)
        handles_save(e);
    vm_unref(e);
}

void handles_save(struct vm_entry *e)
{
    if (e->saving) {
        e->saving->again = true;
        return;
    }
    /* A VM that is being deleted loses its whole folder. */
    if (e->removed || e->vm.runtime.state == VM_DELETING)
        return;
    struct handles_save *s = calloc(1, sizeof(*s));
    if (!s)
        return; /* only a hint is lost */
    s->job = (struct job){.run = handles_save_run, .done = handles_save_done};
    snprintf(s->path, sizeof(s->path), "%s/handles.json", e->vm.runtime.vm_dir);
    s->text = e->handles.pid ? handles_to_json(&e->handles) : NULL;
    s->vm = vm_ref(e);
    struct err err = ERR_INIT;
    if (workers_submit(e->core->quick, &s->job, &err) < 0) {
        log_err(LOG_LEVEL_WARN, e->vm.id, &err, "cannot keep the handles");
        free(s->text);
        free(s);
        vm_unref(e);
        return;
    }
    e->saving = s;
}
