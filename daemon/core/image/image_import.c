/* Images and kernels from files; see image_import.h.
 *
 * One step each: the host's import publishes a folder or nothing. Its id is in the
 * operation's row before there is any, so that what a crash leaves of it is known to be ours, and
 * removed by the next start (unlisted.h) before the operation goes on, with the step's beginning.
 */
#include "daemon/core/image/image_import.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_params.h"
#include "daemon/host/image_file.h"
#include "daemon/host/kernel.h"
#include "daemon/host/kernel_own.h"

/* Context of a running import. */
struct import {
    struct image_file_import *image_file;
    struct kernel_import *kernel_file;
    struct kernel_own_import *kernel_own;
    struct image image;   /* once made */
    struct kernel kernel; /* once made */
};

static struct import *import_get(struct operation_entry *op)
{
    if (!operation_data(op))
        operation_set_data(op, calloc(1, sizeof(struct import)));
    if (!operation_data(op)) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_LIMIT, "out of memory");
        operation_step_done(op, &err);
    }
    return operation_data(op);
}

static void import_progress(void *arg, const char *stage, uint32_t percent, const char *message)
{
    char line[TEXT_BYTES];
    snprintf(line, sizeof(line), "%s%s%s", stage, *message ? ": " : "", message);
    operation_progress(arg, percent, line);
}

static void import_cancel_step(struct operation_entry *op)
{
    struct import *im = operation_data(op);
    if (im->image_file)
        image_file_import_cancel(im->image_file);
    if (im->kernel_file)
        kernel_import_cancel(im->kernel_file);
    if (im->kernel_own)
        kernel_own_import_cancel(im->kernel_own);
}

static void image_done(void *arg, const struct image *image, const struct err *err)
{
    struct operation_entry *op = arg;
    struct import *im = operation_data(op);
    im->image_file = NULL;
    if (image) {
        im->image = *image;
        json_t *params = image_params_read(op);
        image_params_text(params, "kernel", im->image.kernel_id, sizeof(im->image.kernel_id));
        json_decref(params);
        operation_set_result(op, "image", image->id);
    }
    operation_step_done(op, err);
}

static void image_run(struct operation_entry *op)
{
    char path[PATH_BYTES], name[NAME_BYTES * 2], folder[PATH_BYTES], id[ID_BYTES];
    struct err err = ERR_INIT;
    struct import *im = import_get(op);
    if (!im)
        return;
    json_t *params = image_params_read(op);
    image_params_text(params, "path", path, sizeof(path));
    image_params_text(params, "name", name, sizeof(name));
    const char *made = image_params_made(params, "image", id);
    json_decref(params);
    snprintf(folder, sizeof(folder), "%.480s/images", operation_core(op)->config.state_dir);
    struct image_file_spec spec = {
        .images_dir = folder,
        .id = made,
        .path = path,
        .name = name,
        .progress = import_progress,
        .done = image_done,
        .arg = op,
    };
    im->image_file =
        image_file_import_start(operation_core(op)->loop, operation_core(op)->slow, &spec, &err);
    if (im->image_file)
        operation_let_stop(op, import_cancel_step);
    else
        operation_step_done(op, &err);
}

static void image_finish(struct operation_entry *op, struct store_txn *txn)
{
    const struct import *im = operation_data(op);
    if (operation_row(op)->state == OP_SUCCEEDED)
        image_publish(operation_core(op), &im->image, txn, NULL);
}

static void kernel_done(void *arg, const struct kernel *kernel, const struct err *err)
{
    struct operation_entry *op = arg;
    struct import *im = operation_data(op);
    im->kernel_file = NULL;
    im->kernel_own = NULL;
    if (kernel) {
        im->kernel = *kernel;
        operation_set_result(op, "kernel", kernel->id);
    }
    operation_step_done(op, err);
}

static bool kernel_start(struct operation_entry *op, struct import *im,
                         const struct kernel_import_spec *spec, const char *initrd, struct err *err)
{
    struct core *core = operation_core(op);
    if (*initrd) {
        struct kernel_own_spec own = {.kernels_dir = spec->kernels_dir,
                                      .id = spec->id,
                                      .vmlinuz_path = spec->vmlinuz_path,
                                      .initrd_path = initrd,
                                      .progress = spec->progress,
                                      .done = spec->done,
                                      .arg = spec->arg};
        im->kernel_own = kernel_own_import_start(core->loop, core->slow, &own, err);
        return im->kernel_own != NULL;
    }
    im->kernel_file = kernel_import_start(core->loop, core->slow, spec, err);
    return im->kernel_file != NULL;
}

static void kernel_run(struct operation_entry *op)
{
    char vmlinuz[PATH_BYTES], modules[PATH_BYTES], folder[PATH_BYTES], cache[PATH_BYTES];
    char initrd[PATH_BYTES], id[ID_BYTES];
    struct err err = ERR_INIT;
    struct import *im = import_get(op);
    if (!im)
        return;
    json_t *params = image_params_read(op);
    image_params_text(params, "kernel_path", vmlinuz, sizeof(vmlinuz));
    image_params_text(params, "modules_path", modules, sizeof(modules));
    image_params_text(params, "initrd_path", initrd, sizeof(initrd));
    const char *made = image_params_made(params, "kernel", id);
    json_decref(params);
    snprintf(folder, sizeof(folder), "%.480s/kernels", operation_core(op)->config.state_dir);
    snprintf(cache, sizeof(cache), "%.480s/cache", operation_core(op)->config.state_dir);
    struct kernel_import_spec spec = {
        .kernels_dir = folder,
        .id = made,
        .cache_dir = cache,
        .agent_path = operation_core(op)->config.guest_agent_path,
        .vmlinuz_path = vmlinuz,
        .modules_dir = modules,
        .progress = import_progress,
        .done = kernel_done,
        .arg = op,
    };
    if (kernel_start(op, im, &spec, initrd, &err))
        operation_let_stop(op, import_cancel_step);
    else
        operation_step_done(op, &err);
}

static void kernel_finish(struct operation_entry *op, struct store_txn *txn)
{
    const struct import *im = operation_data(op);
    if (operation_row(op)->state == OP_SUCCEEDED)
        kernel_publish(operation_core(op), &im->kernel, txn, NULL);
}

static const struct operation_step image_steps[] = {
    {.name = "import", .percent = 0, .run = image_run},
};
static const struct operation_step kernel_steps[] = {
    {.name = "import", .percent = 0, .run = kernel_run},
};

const struct operation_kind image_import_kind = {
    .name = "image.import",
    .steps = image_steps,
    .n_steps = 1,
    .after_crash = OPERATION_GO_ON,
    .ends_with_daemon = true,
    .finish = image_finish,
    .free_data = free,
};
const struct operation_kind kernel_import_kind = {
    .name = "kernel.import",
    .steps = kernel_steps,
    .n_steps = 1,
    .after_crash = OPERATION_GO_ON,
    .ends_with_daemon = true,
    .finish = kernel_finish,
    .free_data = free,
};

/* params is stolen; what_it_makes: "image" or "kernel". */
static struct operation_entry *start(struct core *core, const struct operation_kind *kind,
                                     const char *what_it_makes, json_t *params,
                                     const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found = NULL;
    char made[NAME_BYTES], id[ID_BYTES];
    id_make(id);
    snprintf(made, sizeof(made), "%s/%s", what_it_makes, id);
    if (params)
        json_object_set_new(params, "makes", json_pack("[s]", made));
    auto_free char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    json_decref(params);
    if (!text) {
        err_set(err, ERR_INVALID, "the paths are not valid UTF-8");
        return NULL;
    }
    if (strlen(text) >= PARAMS_BYTES) {
        err_set(err, ERR_INVALID, "the paths are too long");
        return NULL;
    }
    if (operation_find_request(core, meta, kind->name, &found, err) < 0)
        return NULL;
    if (found)
        return found;
    struct operation_new what = {.kind = kind, .resource = "", .params = text, .meta = meta};
    return operation_start(core, &what, err);
}

struct operation_entry *image_ask_import(struct core *core, const struct image_import_request *req,
                                         const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found = NULL;
    if (req->path[0] != '/') {
        err_set(err, ERR_INVALID, "path must be absolute");
        return NULL;
    }
    /* A repeated request gets its answer whatever has become of the kernel. */
    if (operation_find_request(core, meta, image_import_kind.name, &found, err) < 0)
        return NULL;
    if (found)
        return found;
    const struct kernel *kernel =
        *req->kernel ? kernel_find(core, req->kernel, err) : kernel_default(core, err);
    if (!kernel)
        return NULL;
    return start(core, &image_import_kind, "image",
                 json_pack("{ssssss}", "path", req->path, "name", req->name, "kernel", kernel->id),
                 meta, err);
}

struct operation_entry *kernel_ask_import(struct core *core,
                                          const struct kernel_import_request *req,
                                          const struct request_meta *meta, struct err *err)
{
    const char *beside = req->initrd_path[0] ? req->initrd_path : req->modules_path;
    if (req->kernel_path[0] != '/' || beside[0] != '/') {
        err_set(err, ERR_INVALID,
                "kernel_path, and modules_path or initrd_path, must be absolute paths");
        return NULL;
    }
    if (req->initrd_path[0] && req->modules_path[0]) {
        err_set(err, ERR_INVALID,
                "a kernel has either its modules (for an initrd of ours) or an initrd of its own");
        return NULL;
    }
    return start(core, &kernel_import_kind, "kernel",
                 json_pack("{ssssss}", "kernel_path", req->kernel_path, "modules_path",
                           req->modules_path, "initrd_path", req->initrd_path),
                 meta, err);
}
