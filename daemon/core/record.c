/* Records in folders; see record.h. One job at a time takes a few of those that wait: they are
 * small files, on the pool of what is short. */
#include "daemon/core/record.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/store/record.h"
#include "daemon/store/store.h"
#include "rpc/event/worker.h"

enum { RECORDS_AT_ONCE = 16 };

struct record_file {
    struct list link;
    char path[PATH_BYTES + 64];
    char *text; /* owned */
};

struct record_keeper {
    struct core *core;
    struct list waiting; /* struct record_file */
    struct list taken;   /* by the job */
    struct job job;
    bool running;
};

static void record_free_all(struct list *files)
{
    for (struct list *l; (l = list_first(files));) {
        struct record_file *f = container_of(l, struct record_file, link);
        list_remove(l);
        free(f->text);
        free(f);
    }
}

static void record_run(struct job *job)
{
    struct record_keeper *k = container_of(job, struct record_keeper, job);
    list_foreach(l, &k->taken)
    {
        struct record_file *f = container_of(l, struct record_file, link);
        struct err err = ERR_INIT;
        /* Most of them are there at a start. */
        if (!fs_has(f->path, f->text, strlen(f->text)) &&
            fs_write_atomic(f->path, f->text, strlen(f->text), 0600, &err) < 0 &&
            err.code != ERR_NOT_FOUND)
            log_err(LOG_LEVEL_WARN, f->path, &err, "cannot keep the record");
    }
}

static void record_start(struct record_keeper *k);

static void record_done(struct job *job)
{
    struct record_keeper *k = container_of(job, struct record_keeper, job);
    record_free_all(&k->taken);
    k->running = false;
    record_start(k);
}

static void record_start(struct record_keeper *k)
{
    if (k->running || list_empty(&k->waiting))
        return;
    struct list *l;
    for (int i = 0; i < RECORDS_AT_ONCE && (l = list_first(&k->waiting)); i++) {
        list_remove(l);
        list_add_tail(&k->taken, l);
    }
    k->job = (struct job){.run = record_run, .done = record_done};
    k->running = workers_submit(k->core->quick, &k->job, NULL) == 0;
    if (k->running)
        return;
    /* The pool has stopped: the daemon ends, and holds nobody up any more. */
    record_run(&k->job);
    record_free_all(&k->taken);
    record_start(k);
}

/* Takes text (NULL: out of memory); NULL is made good by the next start. */
static struct record_file *record_make(const struct core *core, const char *folder, const char *id,
                                       const char *file, char *text)
{
    struct record_file *f = text ? calloc(1, sizeof(*f)) : NULL;
    if (!f) {
        free(text);
        return NULL;
    }
    f->text = text;
    snprintf(f->path, sizeof(f->path), "%.400s/%s/%s/%s", core->config.state_dir, folder, id, file);
    return f;
}

static struct record_file *record_make_vm(const struct core *core, const struct vm *vm)
{
    return record_make(core, "vms", vm->id, "vm.json", record_of_vm(vm));
}

static struct record_file *record_make_image(const struct core *core, const struct image *image)
{
    return record_make(core, "images", image->id, "image.json", record_of_image(image));
}

static struct record_file *record_make_kernel(const struct core *core, const struct kernel *kernel)
{
    return record_make(core, "kernels", kernel->id, "kernel.json", record_of_kernel(kernel));
}

static void record_drop(struct record_file *f)
{
    if (f)
        free(f->text);
    free(f);
}

/* Takes f, which may be NULL. */
static void record_keep(struct core *core, struct record_file *f)
{
    struct record_keeper *k = core->records;
    if (!f || !k) {
        record_drop(f);
        return;
    }
    list_add_tail(&k->waiting, &f->link);
    record_start(k);
}

void record_keep_vm(struct core *core, const struct vm *vm)
{
    record_keep(core, record_make_vm(core, vm));
}

/* The row is on disk, or will never be. */

struct record_promise {
    struct core *core;
    struct record_file *file; /* owned */
};

static void record_promised(void *arg, const struct err *err)
{
    struct record_promise *p = arg;
    if (err)
        record_drop(p->file);
    else
        record_keep(p->core, p->file);
    free(p);
}

static void record_promise(struct core *core, struct record_file *f, struct store_txn *txn)
{
    struct record_promise *p = f ? calloc(1, sizeof(*p)) : NULL;
    if (!p) {
        record_drop(f);
        return;
    }
    *p = (struct record_promise){core, f};
    store_on_commit(txn, record_promised, p);
}

void record_keep_vm_with(struct core *core, const struct vm *vm, struct store_txn *txn)
{
    record_promise(core, record_make_vm(core, vm), txn);
}

void record_keep_image_with(struct core *core, const struct image *image, struct store_txn *txn)
{
    record_promise(core, record_make_image(core, image), txn);
}

void record_keep_kernel_with(struct core *core, const struct kernel *kernel, struct store_txn *txn)
{
    record_promise(core, record_make_kernel(core, kernel), txn);
}

void record_keep_image(struct core *core, const struct image *image)
{
    record_keep(core, record_make_image(core, image));
}

void record_keep_kernel(struct core *core, const struct kernel *kernel)
{
    record_keep(core, record_make_kernel(core, kernel));
}

struct record_keeper *record_keeper_new(struct core *core, struct err *err)
{
    struct record_keeper *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(err, ERR_LIMIT, "out of memory for records");
        return NULL;
    }
    k->core = core;
    list_init(&k->waiting);
    list_init(&k->taken);
    return k;
}

void record_keeper_free(struct record_keeper *k)
{
    if (!k)
        return;
    record_free_all(&k->waiting);
    record_free_all(&k->taken);
    free(k);
}
