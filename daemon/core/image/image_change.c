/* How images and kernels come, change their names, and go; see image.h.
 *
 * What others see (image_entry.image, listed) follows the disk: each row that is written carries
 * its copy, which is shown when it is there. What was only asked for (tags, deletions) is taken
 * back when it does not get there. A name has one holder: whoever takes it frees it from all that
 * have it, on disk or on their way there. Tags go one at a time, so that there is never more than
 * one change on its way that might fail. */
#include "daemon/core/image/image_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/record.h"
#include "daemon/host/remove.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

/* For as little as a transaction itself (store.h). */
static void *image_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (!p) {
        log_error("images", "out of memory: the daemon cannot go on");
        abort();
    }
    return p;
}

static void image_emit(struct core *core, struct store_txn *txn, const char *kind, const char *what,
                       const char *id, const char *name)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "%s/%s", what, id);
    event_emit(core, txn, kind, resource, NULL, name, NULL);
}

static void image_ignore(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* the store has said it; the rows' hooks do the rest */
}

/* Rows on their way */

struct image_write {
    struct core *core;
    struct image_entry *e;
    struct image image;
};

static void image_drop(struct image_entry *e)
{
    list_remove(&e->link);
    free(e);
}

static void image_written(void *arg, const struct err *err)
{
    struct image_write *w = arg;
    struct image_entry *e = w->e;
    if (w->core->images) {
        e->writes--;
        if (!err) {
            e->image = w->image;
            e->listed = true;
        } else if (e->writes == 0) {
            e->next = e->image;
        }
        if (e->writes == 0 && !e->listed)
            image_drop(e);
    }
    free(w);
}

static void image_put(struct core *core, struct image_entry *e, struct store_txn *txn)
{
    struct image_write *w = image_alloc(sizeof(*w));
    *w = (struct image_write){.core = core, .e = e, .image = e->next};
    e->writes++;
    store_put_image(txn, &e->next);
    record_keep_image_with(core, &e->next, txn);
    store_on_commit(txn, image_written, w);
}

static bool image_has_name(const struct image_entry *e, const char *name)
{
    return !e->leaving &&
           (strcmp(e->next.name, name) == 0 || (e->listed && strcmp(e->image.name, name) == 0));
}

/* Another image of that name is known by its id from then on. */
static void image_free_name(struct core *core, const char *name, const struct image_entry *but,
                            struct store_txn *txn)
{
    list_foreach(l, &core->images->images)
    {
        struct image_entry *e = container_of(l, struct image_entry, link);
        if (e == but || !image_has_name(e, name))
            continue;
        e->next.name[0] = '\0';
        image_put(core, e, txn);
    }
}

/* Coming */

int image_publish(struct core *core, const struct image *image, struct store_txn *txn,
                  struct err *err)
{
    (void)err;
    struct image_entry *e = image_alloc(sizeof(*e));
    *e = (struct image_entry){.image = *image, .next = *image};
    list_init(&e->link);
    list_add_tail(&core->images->images, &e->link);
    if (image->name[0])
        image_free_name(core, image->name, e, txn);
    image_put(core, e, txn);
    image_emit(core, txn, "image.created", "image", image->id, image->name);
    return 0;
}

struct kernel_write {
    struct core *core;
    struct kernel_entry *e;
};

static void kernel_written(void *arg, const struct err *err)
{
    struct kernel_write *w = arg;
    if (w->core->images && err) {
        list_remove(&w->e->link);
        free(w->e);
    } else if (w->core->images) {
        w->e->listed = true;
    }
    free(w);
}

int kernel_publish(struct core *core, const struct kernel *kernel, struct store_txn *txn,
                   struct err *err)
{
    (void)err;
    struct kernel_entry *e = image_alloc(sizeof(*e));
    struct kernel_write *w = image_alloc(sizeof(*w));
    *e = (struct kernel_entry){.kernel = *kernel};
    *w = (struct kernel_write){core, e};
    list_init(&e->link);
    list_add_tail(&core->images->kernels, &e->link);
    store_put_kernel(txn, kernel);
    record_keep_kernel_with(core, kernel, txn);
    store_on_commit(txn, kernel_written, w);
    image_emit(core, txn, "kernel.created", "kernel", kernel->id, kernel->name);
    return 0;
}

/* Names */

static bool image_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._:/-";
    size_t n = strlen(name);
    return n >= 1 && n < NAME_BYTES * 2 && strspn(name, allowed) == n && name[0] != '.' &&
           name[0] != '-' && name[0] != '/' && name[0] != ':';
}

int image_name_check(const char *name, struct err *err)
{
    if (image_name_is_valid(name))
        return 0;
    err_set(err, ERR_INVALID, "\"%.128s\" cannot be an image's name: 1 to 127 of a-z 0-9 . _ : / -",
            name);
    return err_tag(err, "INVALID_NAME", NULL);
}

struct image_tagging {
    struct list link;
    struct core *core;
    char id[ID_BYTES], name[NAME_BYTES * 2];
    void (*done)(void *arg, const struct image *image, const struct err *err);
    void *arg;
};

static void image_tags_go_on(struct core *core);

static void image_tagged(void *arg, const struct err *err)
{
    struct image_tagging *t = arg;
    const struct image *image = NULL;
    if (t->core->images) {
        t->core->images->tagging = false;
        image = err ? NULL : image_find_id(t->core, t->id);
    }
    struct err gone = ERR_INIT;
    if (!image && !err)
        err_set(&gone, ERR_NOT_FOUND, "image %s has been deleted", t->id);
    t->done(t->arg, image, image ? NULL : err ? err : &gone);
    if (t->core->images)
        image_tags_go_on(t->core);
    free(t);
}

static struct image_entry *image_find_entry(struct core *core, const char *id)
{
    list_foreach(l, &core->images->images)
    {
        struct image_entry *e = container_of(l, struct image_entry, link);
        if (e->listed && !e->leaving && strcmp(e->image.id, id) == 0)
            return e;
    }
    return NULL;
}

static void image_tags_go_on(struct core *core)
{
    struct image_registry *r = core->images;
    while (!r->tagging && !list_empty(&r->tags)) {
        struct image_tagging *t = container_of(r->tags.next, struct image_tagging, link);
        struct image_entry *e = image_find_entry(core, t->id);
        list_remove(&t->link);
        r->tagging = true;
        if (!e) { /* deleted while it waited */
            image_tagged(t, NULL);
            return;
        }
        struct store_txn *txn = store_txn_new();
        image_free_name(core, t->name, e, txn);
        snprintf(e->next.name, sizeof(e->next.name), "%s", t->name);
        image_put(core, e, txn);
        image_emit(core, txn, "image.tagged", "image", t->id, t->name);
        store_propose(core->store, txn, image_tagged, t);
    }
}

int image_tag(struct core *core, const char *ref, const char *name,
              void (*done)(void *arg, const struct image *image, const struct err *err), void *arg,
              struct err *err)
{
    const struct image *found = image_find(core, ref, err);
    if (!found || image_name_check(name, err) < 0)
        return -1;
    struct image_tagging *t = image_alloc(sizeof(*t));
    *t = (struct image_tagging){.core = core, .done = done, .arg = arg};
    snprintf(t->id, sizeof(t->id), "%s", found->id);
    snprintf(t->name, sizeof(t->name), "%s", name);
    list_init(&t->link);
    list_add_tail(&core->images->tags, &t->link);
    image_tags_go_on(core);
    return 0;
}

void image_tags_done(struct image_registry *r)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNAVAILABLE, "the daemon is ending");
    while (!list_empty(&r->tags)) {
        struct image_tagging *t = container_of(r->tags.next, struct image_tagging, link);
        list_remove(&t->link);
        t->done(t->arg, NULL, &err);
        free(t);
    }
}

/* Going: the record first, then the files; what a crash leaves of them the next start removes. */

struct image_deletion {
    struct job job;
    struct core *core;
    struct image_entry *image; /* one of the two */
    struct kernel_entry *kernel;
    char folder[PATH_BYTES];
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void image_deletion_run(struct job *job)
{
    struct image_deletion *d = container_of(job, struct image_deletion, job);
    struct err err = ERR_INIT;
    if (host_remove_tree(d->folder, &err) < 0)
        log_err(LOG_LEVEL_WARN, d->folder, &err, "cannot remove it; the next start will");
}

static void image_deletion_done(struct job *job)
{
    free(container_of(job, struct image_deletion, job));
}

static void image_deletion_stored(void *arg, const struct err *err)
{
    struct image_deletion *d = arg;
    struct err refused = ERR_INIT;
    d->done(d->arg, err);
    d->job = (struct job){.run = image_deletion_run, .done = image_deletion_done, .frees = true};
    if (err || workers_submit(d->core->slow, &d->job, &refused) < 0)
        free(d);
}

static struct image_deletion *image_deletion_new(struct core *core, const char *folder,
                                                 const char *id,
                                                 void (*done)(void *arg, const struct err *err),
                                                 void *arg, struct err *err)
{
    struct image_deletion *d = calloc(1, sizeof(*d));
    if (!d) {
        err_set(err, ERR_LIMIT, "out of memory deleting %s", id);
        return NULL;
    }
    *d = (struct image_deletion){.core = core, .done = done, .arg = arg};
    snprintf(d->folder, sizeof(d->folder), "%.400s/%s/%s", core->config.state_dir, folder, id);
    return d;
}

/* The row is gone, or stays: then it is found again, without a name that was given away meanwhile.
 */
static void image_gone(void *arg, const struct err *err)
{
    struct image_deletion *d = arg;
    struct image_entry *e = d->image;
    if (!d->core->images)
        return;
    if (!err) {
        e->listed = false;
        if (e->writes == 0)
            image_drop(e);
        return;
    }
    bool taken = false;
    list_foreach(l, &d->core->images->images)
    {
        struct image_entry *other = container_of(l, struct image_entry, link);
        taken = taken || (other != e && e->next.name[0] && image_has_name(other, e->next.name));
    }
    e->leaving = false;
    if (!taken)
        return;
    struct store_txn *txn = store_txn_new();
    e->image.name[0] = e->next.name[0] = '\0';
    image_put(d->core, e, txn);
    store_commit(d->core->store, txn, image_ignore, NULL);
}

static void kernel_gone(void *arg, const struct err *err)
{
    struct image_deletion *d = arg;
    if (!d->core->images)
        return;
    if (err) {
        d->kernel->leaving = false;
        return;
    }
    list_remove(&d->kernel->link);
    free(d->kernel);
}

int image_delete(struct core *core, const char *ref, void (*done)(void *arg, const struct err *err),
                 void *arg, struct err *err)
{
    const struct image *i = image_find(core, ref, err);
    if (!i)
        return -1;
    uint32_t n = image_vm_count(core, i->id);
    if (n > 0) {
        err_set(err, ERR_PRECONDITION, "image %s is used by %u VMs; delete those first",
                i->name[0] ? i->name : i->id, n);
        return err_tag(err, "IMAGE_IN_USE", "image/%s", i->id);
    }
    struct image_deletion *d = image_deletion_new(core, "images", i->id, done, arg, err);
    if (!d)
        return -1;
    struct store_txn *txn = store_txn_new();
    d->image = image_find_entry(core, i->id);
    d->image->leaving = true;
    store_delete_image(txn, i->id);
    store_on_commit(txn, image_gone, d);
    image_emit(core, txn, "image.deleted", "image", i->id, i->name);
    store_propose(core->store, txn, image_deletion_stored, d);
    return 0;
}

int kernel_delete(struct core *core, const char *ref,
                  void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    const struct kernel *k = kernel_find(core, ref, err);
    if (!k)
        return -1;
    uint32_t n = kernel_user_count(core, k->id);
    if (n > 0) {
        err_set(err, ERR_PRECONDITION, "kernel %s is used by %u VMs and images; delete those first",
                k->name, n);
        return err_tag(err, "KERNEL_IN_USE", "kernel/%s", k->id);
    }
    struct image_deletion *d = image_deletion_new(core, "kernels", k->id, done, arg, err);
    if (!d)
        return -1;
    struct store_txn *txn = store_txn_new();
    list_foreach(l, &core->images->kernels)
    {
        struct kernel_entry *e = container_of(l, struct kernel_entry, link);
        if (&e->kernel == k)
            d->kernel = e;
    }
    d->kernel->leaving = true;
    store_delete_kernel(txn, k->id);
    store_on_commit(txn, kernel_gone, d);
    image_emit(core, txn, "kernel.deleted", "kernel", k->id, k->name);
    store_propose(core->store, txn, image_deletion_stored, d);
    return 0;
}
