/* What is not in the database: left alone, told of, listed again, or set aside when that is said.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/host_info.h"
#include "daemon/core/image/image.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/supervise/unlisted.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

static char dir[PATH_BYTES];

/* Helpers */

static bool succeeds(struct world *w, struct operation_entry *op)
{
    if (!CHECK(op != NULL))
        return false;
    operation_ref(op);
    bool ok = world_wait(w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", operation_row(op)->kind, operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok;
}

static void delete_all(struct world *w)
{
    for (struct vm_entry *e; (e = vm_next(&w->core, NULL));) {
        struct vm_delete_request req = {.vm = vm_record(e)->id, .force = true};
        if (!CHECK(succeeds(w, vm_ask_delete(&w->core, &req, NULL, NULL))))
            return;
    }
    CHECK_INT(world_count_monitors(w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
}

static const char *in_state(const char *name)
{
    static char path[PATH_BYTES + 128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void lose_database(void)
{
    unlink(in_state("banger.db"));
    unlink(in_state("banger.db-wal"));
    unlink(in_state("banger.db-shm"));
}

static void put_file(const char *name, const char *text)
{
    CHECK_INT(fs_write_atomic(in_state(name), text, strlen(text), 0600, NULL), 0);
}

static void make_folder(const char *name)
{
    CHECK_INT(fs_make_dirs(in_state(name), 0700, NULL), 0);
}

static bool is_there(const char *name)
{
    return access(in_state(name), F_OK) == 0;
}

struct report {
    struct world *w;
    struct recover_item items[32];
    size_t n;
    bool over;
};

static void on_recovered(void *arg, const struct recover_item *items, size_t n,
                         const struct err *err)
{
    struct report *r = arg;
    CHECK(err == NULL);
    r->n = n < 32 ? n : 32;
    memcpy(r->items, items, r->n * sizeof(*items));
    r->over = true;
    loop_stop(r->w->core.loop);
}

static void recover(struct world *w, const struct recover_request *req, struct report *r)
{
    struct err err = ERR_INIT;
    *r = (struct report){.w = w};
    if (CHECK_INT(recover_start(&w->core, req, on_recovered, r, &err), 0)) {
        timer_start(&w->deadline, WORLD_WAIT_MS);
        loop_run(w->core.loop, NULL);
        timer_stop(&w->deadline);
    }
    CHECK(r->over);
}

static size_t count(const struct report *r, enum recover_outcome outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->items[i].outcome == outcome;
    return n;
}

static uint32_t count_unlisted(const struct world *w)
{
    uint32_t unlisted, aside;
    recover_count(&w->core, &unlisted, &aside);
    return unlisted;
}

static uint32_t count_aside(const struct world *w)
{
    uint32_t unlisted, aside;
    recover_count(&w->core, &unlisted, &aside);
    return aside;
}

static bool told(const struct world *w, const char *kind)
{
    struct event event;
    for (uint64_t seq = event_first_seq(&w->core); seq <= event_last_seq(&w->core); seq++)
        if (event_load(&w->core, seq, &event) && strcmp(event.kind, kind) == 0)
            return true;
    return false;
}

/* An image and a kernel with files of their own, as if they had been imported. */
static void publish_files(struct world *w)
{
    struct image image = {.id = "000000000000000a",
                          .name = "tiny",
                          .format = IMAGE_RAW,
                          .virtual_bytes = 9,
                          .kernel_id = "000000000000000c",
                          .created_ns = 5};
    struct kernel kernel = {.id = "000000000000000c", .name = "k", .created_ns = 4};
    make_folder("images/000000000000000a");
    put_file("images/000000000000000a/root.raw", "an image.");
    make_folder("kernels/000000000000000c");
    put_file("kernels/000000000000000c/vmlinux", "a kernel");
    put_file("kernels/000000000000000c/initramfs.cpio", "an initramfs");
    snprintf(image.path, sizeof(image.path), "%s", in_state("images/000000000000000a/root.raw"));
    struct store_txn *txn = store_txn_new();
    CHECK_INT(kernel_publish(&w->core, &kernel, txn, NULL), 0);
    CHECK_INT(image_publish(&w->core, &image, txn, NULL), 0);
    commit_now(w->core.loop, w->core.store, txn);
}

/* Tests */

/* What runs takes its part of the host, listed or not. */
static void check_capacity(struct world *w)
{
    static const uint64_t mib = 1 << 20;
    struct host_facts facts = {.cpus = 4};
    struct host_capacity used;
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = "more", .start = true, .spec.memory_bytes = 256 * mib};
    host_capacity_used(&w->core, &facts, &used);
    CHECK_INT(used.cpus, 2);
    CHECK_INT(used.memory_bytes, 256 * mib);
    w->core.config.max_memory_bytes = 511 * mib;
    CHECK_INT(vm_create_check(&w->core, &req, NULL, &err), -1);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    w->core.config.max_memory_bytes = 512 * mib;
    CHECK_INT(vm_create_check(&w->core, &req, NULL, NULL), 0);
    w->core.config.max_memory_bytes = 0;
}

static void test_a_lost_database_ends_and_deletes_nothing(void)
{
    struct world w;
    struct report r;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    publish_files(&w);
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL) || !CHECK(world_create(&w, "idle", false) != NULL))
        return;
    struct vm_update_request update = {.vm = "box", .name = "crate", .cpus = 2};
    CHECK(succeeds(&w, vm_ask_update(&w.core, &update, NULL, NULL)));
    pid_t pid = vm_handles(e)->pid;
    char id[ID_BYTES];
    memcpy(id, vm_record(e)->id, sizeof(id));
    world_close(&w);
    lose_database();
    for (int again = 0; again < 2; again++) { /* a second start is as careful as the first */
        if (!CHECK(world_open(&w, dir, "sim")))
            return;
        CHECK_INT(world_count_monitors(&w), 1);
        CHECK_INT(kill(pid, 0), 0);
        CHECK_INT(world_count_entries(dir, "vms"), 2);
        CHECK_INT(count_unlisted(&w), 4);
        CHECK_INT(vm_count(&w.core), 0);
        check_capacity(&w);
        recover(&w, &(struct recover_request){.dry_run = true}, &r);
        CHECK_INT(r.n, 4);
        CHECK_INT(count(&r, RECOVER_NOTHING), 4);
        CHECK_INT(vm_count(&w.core), 0);
        if (again == 0)
            world_close(&w);
    }
    recover(&w, &(struct recover_request){.n_only = 0}, &r);
    CHECK_INT(count(&r, RECOVER_LISTED), 4);
    CHECK_INT(count_unlisted(&w), 0);
    check_capacity(&w);
    CHECK(told(&w, "host.unlisted"));
    e = vm_find(&w.core, "crate", NULL);
    if (CHECK(e != NULL)) {
        CHECK_STR(vm_record(e)->id, id);
        CHECK_INT(vm_record(e)->spec.cpus, 2);
        CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
        CHECK_INT(vm_handles(e)->pid, pid);
        CHECK(world_wait_agent(&w, e));
    }
    e = vm_find(&w.core, "idle", NULL);
    if (CHECK(e != NULL)) {
        CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
        struct vm_start_request start = {.vm = "idle"};
        CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, NULL)));
    }
    const struct image *image = image_find(&w.core, "tiny", NULL);
    if (CHECK(image != NULL))
        CHECK_STR(image->path, in_state("images/000000000000000a/root.raw"));
    CHECK(kernel_find(&w.core, "k", NULL) != NULL);
    world_close(&w);
    /* It is in the database now. */
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(count_unlisted(&w), 0);
    CHECK_INT(vm_count(&w.core), 2);
    delete_all(&w);
    world_close(&w);
}

/* Said so, they go: ended and set aside first, removed only when that is said again. */
static void test_discard(void)
{
    struct world w;
    struct report r;
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    world_close(&w);
    lose_database();
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    const char *other[] = {"other"};
    struct err err = ERR_INIT;
    struct recover_request wrong = {.only = other, .n_only = 1, .discard = true};
    CHECK_INT(recover_start(&w.core, &wrong, on_recovered, &r, &err), -1);
    CHECK_STR(err.reason, "UNLISTED_NOT_FOUND");
    const char *box[] = {"box"};
    recover(&w, &(struct recover_request){.only = box, .n_only = 1, .discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_SET_ASIDE), 1);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    CHECK_INT(world_count_entries(dir, "lost+found"), 1);
    CHECK_INT(count_aside(&w), 1);
    world_close(&w);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(count_aside(&w), 1);
    recover(&w, &(struct recover_request){.n_only = 0}, &r);
    CHECK_INT(count(&r, RECOVER_NOTHING), r.n);
    recover(&w, &(struct recover_request){.discard = true}, &r);
    CHECK(count(&r, RECOVER_REMOVED) >= 1);
    CHECK_INT(world_count_entries(dir, "lost+found"), 0);
    CHECK_INT(count_aside(&w), 0);
    world_close(&w);
}

/* A folder that nothing knows of, and that says nothing, waits in lost+found; ours are removed. */
static void test_suspects_are_set_aside(void)
{
    struct world w;
    struct report r;
    make_folder("vms/0123456789abcdef/deep");
    put_file("vms/0123456789abcdef/system.qcow2", "precious");
    make_folder("vms/0123456789abcdeg"); /* nothing in it */
    make_folder("images/.tmp-0123456789abcdef/tree");
    make_folder("images/0123456789abcdef");
    put_file("images/0123456789abcdef/root.raw", "precious");
    make_folder("images/mine");
    make_folder("kernels/0123456789abcdef");
    put_file("kernels/0123456789abcdef/vmlinux", "precious");
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(count_unlisted(&w), 0);
    CHECK_INT(count_aside(&w), 3);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    CHECK_INT(world_count_entries(dir, "images"), 1);
    CHECK_INT(world_count_entries(dir, "kernels"), 0);
    CHECK_INT(world_count_entries(dir, "lost+found"), 3);
    recover(&w, &(struct recover_request){.discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_REMOVED), 3);
    CHECK(told(&w, "host.set_aside"));
    CHECK_INT(world_count_entries(dir, "lost+found"), 0);
    fs_remove_tree(in_state("images/mine"), NULL);
    world_close(&w);
}

static void put_operation(struct world *w, const char *kind, enum op_state state,
                          const char *params)
{
    struct operation op = {.state = state, .stage = "import", .created_ns = 5};
    id_make(op.id);
    snprintf(op.kind, sizeof(op.kind), "%s", kind);
    CHECK_INT(text_set(&op.params, params), 0);
    struct store_txn *txn = store_txn_new();
    store_put_operation(txn, &op);
    operation_done(&op);
    commit_now(w->core.loop, w->core.store, txn);
}

static void on_deleted(void *arg, const struct err *err)
{
    struct world *w = arg;
    CHECK(err == NULL);
    loop_stop(w->core.loop);
}

/* What a crash leaves of an import that is undone, or of a deletion, is ours by our own evidence.
 */
static void test_what_is_ours_is_removed(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    publish_files(&w);
    put_operation(&w, "image.import", OP_RUNNING, "{\"makes\": [\"image/0123456789abcdef\"]}");
    put_operation(&w, "kernel.pull", OP_RUNNING, "{\"makes\": [\"kernel/0123456789abcdef\"]}");
    put_operation(&w, "image.build", OP_PENDING, "{}");
    CHECK_INT(image_delete(&w.core, "tiny", on_deleted, &w, NULL), 0);
    loop_run(w.core.loop, NULL);
    world_close(&w);
    make_folder("images/0123456789abcdef");
    put_file("images/0123456789abcdef/root.raw", "cut off");
    make_folder("kernels/0123456789abcdef");
    put_file("kernels/0123456789abcdef/vmlinux", "cut off");
    make_folder("images/000000000000000a");
    put_file("images/000000000000000a/root.raw", "an image.");
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(world_wait_all(&w));
    CHECK_INT(count_unlisted(&w) + count_aside(&w), 0);
    CHECK_INT(world_count_entries(dir, "images"), 0);
    CHECK_INT(world_count_entries(dir, "kernels"), 1);
    CHECK_INT(kernel_delete(&w.core, "k", on_deleted, &w, NULL), 0);
    loop_run(w.core.loop, NULL);
    world_close(&w);
}

/* An overlay's image stays, whoever has the overlay; so does what a record refers to. */
static void test_what_is_referred_to_stays(void)
{
    struct world w;
    static const char head[72] = {'Q', 'F', 'I', '\xfb', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 72};
    char file[200] = "";
    const char *backing = "/elsewhere/images/0123456789abcdea/root.raw";
    memcpy(file, head, sizeof(head));
    file[19] = (char)strlen(backing);
    memcpy(file + 72, backing, strlen(backing));
    make_folder("vms/0123456789abcdef");
    FILE *f = fopen(in_state("vms/0123456789abcdef/system.qcow2"), "w");
    if (CHECK(f != NULL)) {
        CHECK_INT(fwrite(file, sizeof(file), 1, f), 1);
        fclose(f);
    }
    make_folder("images/0123456789abcdea"); /* below the overlay */
    put_file("images/0123456789abcdea/root.raw", "base");
    make_folder("kernels/0123456789abcdec"); /* of a recoverable image */
    put_file("kernels/0123456789abcdec/vmlinux", "kernel");
    make_folder("images/0123456789abcded");
    put_file("images/0123456789abcded/root.raw", "four");
    put_file("images/0123456789abcded/image.json",
             "{\"image\": {\"id\": \"0123456789abcded\", \"format\": 1, \"virtual_bytes\": 4,"
             " \"kernel_id\": \"0123456789abcdec\", \"path\": \"/etc/passwd\"}}");
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(is_there("images/0123456789abcdea/root.raw"));
    CHECK(is_there("images/0123456789abcded/root.raw"));
    CHECK(is_there("kernels/0123456789abcdec/vmlinux"));
    CHECK_INT(world_count_entries(dir, "lost+found"), 1);
    /* A kernel that an image needs is not discarded without it. */
    struct report r;
    const char *kernel[] = {"kernel/0123456789abcdec"};
    recover(&w, &(struct recover_request){.only = kernel, .n_only = 1, .discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_NOTHING), 1);
    CHECK_CONTAINS(r.items[0].message, "needs it");
    const char *image[] = {"image/0123456789abcded"};
    recover(&w, &(struct recover_request){.only = image, .n_only = 1}, &r);
    CHECK_INT(count(&r, RECOVER_LISTED), 1);
    const struct image *i = image_find_id(&w.core, "0123456789abcded");
    if (CHECK(i != NULL)) /* never from the record */
        CHECK_STR(i->path, in_state("images/0123456789abcded/root.raw"));
    recover(&w, &(struct recover_request){.discard = true}, &r);
    CHECK(is_there("kernels/0123456789abcdec/vmlinux"));
    CHECK(is_there("images/0123456789abcded/root.raw"));
    world_close(&w);
    lose_database();
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    /* Nor is one that was set aside removed while an image that was needs it. */
    recover(&w, &(struct recover_request){.only = image, .n_only = 1, .discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_SET_ASIDE), 1);
    recover(&w, &(struct recover_request){.only = kernel, .n_only = 1, .discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_SET_ASIDE), 1);
    recover(&w, &(struct recover_request){.only = kernel, .n_only = 1, .discard = true}, &r);
    CHECK_INT(count(&r, RECOVER_NOTHING), 1);
    CHECK_CONTAINS(r.items[0].message, "needs it");
    recover(&w, &(struct recover_request){.discard = true}, &r);
    recover(&w, &(struct recover_request){.discard = true}, &r);
    CHECK_INT(world_count_entries(dir, "images"), 0);
    CHECK_INT(world_count_entries(dir, "kernels"), 0);
    CHECK_INT(world_count_entries(dir, "lost+found"), 0);
    world_close(&w);
}

/* Records are a stranger's: what is wrong with one is told, and nothing comes of it. */
static void test_hostile_records(void)
{
    static const char *const records[] = {
        "",
        "{",
        "[]",
        "{\"vm\": 5}",
        "{\"vm\": {\"id\": \"0123456789abcdee\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"id\": \"0123456789abcdef\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"cpus\": 4294967297}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"cpus\": \"2\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"driver\": \"sim\", \"cpus\": 0, \"net\": 2,"
        " \"memory_bytes\": 268435456, \"name\": \"a\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"driver\": \"none\", \"cpus\": 1, \"net\": 2,"
        " \"memory_bytes\": 268435456, \"name\": \"a\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"driver\": \"sim\", \"cpus\": 1, \"net\": 2,"
        " \"memory_bytes\": 268435456, \"image_id\": \"../../../etc/xx\", \"name\": \"a\"}}",
        "{\"vm\": {\"id\": \"0123456789abcdef\", \"labels\": {\"a\": 1}}}",
    };
    struct world w;
    struct report r;
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        make_folder("vms/0123456789abcdef");
        put_file("vms/0123456789abcdef/vm.json", records[i]);
        if (!CHECK(world_open(&w, dir, "sim")))
            return;
        recover(&w, &(struct recover_request){.n_only = 0}, &r);
        CHECK_INT(r.n, 1);
        CHECK_INT(count(&r, RECOVER_LISTED), 0);
        CHECK(r.items[0].message[0] != '\0');
        CHECK_INT(vm_count(&w.core), 0);
        recover(&w, &(struct recover_request){.discard = true}, &r);
        if (count_aside(&w) > 0)
            recover(&w, &(struct recover_request){.discard = true}, &r);
        CHECK_INT(world_count_entries(dir, "vms"), 0);
        world_close(&w);
    }
    /* A name that is taken, paths that are not ours: it gets its own. */
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", false) != NULL))
        return;
    world_close(&w);
    make_folder("vms/0123456789abcdef");
    put_file("vms/0123456789abcdef/vm.json",
             "{\"vm\": {\"id\": \"0123456789abcdef\", \"driver\": \"sim\", \"cpus\": 1, \"net\": 2,"
             " \"memory_bytes\": 268435456, \"name\": \"box\", \"vm_dir\": \"/etc\","
             " \"system_overlay\": \"/etc/passwd\", \"state\": 4}}");
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    recover(&w, &(struct recover_request){.n_only = 0}, &r);
    CHECK_INT(count(&r, RECOVER_LISTED), 1);
    const struct vm_entry *e = vm_find(&w.core, "vm-0123456789abcdef", NULL);
    if (CHECK(e != NULL)) {
        CHECK_STR(vm_record(e)->runtime.vm_dir, in_state("vms/0123456789abcdef"));
        CHECK_STR(vm_record(e)->runtime.system_overlay,
                  in_state("vms/0123456789abcdef/system.empty"));
        CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    }
    delete_all(&w);
    world_close(&w);
}

static void copy_database(const char *from, const char *to)
{
    char *data = NULL;
    size_t len;
    if (!CHECK_INT(fs_read(in_state(from), 64 << 20, &data, &len, NULL), 0))
        return;
    CHECK_INT(fs_write_atomic(in_state(to), data, len, 0600, NULL), 0);
    free(data);
}

/* An older database: it says STOPPED of a VM that runs, and lacks one that was made since. */
static void test_an_older_database_ends_nothing(void)
{
    struct world w;
    struct report r;
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", false) != NULL))
        return;
    world_close(&w);
    copy_database("banger.db", "older");
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_start_request start = {.vm = "box"};
    CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, NULL)));
    CHECK(world_create(&w, "later", true) != NULL);
    pid_t pid = vm_handles(vm_find(&w.core, "box", NULL))->pid;
    world_close(&w);
    copy_database("older", "banger.db");
    unlink(in_state("older"));
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(world_count_monitors(&w), 2);
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_handles(e)->pid, pid);
    CHECK_INT(count_unlisted(&w), 1);
    recover(&w, &(struct recover_request){.n_only = 0}, &r);
    CHECK_INT(count(&r, RECOVER_LISTED), 1);
    CHECK_INT(vm_record(vm_find(&w.core, "later", NULL))->runtime.state, VM_RUNNING);
    delete_all(&w);
    world_close(&w);
}

/* What was set aside comes back with a database that lists it. */
static void test_a_right_database_takes_back(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", false);
    if (!CHECK(e != NULL))
        return;
    char record[PATH_BYTES + 32];
    snprintf(record, sizeof(record), "%s/vm.json", vm_record(e)->runtime.vm_dir);
    world_close(&w);
    CHECK_INT(unlink(record), 0); /* as an older daemon left it */
    CHECK_INT(rename(in_state("banger.db"), "/tmp/banger-core-right.db"), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(count_aside(&w), 1);
    world_close(&w);
    lose_database();
    CHECK_INT(rename("/tmp/banger-core-right.db", in_state("banger.db")), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(count_aside(&w), 0);
    struct vm_start_request start = {.vm = "box"};
    CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, NULL)));
    delete_all(&w);
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_a_lost_database_ends_and_deletes_nothing);
    fs_remove_tree(in_state("images/000000000000000a"), NULL);
    fs_remove_tree(in_state("kernels/000000000000000c"), NULL);
    lose_database();
    RUN(test_discard);
    RUN(test_suspects_are_set_aside);
    RUN(test_what_is_ours_is_removed);
    RUN(test_what_is_referred_to_stays);
    RUN(test_hostile_records);
    RUN(test_an_older_database_ends_nothing);
    RUN(test_a_right_database_takes_back);
    world_remove_dir(dir);
    return check_end();
}
