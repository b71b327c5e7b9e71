/* See objects.h. */
#include "tests/integration/core/objects.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/priv/priv_call.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/integration/core/stand_ins.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"
#include "tests/support/host_objects.h"

char dir[PATH_BYTES];
struct world w;
struct harness host;

const struct vm_spec specs[] = {
    {.work_disk_bytes = 16 * MIB},
    {.image = "tiny", .storage = STORAGE_QCOW2},
    {.image = "tiny", .storage = STORAGE_COPY, .work_disk_bytes = 16 * MIB},
    {.image = "tiny", .storage = STORAGE_REFLINK},
    {.image = "tiny", .storage = STORAGE_DM_SNAPSHOT},
    {.net = NET_TAP}, /* the last, where there can be taps */
};

size_t n_specs = sizeof(specs) / sizeof(specs[0]);

bool open_world(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return false;
    struct image image = {.id = "000000000000000a",
                          .name = "tiny",
                          .format = IMAGE_RAW,
                          .virtual_bytes = 2 * MIB,
                          .file_bytes = 4096,
                          .created_ns = 5};
    struct err err = ERR_INIT;
    char folder[PATH_BYTES + 40];
    CHECK(priv_pool_read(PRIV_POOL, &w.core.config.guest_network));
    if (image_find_id(&w.core, image.id))
        return true;
    snprintf(folder, sizeof(folder), "%s/images/%s", dir, image.id);
    snprintf(image.path, sizeof(image.path), "%.460s/root.raw", folder);
    CHECK_INT(fs_make_dirs(folder, 0700, &err), 0);
    CHECK_INT(fs_write_scratch(image.path, "content", 7, 0600, &err), 0);
    CHECK_INT(truncate(image.path, 2 * MIB), 0);
    struct store_txn *txn = store_txn_new();
    CHECK_INT(image_publish(&w.core, &image, txn, NULL), 0);
    commit_now(w.core.loop, w.core.store, txn);
    return true;
}

struct operation_entry *begin_create(const struct vm_spec *spec)
{
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = "box", .start = true, .spec = *spec};
    struct operation_entry *op = vm_ask_create(&w.core, &req, NULL, &err);
    if (!CHECK(op != NULL))
        fprintf(stderr, "%s\n", err.message);
    return op ? operation_ref(op) : NULL;
}

struct operation_entry *begin_delete(void)
{
    struct err err = ERR_INIT;
    struct vm_delete_request req = {.vm = "box", .force = true};
    struct operation_entry *op = vm_ask_delete(&w.core, &req, NULL, &err);
    if (!CHECK(op != NULL))
        fprintf(stderr, "%s\n", err.message);
    return op ? operation_ref(op) : NULL;
}

bool succeeds(struct operation_entry *op)
{
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok && op)
        fprintf(stderr, "%s: %s\n", operation_row(op)->kind,
                text_get(operation_row(op)->error_message));
    if (op)
        operation_unref(op);
    return ok;
}

bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

void check_nothing_is_left(void)
{
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    CHECK(host_objects_are_of(&host, 0));
}

void objects_begin(void)
{
    world_make_dir(dir);
    host_objects_want(&host);
    snprintf(host.state, sizeof(host.state), "%s", dir);
    CHECK_INT(priv_use(
                  &(struct priv_config){
                      .state_dir = dir, .socket = "", .pool = PRIV_POOL, .program = PRIV_FILE},
                  NULL),
              0);
    if (!host.tap) {
        n_specs--;
        printf("     taps left out: they need root, /dev/net/tun and nft\n");
    }
    stand_ins_use();
}

int objects_end(void)
{
    priv_end();
    world_remove_dir(dir);
    return check_end();
}
