/* image.build and kernel.pull.
 *
 * What is to be built, and the ids that it gets, are in the operation's row. A build that a crash
 * cut off goes on with the step that was under way, from that step's beginning: what it had made is
 * removed by the next start before anything goes on (unlisted.h), a package that was fetched is in
 * the cache. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_params.h"
#include "daemon/core/host/room.h"
#include "daemon/host/kernel.h"
#include "daemon/host/rootfs.h"
#include "daemon/store/store.h"

enum { PACKAGES_MAX = 256, KERNEL_PERCENT = 30 };

struct image_build {
    struct operation_entry *op;
    char name[NAME_BYTES * 2], suite[64];
    char *packages[PACKAGES_MAX + 1]; /* owned */
    uint64_t size_bytes;
    char image_id[ID_BYTES], kernel_id[ID_BYTES]; /* that they will have */
    struct kernel_import *import;                 /* under way */
    struct rootfs_build *rootfs;                  /* under way */
    struct image image;                           /* made */
    bool made;
    uint32_t percent_from, percent_to; /* of the step */
};

static void image_build_free(void *data)
{
    struct image_build *b = data;
    for (size_t i = 0; i < PACKAGES_MAX; i++)
        free(b->packages[i]);
    free(b);
}

/* What is asked for: checked, and the same again from the row */

/* Package names as Debian allows them (policy 5.6.1), with an optional =version or /suite. */
static int image_package_check(const char *package, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-=/:~";
    size_t n = strlen(package);
    if (n >= 2 && n <= 128 && strspn(package, allowed) == n && package[0] != '-' &&
        package[0] != '/')
        return 0;
    err_set(err, ERR_INVALID, "\"%.80s\" cannot be a package's name", package);
    return err_tag(err, "INVALID_PACKAGE", NULL);
}

static int image_build_fill(struct image_build *b, const struct image_build_request *req,
                            struct err *err)
{
    snprintf(b->name, sizeof(b->name), "%s", req->name);
    snprintf(b->suite, sizeof(b->suite), "%s", req->suite);
    b->size_bytes = req->size_bytes;
    b->percent_from = 1;
    b->percent_to = KERNEL_PERCENT;
    if ((b->name[0] && image_name_check(b->name, err) < 0) ||
        (b->suite[0] && !name_is_valid(b->suite))) {
        if (!err->code)
            err_set(err, ERR_INVALID, "\"%s\" cannot be a suite", b->suite);
        return -1;
    }
    if (b->size_bytes != 0 && (b->size_bytes < (uint64_t)512 << 20 ||
                               b->size_bytes > (uint64_t)1 << 40 || b->size_bytes % 4096 != 0)) {
        err_set(err, ERR_INVALID, "an image can be of 512 MiB to 1 TiB, a multiple of 4096 bytes");
        return err_tag(err, "INVALID_SIZE", NULL);
    }
    if (req->format == IMAGE_QCOW2) {
        err_set(err, ERR_UNIMPLEMENTED, "images are built raw so far");
        return -1;
    }
    for (size_t i = 0; req->packages && req->packages[i]; i++) {
        if (i == PACKAGES_MAX)
            return err_set(err, ERR_INVALID, "more than %d packages", PACKAGES_MAX);
        if (image_package_check(req->packages[i], err) < 0)
            return -1;
        b->packages[i] = strdup(req->packages[i]);
        if (!b->packages[i])
            return err_set(err, ERR_LIMIT, "out of memory for package names");
    }
    return 0;
}

/* NULL: no memory. */
static char *image_build_write(const struct image_build_request *req, const char *image_id,
                               const char *kernel_id)
{
    char image[NAME_BYTES], kernel[NAME_BYTES];
    json_t *packages = json_array();
    for (size_t i = 0; req->packages && req->packages[i]; i++)
        json_array_append_new(packages, json_string(req->packages[i]));
    snprintf(image, sizeof(image), "image/%s", image_id);
    snprintf(kernel, sizeof(kernel), "kernel/%s", kernel_id);
    json_t *params =
        json_pack("{s[ss] ss ss sI so}", "makes", image, kernel, "name", req->name, "suite",
                  req->suite, "bytes", (json_int_t)req->size_bytes, "packages", packages);
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    json_decref(params);
    return text;
}

static int image_build_read(struct image_build *b, const json_t *params, struct err *err)
{
    struct image_build_request req = {0};
    const char *packages[PACKAGES_MAX + 1] = {NULL};
    const json_t *each, *list = json_object_get(params, "packages");
    size_t at;
    if (!list || !image_params_made(params, "image", b->image_id) ||
        !image_params_made(params, "kernel", b->kernel_id))
        return err_set(err, ERR_UNAVAILABLE, "its row does not say what to build; try again");
    json_array_foreach(list, at, each)
    {
        if (at < PACKAGES_MAX)
            packages[at] = json_string_value(each);
    }
    image_params_text(params, "name", req.name, sizeof(req.name));
    image_params_text(params, "suite", req.suite, sizeof(req.suite));
    req.size_bytes = (uint64_t)json_integer_value(json_object_get(params, "bytes"));
    req.packages = packages;
    return image_build_fill(b, &req, err);
}

/* Begun by us or by an earlier daemon. NULL: the step has ended. */
static struct image_build *image_build_get(struct operation_entry *op)
{
    struct err err = ERR_INIT;
    if (operation_data(op))
        return operation_data(op);
    struct image_build *b = calloc(1, sizeof(*b));
    json_t *params = image_params_read(op);
    int rc = b ? image_build_read(b, params, &err) : err_set(&err, ERR_LIMIT, "out of memory");
    json_decref(params);
    if (rc == 0) {
        b->op = op;
        operation_set_data(op, b);
        return b;
    }
    if (b)
        image_build_free(b);
    operation_step_done(op, &err);
    return NULL;
}

static void image_build_progress(void *arg, const char *stage, uint32_t percent,
                                 const char *message)
{
    struct image_build *b = arg;
    char text[TEXT_BYTES];
    snprintf(text, sizeof(text), "%s%s%.400s", stage, *message ? ": " : "", message);
    uint32_t span = b->percent_to - b->percent_from;
    operation_progress(b->op, b->percent_from + (percent > 100 ? 100 : percent) * span / 100, text);
}

static void image_build_cancel(struct operation_entry *op)
{
    struct image_build *b = operation_data(op);
    if (b->import)
        kernel_import_cancel(b->import);
    if (b->rootfs)
        rootfs_build_cancel(b->rootfs);
}

/* Kernel */

static bool image_has_kernel(struct operation_entry *op)
{
    return kernel_next(operation_core(op), NULL) != NULL;
}

static void image_kernel_is_there(struct image_build *b)
{
    if (strcmp(operation_kind_of(b->op)->name, kernel_pull_kind.name) == 0)
        operation_set_result(b->op, "kernel", b->kernel_id);
}

static void image_kernel_stored(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (operation_core(op)->operations)
        operation_step_done(op, err);
    operation_unref(op);
}

static void image_kernel_done(void *arg, const struct kernel *kernel, const struct err *err)
{
    struct image_build *b = arg;
    struct err why = ERR_INIT;
    b->import = NULL;
    if (err) {
        operation_step_done(b->op, err);
        return;
    }
    struct store_txn *txn = store_txn_new();
    if (kernel_publish(operation_core(b->op), kernel, txn, &why) < 0) {
        store_txn_free(txn);
        operation_step_done(b->op, &why);
        return;
    }
    image_kernel_is_there(b);
    store_commit(operation_core(b->op)->store, txn, image_kernel_stored, operation_ref(b->op));
}

static void image_kernel_run(struct operation_entry *op)
{
    struct image_build *b = image_build_get(op);
    struct core *core = operation_core(op);
    struct err err = ERR_INIT;
    if (!b)
        return;
    if (kernel_find_id(core, b->kernel_id)) { /* it had got as far as that */
        image_kernel_is_there(b);
        operation_step_done(op, NULL);
        return;
    }
    char kernels[PATH_BYTES], cache[PATH_BYTES];
    snprintf(kernels, sizeof(kernels), "%.480s/kernels", core->config.state_dir);
    snprintf(cache, sizeof(cache), "%.480s/cache", core->config.state_dir);
    struct kernel_import_spec spec = {.kernels_dir = kernels,
                                      .id = b->kernel_id,
                                      .cache_dir = cache,
                                      .agent_path = core->config.guest_agent_path,
                                      .progress = image_build_progress,
                                      .done = image_kernel_done,
                                      .arg = b};
    operation_let_stop(op, image_build_cancel);
    b->import = kernel_import_start(core->loop, core->slow, &spec, &err);
    if (!b->import)
        operation_step_done(op, &err);
}

/* Root filesystem */

static void image_rootfs_done(void *arg, const struct image *image, const struct err *err)
{
    struct image_build *b = arg;
    struct err why = ERR_INIT;
    b->rootfs = NULL;
    if (err) {
        operation_step_done(b->op, err);
        return;
    }
    b->image = *image;
    b->made = true;
    const struct kernel *kernel = kernel_default(operation_core(b->op), &why);
    if (!b->image.kernel_id[0] && kernel)
        snprintf(b->image.kernel_id, sizeof(b->image.kernel_id), "%s", kernel->id);
    operation_set_result(b->op, "image", image->id);
    operation_step_done(b->op, NULL);
}

static void image_rootfs_run(struct operation_entry *op)
{
    struct image_build *b = image_build_get(op);
    struct core *core = operation_core(op);
    struct err err = ERR_INIT;
    if (!b)
        return;
    char images[PATH_BYTES];
    snprintf(images, sizeof(images), "%.480s/images", core->config.state_dir);
    struct rootfs_build_spec spec = {.images_dir = images,
                                     .id = b->image_id,
                                     .name = b->name[0] ? b->name : NULL,
                                     .suite = b->suite[0] ? b->suite : NULL,
                                     .packages = (const char *const *)b->packages,
                                     .disk_bytes = b->size_bytes,
                                     .progress = image_build_progress,
                                     .done = image_rootfs_done,
                                     .arg = b};
    b->percent_from = operation_row(op)->percent;
    b->percent_to = 99;
    operation_let_stop(op, image_build_cancel);
    b->rootfs = rootfs_build_start(core->loop, core->slow, &spec, &err);
    if (!b->rootfs)
        operation_step_done(op, &err);
}

static void image_build_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct image_build *b = operation_data(op);
    struct err err = ERR_INIT;
    if (operation_row(op)->state == OP_SUCCEEDED && b && b->made &&
        image_publish(operation_core(op), &b->image, txn, &err) < 0)
        log_err(LOG_LEVEL_ERROR, operation_row(op)->result, &err, "cannot publish it");
}

static const struct operation_step image_build_steps[] = {
    {.name = "kernel", .percent = 1, .skip = image_has_kernel, .run = image_kernel_run},
    {.name = "rootfs", .percent = 5, .run = image_rootfs_run},
};

const struct operation_kind image_build_kind = {
    .name = "image.build",
    .steps = image_build_steps,
    .n_steps = sizeof(image_build_steps) / sizeof(image_build_steps[0]),
    .after_crash = OPERATION_GO_ON,
    .ends_with_daemon = true,
    .finish = image_build_finish,
    .free_data = image_build_free,
};

static const struct operation_step kernel_pull_steps[] = {
    {.name = "kernel", .percent = 1, .run = image_kernel_run},
};

const struct operation_kind kernel_pull_kind = {
    .name = "kernel.pull",
    .steps = kernel_pull_steps,
    .n_steps = 1,
    .after_crash = OPERATION_GO_ON,
    .ends_with_daemon = true,
    .free_data = image_build_free,
};

static struct operation_entry *image_build_begin(struct core *core,
                                                 const struct operation_kind *kind,
                                                 const struct image_build_request *req,
                                                 const char *resource,
                                                 const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, kind->name, &found, err) < 0 || found)
        return found;
    if (!core->config.guest_agent_path[0]) {
        err_set(err, ERR_PRECONDITION,
                "this daemon has no guest agent (banger-agent) to build with");
        err_tag(err, "NO_GUEST_AGENT", NULL);
        return NULL;
    }
    if (kind == &image_build_kind && core_check_room(core, ROOM_BUILD_BYTES, err) < 0)
        return NULL;
    char image_id[ID_BYTES], kernel_id[ID_BYTES];
    id_make(image_id);
    id_make(kernel_id);
    auto_free char *params = image_build_write(req, image_id, kernel_id);
    struct image_build *b = params ? calloc(1, sizeof(*b)) : NULL;
    if (!b) {
        err_set(err, ERR_LIMIT, "out of memory for a build");
        return NULL;
    }
    if (image_build_fill(b, req, err) < 0) {
        image_build_free(b);
        return NULL;
    }
    memcpy(b->image_id, image_id, sizeof(image_id));
    memcpy(b->kernel_id, kernel_id, sizeof(kernel_id));
    struct operation_new what = {
        .kind = kind, .resource = resource, .params = params, .meta = meta, .data = b};
    struct operation_entry *op = operation_start(core, &what, err);
    if (op)
        b->op = op;
    return op;
}

/* One build at a time: they share the package cache, and the machine. */

struct operation_entry *image_ask_build(struct core *core, const struct image_build_request *req,
                                        const struct request_meta *meta, struct err *err)
{
    return image_build_begin(core, &image_build_kind, req, "images", meta, err);
}

struct operation_entry *kernel_ask_pull(struct core *core, const struct request_meta *meta,
                                        struct err *err)
{
    struct image_build_request none = {.name = ""};
    return image_build_begin(core, &kernel_pull_kind, &none, "images", meta, err);
}
