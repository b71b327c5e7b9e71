/* The database is lost while VMs and sessions run: nothing ends, nothing is deleted, and `banger
 * host recover` lists it all again. recover_test sim|qemu */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/attach_reader.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum { GUEST_MS = 120000 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];

static void lose_database(void)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/banger.db%s", h.state, parts[i]);
        unlink(path);
    }
}

static uint32_t count_unlisted(void)
{
    struct banger_error error;
    Banger__V1__GetHostRequest get = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(client, &get, NULL, &error);
    if (!CHECK(host))
        return 0;
    uint32_t n = host->unlisted;
    banger_message_free(&host->base);
    return n;
}

/* The check of that name, or 0. */
static int diagnosis(const char *name)
{
    struct banger_error error;
    int result = 0;
    Banger__V1__DiagnoseRequest ask = BANGER__V1__DIAGNOSE_REQUEST__INIT;
    Banger__V1__DiagnoseResponse *all = banger_diagnose(client, &ask, NULL, &error);
    for (size_t i = 0; CHECK(all) && i < all->n_checks; i++)
        if (strcmp(all->checks[i]->name, name) == 0)
            result = all->checks[i]->result;
    banger_message_free(all ? &all->base : NULL);
    return result;
}

static size_t recover(bool discard)
{
    struct banger_error error;
    size_t n = 0;
    Banger__V1__RecoverHostRequest ask = BANGER__V1__RECOVER_HOST_REQUEST__INIT;
    ask.discard = discard;
    Banger__V1__RecoverHostResponse *did = banger_recover_host(client, &ask, NULL, &error);
    if (!CHECK(did))
        harness_die(&h, "recover: %s", error.message);
    for (size_t i = 0; i < did->n_items; i++)
        n += did->items[i]->outcome != BANGER__V1__RECOVER_OUTCOME__RECOVER_OUTCOME_NOTHING;
    banger_message_free(&did->base);
    return n;
}

static void a_lost_database_ends_nothing(void)
{
    struct banger_error error;
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    static const char *const argv[] = {"sh", "-c", "printf before; read x; printf \" $x\"; exit 9",
                                       NULL};
    if (steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, box, &error) < 0 ||
        steps_start_session(client, &h, box, argv, true, id, &error) < 0)
        harness_die(&h, "cannot begin: %s", error.message);
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGKILL);
    lose_database();
    harness_start(&h, NULL);
    CHECK(harness_alive(pid));
    CHECK_INT(steps_count_vms(&h, client), 0);
    CHECK(count_unlisted() >= 1); /* qemu: the image and the kernel as well */
    CHECK_INT(diagnosis("database"), BANGER__V1__CHECK_RESULT__CHECK_RESULT_FAILED);
    CHECK(recover(false) >= 1);
    CHECK_INT(count_unlisted(), 0);
    CHECK_INT(diagnosis("database"), 0);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    /* Its session, too, with all of its output. */
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(RUNNING), GUEST_MS));
    struct told_attach writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    reader_open(&r, client, id, &writer);
    r.keep = true;
    CHECK(reader_write(&r, "after\n", 6, true, GUEST_MS));
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 9);
    CHECK_INT(buf_len(&r.out[1]), strlen("before after"));
    CHECK(memcmp(buf_data(&r.out[1]), "before after", strlen("before after")) == 0);
    reader_close(&r);
    CHECK_INT(steps_do(client, STEPS_RESTART, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK(harness_processes_settle(&h, 0, 10000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
}

static char *list_copies(void)
{
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/backups", h.state);
    return harness_list(folder);
}

/* The daemon makes one by itself, soon after its start, where there is none of the latest hour. */
static bool has_copy(void *arg)
{
    char *files = list_copies();
    (void)arg;
    bool has = files && strncmp(files, "banger-", 7) == 0; /* while it is being made: .tmp-… */
    free(files);
    return has;
}

/* A damaged one is refused; a copy is put in place, and what is newer than it recovered. */
static void a_copy_is_put_in_place(void)
{
    struct banger_error error;
    char later[STEPS_ID_BYTES], path[128];
    if (steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, box, &error) < 0)
        harness_die(&h, "cannot begin: %s", error.message);
    snprintf(path, sizeof(path), "%s/backups", h.state);
    CHECK_INT(fs_remove_tree(path, NULL), 0); /* those without the VM */
    harness_crash(&h);
    if (!CHECK(harness_until(has_copy, NULL, 30000)))
        return;
    if (steps_create_vm(client, &h, &(struct steps_create){.name = "later"}, later, &error) < 0)
        harness_die(&h, "cannot go on: %s", error.message);
    harness_end(&h, SIGTERM);
    snprintf(path, sizeof(path), "%s/banger.db", h.state);
    CHECK_INT(truncate(path, 20000), 0);
    CHECK_INT(harness_try_start(&h, NULL), -1);
    h.args[0] = "--restore-backup=newest";
    CHECK_INT(harness_try_start(&h, NULL), -1); /* it ends by itself, having done it */
    h.args[0] = NULL;
    harness_start(&h, NULL);
    recover(false);
    CHECK_INT(count_unlisted(), 0);
    CHECK_INT(steps_count_vms(&h, client), 2);
    CHECK(steps_await_vm(&h, client, box, VM_STATE(RUNNING), GUEST_MS));
    CHECK(steps_await_vm(&h, client, later, VM_STATE(RUNNING), GUEST_MS));
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, later, &error), 0);
    CHECK(harness_processes_settle(&h, 0, 10000));
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    RUN(a_lost_database_ends_nothing);
    RUN(a_copy_is_put_in_place);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
