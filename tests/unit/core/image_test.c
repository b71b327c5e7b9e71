/* Images and kernels follow the disk: what is not there is not seen, and a name has one holder. */
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"

static char dir[64];
static struct core core;
static struct vmm_host host;
static int waiting, answers;
static struct err last;

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.config = {.max_vms = 4, .stop_grace_ms = 1000}};
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "%s", dir);
    snprintf(core.config.default_driver, sizeof(core.config.default_driver), "sim");
    core.loop = loop_new(&err);
    core.slow = workers_new(core.loop, "slow", 1, 100, &err);
    core.quick = workers_new(core.loop, "quick", 1, 100, &err);
    core.store = store_open(core.loop, path, &err);
    host = (struct vmm_host){.loop = core.loop, .slow = core.slow, .quick = core.quick};
    core.vmm_host = &host;
    if (core_open(&core, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    answers = 0;
}

static void open_fresh(void)
{
    fs_remove_tree(dir, NULL);
    fs_make_dirs(dir, 0700, NULL);
    open_core();
}

static void close_core(void)
{
    store_fault_set(NULL, NULL);
    workers_stop(core.slow);
    workers_stop(core.quick);
    core_close(&core);
    store_close(core.store);
    workers_free(core.slow);
    workers_free(core.quick);
    loop_free(core.loop);
}

static void answered(const struct err *err)
{
    answers++;
    last = err ? *err : (struct err)ERR_INIT;
    if (--waiting == 0)
        loop_stop(core.loop);
}

static void on_done(void *arg, const struct err *err)
{
    (void)arg;
    answered(err);
}

static void on_tagged(void *arg, const struct image *image, const struct err *err)
{
    if (image)
        CHECK_STR(image->name, arg);
    CHECK((image == NULL) == (err != NULL));
    answered(err);
}

static void await(int n)
{
    struct err err = ERR_INIT;
    waiting = n;
    loop_run(core.loop, &err);
}

static void publish(const char *id, const char *name)
{
    struct image image = {.kernel_id = "cccc000000000001"};
    snprintf(image.id, sizeof(image.id), "%s", id);
    snprintf(image.name, sizeof(image.name), "%s", name);
    struct store_txn *txn = store_txn_new();
    CHECK_INT(image_publish(&core, &image, txn, NULL), 0);
    store_commit(core.store, txn, on_done, NULL);
}

static void tag(const char *id, char *name)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(image_tag(&core, id, name, on_tagged, name, &err), 0))
        fprintf(stderr, "%s\n", err.message);
}

static const char *holder(const char *name)
{
    const char *found = "nobody";
    for (const struct image *i = NULL; (i = image_next(&core, i));)
        if (strcmp(i->name, name) == 0)
            found = strcmp(found, "nobody") == 0 ? i->id : "two";
    return found;
}

static size_t count(void)
{
    size_t n = 0;
    for (const struct image *i = NULL; (i = image_next(&core, i));)
        n++;
    return n;
}

/* "A:debian B:" in order of creation. */
static const char *list(void)
{
    static char text[512];
    size_t n = 0;
    text[0] = '\0';
    for (const struct image *i = NULL; (i = image_next(&core, i));)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%c:%s ", i->id[0], i->name);
    return text;
}

/* Memory says what the disk does. */
static void check_restart(void)
{
    char before[512];
    snprintf(before, sizeof(before), "%s", list());
    close_core();
    open_core();
    CHECK_STR(list(), before);
}

#define A "aaaa000000000001"
#define B "bbbb000000000001"
#define C "dddd000000000001"

static void test_an_image_is_found_once_its_row_is_on_disk(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    publish(A, "debian");
    CHECK_INT(count(), 0);
    CHECK(image_find(&core, "debian", &err) == NULL);
    CHECK(image_find_id(&core, A) == NULL);
    CHECK(image_default(&core, &err) == NULL);
    await(1);
    CHECK_STR(image_default(&core, &err)->id, A);
    check_restart();
    close_core();
}

static void test_an_image_whose_commit_fails_is_never_seen(void)
{
    open_fresh();
    publish(A, "debian");
    await(1);
    store_fault_set("images=constraint@2*1",
                    NULL); /* the row of A without its name, then B's own */
    publish(B, "debian");
    await(1);
    CHECK(last.code != ERR_NONE);
    CHECK_INT(count(), 1);
    CHECK_STR(holder("debian"), A);
    check_restart();
    close_core();
}

static void test_a_kernel_whose_commit_fails_is_never_seen(void)
{
    struct err err = ERR_INIT;
    struct kernel k = {.id = "cccc000000000001", .name = "linux"};
    open_fresh();
    for (int i = 0; i < 2; i++) {
        store_fault_set(i == 0 ? "kernels=constraint*1" : NULL, NULL);
        struct store_txn *txn = store_txn_new();
        kernel_publish(&core, &k, txn, &err);
        CHECK(kernel_next(&core, NULL) == NULL);
        store_commit(core.store, txn, on_done, NULL);
        await(1);
        CHECK_INT(kernel_next(&core, NULL) != NULL, i);
    }
    close_core();
}

static void test_a_tag_is_seen_when_it_is_on_disk(void)
{
    open_fresh();
    publish(A, "debian");
    publish(B, "other");
    await(2);
    tag(B, "debian");
    CHECK_STR(holder("debian"), A);
    await(1);
    CHECK_INT(last.code, ERR_NONE);
    CHECK_STR(list(), "a: b:debian ");
    check_restart();
    close_core();
}

static void test_a_tag_that_fails_changes_nothing(void)
{
    open_fresh();
    publish(A, "debian");
    publish(B, "other");
    await(2);
    store_fault_set("images=constraint*1", NULL);
    tag(B, "debian");
    await(1);
    CHECK(last.code != ERR_NONE);
    CHECK_STR(list(), "a:debian b:other ");
    check_restart();
    close_core();
}

/* Of three that race for a name, whichever of them fails. */
static void test_a_name_has_one_holder_whoever_fails(void)
{
    static const char *const faults[] = {NULL,
                                         "images=constraint@1*1",
                                         "images=constraint@2*1",
                                         "images=constraint@3*1",
                                         "images=constraint@4*1",
                                         "images=constraint@5*1"};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        open_fresh();
        publish(A, "debian");
        publish(B, "other");
        await(2);
        store_fault_set(faults[i], NULL);
        tag(B, "debian");
        tag(A, "debian");
        publish(C, "debian");
        tag(B, "debian");
        await(4);
        const char *who = holder("debian");
        if (!CHECK(strcmp(who, "two") != 0 && strcmp(who, "nobody") != 0))
            fprintf(stderr, "with %s: %s\n", faults[i] ? faults[i] : "no fault", list());
        check_restart();
        close_core();
    }
}

static void test_a_tag_of_an_image_that_is_deleted_meanwhile_fails(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    publish(A, "debian");
    publish(B, "other");
    await(2);
    tag(B, "x");
    tag(A, "y");
    CHECK_INT(image_delete(&core, A, on_done, NULL, &err), 0);
    await(3);
    CHECK_STR(list(), "b:x ");
    check_restart();
    close_core();
}

static void test_a_deletion_that_fails_is_put_back(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    publish(A, "debian");
    await(1);
    store_fault_set("images=constraint*1", NULL);
    CHECK_INT(image_delete(&core, A, on_done, NULL, &err), 0);
    CHECK(image_find(&core, A, &err) == NULL);
    await(1);
    CHECK(last.code != ERR_NONE);
    CHECK_STR(list(), "a:debian ");
    check_restart();
    CHECK_INT(image_delete(&core, A, on_done, NULL, &err), 0);
    await(1);
    CHECK_INT(count(), 0);
    check_restart();
    close_core();
}

/* Its name went to another while it was on its way out. */
static void test_an_image_put_back_has_no_name_that_was_given_away(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    publish(A, "debian");
    await(1);
    store_fault_set("images=constraint*1", NULL);
    CHECK_INT(image_delete(&core, A, on_done, NULL, &err), 0);
    publish(B, "debian");
    await(2);
    CHECK_STR(list(), "a: b:debian ");
    check_restart();
    close_core();
}

static void test_an_image_of_a_vm_being_created_stays(void)
{
    struct err err = ERR_INIT;
    struct vm vm = {.id = "eeee000000000001", .name = "box", .spec.image_id = A};
    open_fresh();
    publish(A, "debian");
    await(1);
    struct vm_entry *e = vm_add(&core, &vm, &err);
    CHECK(vm_shown(e) == NULL); /* not on disk yet */
    CHECK_INT(image_delete(&core, A, on_done, NULL, &err), -1);
    CHECK_STR(err.reason, "IMAGE_IN_USE");
    close_core();
}

static void test_a_kernel_of_an_image_being_published_stays(void)
{
    struct err err = ERR_INIT;
    struct kernel k = {.id = "cccc000000000001", .name = "linux"};
    open_fresh();
    struct store_txn *txn = store_txn_new();
    kernel_publish(&core, &k, txn, &err);
    store_commit(core.store, txn, on_done, NULL);
    await(1);
    publish(A, "debian");
    CHECK_INT(kernel_delete(&core, k.id, on_done, NULL, &err), -1);
    CHECK_STR(err.reason, "KERNEL_IN_USE");
    await(1);
    close_core();
}

static void test_a_daemon_that_ends_answers_the_tags_that_wait(void)
{
    open_fresh();
    publish(A, "debian");
    await(1);
    waiting = 10;
    answers = 0;
    tag(A, "x");
    tag(A, "y");
    close_core();
    CHECK_INT(answers, 2);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-image-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    RUN(test_an_image_is_found_once_its_row_is_on_disk);
    RUN(test_an_image_whose_commit_fails_is_never_seen);
    RUN(test_a_kernel_whose_commit_fails_is_never_seen);
    RUN(test_a_tag_is_seen_when_it_is_on_disk);
    RUN(test_a_tag_that_fails_changes_nothing);
    RUN(test_a_name_has_one_holder_whoever_fails);
    RUN(test_a_tag_of_an_image_that_is_deleted_meanwhile_fails);
    RUN(test_a_deletion_that_fails_is_put_back);
    RUN(test_an_image_put_back_has_no_name_that_was_given_away);
    RUN(test_an_image_of_a_vm_being_created_stays);
    RUN(test_a_kernel_of_an_image_being_published_stays);
    RUN(test_a_daemon_that_ends_answers_the_tags_that_wait);
    fs_remove_tree(dir, NULL);
    return check_end();
}
