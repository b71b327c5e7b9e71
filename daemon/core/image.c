/* Images and kernels; see image.h. Building them is in image_build.c. */
#include "daemon/core/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event.h"
#include "daemon/core/record.h"
#include "daemon/core/vm.h"
#include "daemon/host/initramfs.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct image_entry {
    struct list link;
    struct image image;
};

struct kernel_entry {
    struct list link;
    struct kernel kernel;
};

struct image_registry {
    struct list images, kernels; /* by creation */
};

static int image_load_each(void *arg, const struct image *image)
{
    struct image_registry *r = arg;
    struct image_entry *e = malloc(sizeof(*e));
    if (!e)
        return -1;
    e->image = *image;
    list_init(&e->link);
    list_add_tail(&r->images, &e->link);
    return 0;
}

static int kernel_load_each(void *arg, const struct kernel *kernel)
{
    struct image_registry *r = arg;
    struct kernel_entry *e = malloc(sizeof(*e));
    if (!e)
        return -1;
    e->kernel = *kernel;
    list_init(&e->link);
    list_add_tail(&r->kernels, &e->link);
    return 0;
}

struct image_registry *image_registry_new(struct core *core, struct err *err)
{
    struct image_registry *r = malloc(sizeof(*r));
    if (!r) {
        err_set(err, ERR_LIMIT, "out of memory for images");
        return NULL;
    }
    list_init(&r->images);
    list_init(&r->kernels);
    if (store_load_images(core->store, image_load_each, r, err) < 0 ||
        store_load_kernels(core->store, kernel_load_each, r, err) < 0) {
        image_registry_free(r);
        return NULL;
    }
    return r;
}

void image_registry_free(struct image_registry *r)
{
    if (!r)
        return;
    list_foreach(l, &r->images) free(container_of(l, struct image_entry, link));
    list_foreach(k, &r->kernels) free(container_of(k, struct kernel_entry, link));
    free(r);
}

const struct image *image_next(struct core *core, const struct image *after)
{
    struct list *all = &core->images->images;
    const struct list *l =
        after ? container_of(after, const struct image_entry, image)->link.next : all->next;
    return l == all ? NULL : &container_of(l, const struct image_entry, link)->image;
}

const struct kernel *kernel_next(struct core *core, const struct kernel *after)
{
    struct list *all = &core->images->kernels;
    const struct list *l =
        after ? container_of(after, const struct kernel_entry, kernel)->link.next : all->next;
    return l == all ? NULL : &container_of(l, const struct kernel_entry, link)->kernel;
}

const struct image *image_find_id(struct core *core, const char *id)
{
    for (const struct image *i = NULL; (i = image_next(core, i));)
        if (strcmp(i->id, id) == 0)
            return i;
    return NULL;
}

const struct kernel *kernel_find_id(struct core *core, const char *id)
{
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        if (strcmp(k->id, id) == 0)
            return k;
    return NULL;
}

/* References */

enum match { MATCH_NONE, MATCH_PREFIX, MATCH_NAME, MATCH_ID };
enum { DIGEST_PREFIX_MIN = sizeof("sha256:") - 1 + 12 };

static enum match image_match(const char *ref, const char *id, const char *name, const char *digest)
{
    size_t n = strlen(ref);
    if (strcmp(ref, id) == 0)
        return MATCH_ID;
    if (strcmp(ref, name) == 0)
        return MATCH_NAME;
    if (strncmp(ref, "sha256:", 7) == 0)
        return n >= DIGEST_PREFIX_MIN && strncmp(ref, digest, n) == 0 ? MATCH_PREFIX : MATCH_NONE;
    return id_is_prefix(ref) && strncmp(ref, id, n) == 0 ? MATCH_PREFIX : MATCH_NONE;
}

/* Of several prefixes none is meant; a name or an id beats them all. */
struct image_search {
    enum match best;
    const void *found;
    size_t prefixes;
};

static void image_search_look(struct image_search *s, enum match m, const void *what)
{
    s->prefixes += m == MATCH_PREFIX;
    if (m > s->best) {
        s->best = m;
        s->found = what;
    }
}

static const void *image_search_end(const struct image_search *s, const char *what, const char *ref,
                                    const char *reason, struct err *err)
{
    if (s->best > MATCH_PREFIX || s->prefixes == 1)
        return s->found;
    if (s->prefixes > 1) {
        err_set(err, ERR_INVALID, "%s stands for %zu %ss; give more of it, or the name", ref,
                s->prefixes, what);
        err_tag(err, "AMBIGUOUS_REFERENCE", "%s/%.64s", what, ref);
    } else {
        err_set(err, ERR_NOT_FOUND, "no %s %.128s; `banger %s list` shows what there is", what, ref,
                what);
        err_tag(err, reason, "%s/%.64s", what, ref);
    }
    return NULL;
}

const struct image *image_find(struct core *core, const char *ref, struct err *err)
{
    struct image_search s = {.best = MATCH_NONE};
    for (const struct image *i = NULL; *ref && (i = image_next(core, i));)
        image_search_look(&s, image_match(ref, i->id, i->name, i->digest), i);
    return image_search_end(&s, "image", ref, "IMAGE_NOT_FOUND", err);
}

const struct kernel *kernel_find(struct core *core, const char *ref, struct err *err)
{
    struct image_search s = {.best = MATCH_NONE};
    for (const struct kernel *k = NULL; *ref && (k = kernel_next(core, k));)
        image_search_look(&s, image_match(ref, k->id, k->name, k->digest), k);
    return image_search_end(&s, "kernel", ref, "KERNEL_NOT_FOUND", err);
}

const struct image *image_default(struct core *core, struct err *err)
{
    const char *name = core->config.default_image;
    if (*name)
        for (const struct image *i = NULL; (i = image_next(core, i));)
            if (strcmp(i->name, name) == 0)
                return i;
    const struct image *only = image_next(core, NULL);
    if (only && !image_next(core, only))
        return only;
    if (only)
        err_set(err, ERR_NOT_FOUND,
                "there is no default image (%s); name one of `banger image list`",
                *name ? name : "none is set");
    else
        err_set(err, ERR_NOT_FOUND, "there is no image yet; make one with `banger image build`");
    err_tag(err, "IMAGE_NOT_FOUND", NULL);
    return NULL;
}

const struct kernel *kernel_default(struct core *core, struct err *err)
{
    const struct kernel *last = NULL;
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        last = k;
    if (!last) {
        err_set(err, ERR_NOT_FOUND, "there is no kernel yet; `banger image build` fetches one");
        err_tag(err, "KERNEL_NOT_FOUND", NULL);
    }
    return last;
}

uint32_t image_vm_count(struct core *core, const char *image_id)
{
    uint32_t n = 0;
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));)
        n += strcmp(e->vm.spec.image_id, image_id) == 0;
    return n;
}

uint32_t kernel_user_count(struct core *core, const char *kernel_id)
{
    uint32_t n = 0;
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));)
        n += strcmp(e->vm.spec.kernel_id, kernel_id) == 0;
    for (const struct image *i = NULL; (i = image_next(core, i));)
        n += strcmp(i->kernel_id, kernel_id) == 0;
    return n;
}

/* Publishing and tagging */

static void image_emit(struct core *core, struct store_txn *txn, const char *kind, const char *what,
                       const char *id, const char *name)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "%s/%s", what, id);
    event_emit(core, txn, kind, resource, name, NULL);
}

/* Another image of that name is known by its id from now on. */
static void image_free_name(struct core *core, const char *name, const char *but_id,
                            struct store_txn *txn)
{
    list_foreach(l, &core->images->images)
    {
        struct image *i = &container_of(l, struct image_entry, link)->image;
        if (strcmp(i->name, name) == 0 && strcmp(i->id, but_id) != 0) {
            i->name[0] = '\0';
            store_put_image(txn, i);
        }
    }
}

int image_publish(struct core *core, const struct image *image, struct store_txn *txn,
                  struct err *err)
{
    if (image_load_each(core->images, image) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for an image");
    image_free_name(core, image->name, image->id, txn);
    store_put_image(txn, image);
    record_keep_image_with(core, image, txn);
    image_emit(core, txn, "image.created", "image", image->id, image->name);
    return 0;
}

int kernel_publish(struct core *core, const struct kernel *kernel, struct store_txn *txn,
                   struct err *err)
{
    if (kernel_load_each(core->images, kernel) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for a kernel");
    store_put_kernel(txn, kernel);
    record_keep_kernel_with(core, kernel, txn);
    image_emit(core, txn, "kernel.created", "kernel", kernel->id, kernel->name);
    return 0;
}

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

static void image_tagged(void *arg, const struct err *err)
{
    (void)arg, (void)err;
}

int image_tag(struct core *core, const char *ref, const char *name, struct err *err)
{
    const struct image *found = image_find(core, ref, err);
    if (!found || image_name_check(name, err) < 0)
        return -1;
    struct image *image = NULL;
    list_foreach(l, &core->images->images)
    {
        struct image *i = &container_of(l, struct image_entry, link)->image;
        if (i == found)
            image = i;
    }
    struct store_txn *txn = store_txn_new();
    image_free_name(core, name, image->id, txn);
    snprintf(image->name, sizeof(image->name), "%s", name);
    store_put_image(txn, image);
    record_keep_image_with(core, image, txn);
    image_emit(core, txn, "image.tagged", "image", image->id, name);
    store_commit(core->store, txn, image_tagged, NULL);
    return 0;
}

/* Deletion: the record first, then the files; what a crash leaves of them reconcile removes. */

struct image_deletion {
    struct job job;
    struct core *core;
    char folder[PATH_BYTES];
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void image_deletion_run(struct job *job)
{
    struct image_deletion *d = container_of(job, struct image_deletion, job);
    struct err err = ERR_INIT;
    if (fs_remove_tree(d->folder, &err) < 0)
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
    d->job = (struct job){.run = image_deletion_run, .done = image_deletion_done};
    if (err || workers_submit(d->core->workers, &d->job, &refused) < 0)
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
    store_delete_image(txn, i->id);
    image_emit(core, txn, "image.deleted", "image", i->id, i->name);
    list_foreach(l, &core->images->images)
    {
        struct image_entry *e = container_of(l, struct image_entry, link);
        if (&e->image == i) {
            list_remove(l);
            free(e);
            break;
        }
    }
    store_commit(core->store, txn, image_deletion_stored, d);
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
    store_delete_kernel(txn, k->id);
    image_emit(core, txn, "kernel.deleted", "kernel", k->id, k->name);
    list_foreach(l, &core->images->kernels)
    {
        struct kernel_entry *e = container_of(l, struct kernel_entry, link);
        if (&e->kernel == k) {
            list_remove(l);
            free(e);
            break;
        }
    }
    store_commit(core->store, txn, image_deletion_stored, d);
    return 0;
}

/* Initramfs of every kernel, with the agent as it is now */

struct image_refresh {
    size_t left;
    void (*done)(void *arg);
    void *arg;
};

static void image_refresh_less(void *arg)
{
    struct image_refresh *r = arg;
    if (--r->left > 0)
        return;
    r->done(r->arg);
    free(r);
}

static void image_refreshed(void *arg, bool written, const struct err *err)
{
    if (err)
        log_err(LOG_LEVEL_ERROR, NULL, err, "cannot bring a kernel's initramfs up to date");
    else if (written)
        log_info(NULL, "an initramfs was written again for this agent");
    image_refresh_less(arg);
}

void image_refresh(struct core *core, void (*done)(void *arg), void *arg)
{
    struct image_refresh *r = malloc(sizeof(*r));
    if (!r) {
        log_error(NULL, "out of memory bringing initramfs up to date");
        loop_post(core->loop, done, arg);
        return;
    }
    *r = (struct image_refresh){.left = 1, .done = done, .arg = arg};
    bool agent = core->config.guest_agent_path[0];
    for (const struct kernel *k = NULL; agent && (k = kernel_next(core, k));) {
        struct err err = ERR_INIT;
        if (initramfs_refresh_start(core->workers, core->config.guest_agent_path, k,
                                    image_refreshed, r, &err) == 0)
            r->left++;
        else
            log_err(LOG_LEVEL_ERROR, k->id, &err, "cannot bring its initramfs up to date");
    }
    loop_post(core->loop, image_refresh_less, r);
}
