/* Images and kernels found and counted; see image.h. Their changes are in image_change.c. */
#include "daemon/core/image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/reference.h"
#include "daemon/core/image/image_import.h"
#include "daemon/core/image/image_internal.h"
#include "daemon/host/initramfs.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

/* How often one image or kernel is held. */
struct image_hold {
    char id[ID_BYTES];
    uint32_t n;
};

/* A file of an image or kernel is where the state folder is now, which may have been moved since
 * the row was written; one that is elsewhere, and not here, stays there. */
static int image_place(const struct image_registry *r, const char *kind, const char *id,
                       char path[PATH_BYTES])
{
    char tail[PATH_BYTES], was[PATH_BYTES];
    snprintf(was, sizeof(was), "%s", path);
    snprintf(tail, sizeof(tail), "/%s/%s/", kind, id);
    const char *at = strstr(was, tail);
    for (const char *next = at; next && (next = strstr(next + 1, tail));)
        at = next;
    if (!at)
        return 0;
    int n = snprintf(path, PATH_BYTES, "%s%s", r->core->config.state_dir, at);
    if (n <= 0 || n >= PATH_BYTES)
        return -1;
    if (access(path, F_OK) < 0 && access(was, F_OK) == 0)
        memcpy(path, was, PATH_BYTES);
    return 0;
}

static int image_load_each(void *arg, const struct image *image)
{
    struct image_registry *r = arg;
    struct image_entry *e = malloc(sizeof(*e));
    if (!e)
        return -1;
    struct image here = *image;
    if (image_place(r, "images", here.id, here.path) < 0) {
        free(e);
        return -1;
    }
    *e = (struct image_entry){.image = here, .next = here, .listed = true};
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
    struct kernel here = *kernel;
    if (image_place(r, "kernels", here.id, here.vmlinux_path) < 0 ||
        image_place(r, "kernels", here.id, here.initramfs_path) < 0) {
        free(e);
        return -1;
    }
    *e = (struct kernel_entry){.kernel = here, .listed = true};
    list_init(&e->link);
    list_add_tail(&r->kernels, &e->link);
    return 0;
}

struct image_registry *image_registry_new(struct core *core, struct err *err)
{
    struct image_registry *r = calloc(1, sizeof(*r));
    if (!r) {
        err_set(err, ERR_LIMIT, "out of memory for images");
        return NULL;
    }
    r->core = core;
    map_init(&r->holds);
    list_init(&r->images);
    list_init(&r->kernels);
    list_init(&r->tags);
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
    image_tags_done(r);
    list_foreach(l, &r->images) free(container_of(l, struct image_entry, link));
    list_foreach(k, &r->kernels) free(container_of(k, struct kernel_entry, link));
    size_t at = 0;
    for (struct image_hold *h; (h = map_next(&r->holds, &at));)
        free(h);
    map_done(&r->holds);
    free(r);
}

const struct image *image_next(struct core *core, const struct image *after)
{
    struct list *all = &core->images->images;
    const struct list *l =
        after ? container_of(after, const struct image_entry, image)->link.next : all->next;
    for (; l != all; l = l->next) {
        const struct image_entry *e = container_of(l, const struct image_entry, link);
        if (e->listed && !e->leaving)
            return &e->image;
    }
    return NULL;
}

const struct kernel *kernel_next(struct core *core, const struct kernel *after)
{
    struct list *all = &core->images->kernels;
    const struct list *l =
        after ? container_of(after, const struct kernel_entry, kernel)->link.next : all->next;
    for (; l != all; l = l->next) {
        const struct kernel_entry *e = container_of(l, const struct kernel_entry, link);
        if (e->listed && !e->leaving)
            return &e->kernel;
    }
    return NULL;
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

const struct image *image_find(struct core *core, const char *ref, struct err *err)
{
    struct reference r = {.ref = ref,
                          .what = "image",
                          .kind = "image",
                          .not_found = "IMAGE_NOT_FOUND",
                          .hint = "; `banger image list` shows what there is"};
    for (const struct image *i = NULL; (i = image_next(core, i));)
        reference_offer(&r, i, i->id, i->name, i->digest);
    return reference_end(&r, err);
}

const struct kernel *kernel_find(struct core *core, const char *ref, struct err *err)
{
    struct reference r = {.ref = ref,
                          .what = "kernel",
                          .kind = "kernel",
                          .not_found = "KERNEL_NOT_FOUND",
                          .hint = "; `banger kernel list` shows what there is"};
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        reference_offer(&r, k, k->id, k->name, k->digest);
    return reference_end(&r, err);
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
        if (!k->own_initrd) /* such a kernel takes an image that is made for it */
            last = k;
    if (!last) {
        err_set(err, ERR_NOT_FOUND, "there is no kernel yet; `banger image build` fetches one");
        err_tag(err, "KERNEL_NOT_FOUND", NULL);
    }
    return last;
}

int image_hold(struct core *core, const char *id, struct err *err)
{
    struct map *holds = &core->images->holds;
    struct image_hold *h = map_find(holds, id);
    if (!*id)
        return 0;
    if (!h && (h = calloc(1, sizeof(*h)))) {
        snprintf(h->id, sizeof(h->id), "%s", id);
        if (map_put(holds, h->id, h) < 0)
            free(take_ptr(&h));
    }
    if (!h)
        return err_set(err, ERR_LIMIT, "out of memory for an image");
    h->n++;
    return 0;
}

void image_release(struct core *core, const char *id)
{
    struct image_hold *h = core->images ? map_find(&core->images->holds, id) : NULL;
    if (!h || --h->n > 0)
        return;
    map_take(&core->images->holds, id);
    free(h);
}

uint32_t image_vm_count(const struct core *core, const char *image_id)
{
    const struct image_hold *h = map_find(&core->images->holds, image_id);
    return h ? h->n : 0;
}

uint32_t kernel_user_count(struct core *core, const char *kernel_id)
{
    uint32_t n = image_vm_count(core, kernel_id);
    list_foreach(l, &core->images->images) n +=
        strcmp(container_of(l, struct image_entry, link)->next.kernel_id, kernel_id) == 0;
    /* An import that is not over names it too. */
    for (struct operation_entry *op = NULL; (op = operation_next(core, op));)
        n += !operation_is_over(op) &&
             strcmp(operation_kind_of(op)->name, image_import_kind.name) == 0 &&
             strstr(text_get(operation_row(op)->params), kernel_id);
    return n;
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
        if (k->own_initrd)
            continue;
        if (initramfs_refresh_start(core->slow, core->config.guest_agent_path, k, image_refreshed,
                                    r, &err) == 0)
            r->left++;
        else
            log_err(LOG_LEVEL_ERROR, k->id, &err, "cannot bring its initramfs up to date");
    }
    loop_post(core->loop, image_refresh_less, r);
}
