/* The sets that a look at the state folder judges by; see unlisted.h. */
#include "daemon/core/supervise/unlisted.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/image/image.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm.h"

static const struct {
    const char *name, *folder, *deleted;
} kinds[N_UNLISTED_KINDS] = {
    [UNLISTED_VM] = {"vm", "vms", "vm.deleted"},
    [UNLISTED_IMAGE] = {"image", "images", "image.deleted"},
    [UNLISTED_KERNEL] = {"kernel", "kernels", "kernel.deleted"},
};

const char *unlisted_kind_name(enum unlisted_kind kind)
{
    return kinds[kind].name;
}

const char *unlisted_kind_folder(enum unlisted_kind kind)
{
    return kinds[kind].folder;
}

void unlisted_free(struct unlisted *u)
{
    if (!u)
        return;
    free(u->record);
    free(u);
}

void unlisted_free_all(struct list *all)
{
    for (struct list *l; (l = list_first(all));) {
        list_remove(l);
        unlisted_free(container_of(l, struct unlisted, link));
    }
}

void name_set_init(struct name_set *s)
{
    map_init(&s->map);
}

void name_set_done(struct name_set *s)
{
    size_t at = 0;
    for (char *text; (text = map_next(&s->map, &at));)
        free(text);
    map_done(&s->map);
}

static int name_set_add_text(struct name_set *s, const char *text)
{
    if (map_find(&s->map, text))
        return 0;
    char *copy = strdup(text);
    if (copy && map_put(&s->map, copy, copy) == 0)
        return 0;
    free(copy);
    return -1;
}

int name_set_add(struct name_set *s, const char *kind, const char *id)
{
    char text[96];
    snprintf(text, sizeof(text), "%s/%.64s", kind, id);
    return *id ? name_set_add_text(s, text) : 0;
}

bool name_set_has(const struct name_set *s, const char *kind, const char *id)
{
    char text[96];
    snprintf(text, sizeof(text), "%s/%.64s", kind, id);
    return map_find(&s->map, text) != NULL;
}

void unlisted_scan_init(struct unlisted_scan *s, const char *state_dir)
{
    *s = (struct unlisted_scan){.n_live = 0};
    snprintf(s->state_dir, sizeof(s->state_dir), "%s", state_dir);
    name_set_init(&s->known);
    name_set_init(&s->gone);
    name_set_init(&s->wanted);
    list_init(&s->found);
    list_init(&s->told);
}

void unlisted_scan_done(struct unlisted_scan *s)
{
    name_set_done(&s->known);
    name_set_done(&s->gone);
    name_set_done(&s->wanted);
    unlisted_free_all(&s->found);
    unlisted_free_all(&s->told);
}

static int fill_from_rows(struct unlisted_scan *s, struct core *core)
{
    int rc = 0;
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));) {
        rc |= name_set_add(&s->known, "vm", vm_record(e)->id);
        rc |= name_set_add(&s->wanted, "image", vm_record(e)->spec.image_id);
        rc |= name_set_add(&s->wanted, "kernel", vm_record(e)->spec.kernel_id);
    }
    for (const struct image *i = NULL; (i = image_next(core, i));) {
        rc |= name_set_add(&s->known, "image", i->id);
        rc |= name_set_add(&s->wanted, "kernel", i->kernel_id);
    }
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        rc |= name_set_add(&s->known, "kernel", k->id);
    return rc;
}

/* The log says what this store saw deleted. */
static int fill_from_log(struct unlisted_scan *s, const struct core *core)
{
    int rc = 0;
    struct event event;
    uint64_t last = event_last_seq(core);
    for (uint64_t seq = event_first_seq(core); seq <= last; seq++) {
        if (!event_load(core, seq, &event))
            continue;
        for (size_t i = 0; i < N_UNLISTED_KINDS; i++)
            if (strcmp(event.kind, kinds[i].deleted) == 0)
                rc |= name_set_add_text(&s->gone, event.resource);
    }
    return rc;
}

/* What a cut off operation was making is undone with it, or made again from the beginning; whatever
 * another needs is wanted. */
static int fill_from_operation(struct unlisted_scan *s, const struct operation_entry *op)
{
    int rc = 0;
    size_t at;
    json_t *each, *params = json_loads(text_get(operation_row(op)->params), 0, NULL);
    json_array_foreach(json_object_get(params, "makes"), at, each)
    {
        if (json_is_string(each))
            rc |= name_set_add_text(&s->gone, json_string_value(each));
    }
    const char *kernel = json_string_value(json_object_get(params, "kernel"));
    if (kernel)
        rc |= name_set_add(&s->wanted, "kernel", kernel);
    json_decref(params);
    rc |= name_set_add_text(&s->wanted, operation_row(op)->resource);
    return rc;
}

int unlisted_scan_fill(struct unlisted_scan *s, struct core *core)
{
    int rc = fill_from_rows(s, core) | fill_from_log(s, core);
    for (struct operation_entry *op = NULL; (op = operation_next(core, op));)
        if (!operation_is_over(op))
            rc |= fill_from_operation(s, op);
    return rc < 0 ? -1 : 0;
}
