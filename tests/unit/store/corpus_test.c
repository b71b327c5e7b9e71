/* Databases of every schema version, made by the builds of their time, are opened, migrated, and
 * have lost nothing. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"
#include "tests/support/sample.h"

static char dir[64], path[128];
static int version; /* of the database at hand */
static struct loop *loop;

/* What the newest build wrote has something in every column: a flag that is meant to be unset is
 * that. */
static int check_newest(const struct table *t, const void *row)
{
    for (size_t i = 0; version == migrations_newest() && i < t->n_columns; i++)
        if (!CHECK(!sample_is_default(&t->columns[i], row) ||
                   strcmp(t->columns[i].name, "ephemeral") == 0))
            fprintf(stderr, "v%d.db has nothing in %s.%s\n", version, t->name, t->columns[i].name);
    return 0;
}

static int vm_is_whole(void *arg, const struct vm *vm)
{
    ++*(int *)arg;
    CHECK_STR(vm->id, "0123456789abcdef");
    CHECK_STR(vm->name, "box");
    CHECK_STR(vm->spec.image, "debian-bookworm");
    CHECK_STR(vm->spec.image_id, "1123456789abcdef");
    CHECK_STR(vm->spec.kernel_id, "2123456789abcdef");
    CHECK_STR(vm->spec.driver, "qemu");
    CHECK_INT(vm->spec.cpus, 3);
    CHECK_INT(vm->spec.memory_bytes, 805306368);
    CHECK_INT(vm->spec.disk_bytes, INT64_C(5368709120));
    CHECK_INT(vm->spec.work_disk_bytes, 1073741824);
    CHECK_INT(vm->spec.net, NET_USER);
    CHECK(vm->spec.run_init && !vm->spec.ephemeral);
    CHECK_INT(vm->runtime.state, VM_FAILED);
    CHECK_STR(vm->runtime.failed_stage, "boot");
    CHECK_STR(vm->runtime.last_error, "it said \xc3\xa4");
    CHECK_STR(vm->runtime.system_overlay, "/state/vms/0123456789abcdef/system.qcow2");
    if (CHECK_INT(vm->labels.n, 2))
        CHECK_STR(vm->labels.at[0].value, "red");
    CHECK_INT(vm->generation, 7);
    CHECK_INT(vm->created_ns, 11);
    CHECK_INT(vm->stopped_ns, 14);
    CHECK_INT(vm->spec.restart, version >= 8 ? RESTART_ON_FAILURE : RESTART_NEVER);
    CHECK_INT(vm->spec.expire_after_ms, version >= 8 ? 3600000 : 0);
    CHECK_INT(vm->wanted, version >= 8 ? VM_WANTED_RUNNING : VM_WANTED_STOPPED);
    CHECK_INT(vm->expires_ns, version >= 8 ? 71 : 0);
    CHECK_INT(vm->spec.lease_ms, version >= 12 ? 1001 : 0);
    CHECK_INT(vm->spec.storage, version >= 13 ? STORAGE_COPY : STORAGE_QCOW2);
    CHECK_INT(vm->spec.limits.memory_max_bytes, version >= 18 ? 1610612736 : 0);
    CHECK_INT(vm->spec.egress.mode, version >= 19 ? EGRESS_LIST : EGRESS_ALL);
    CHECK_INT(vm->spec.egress.allow.len, version >= 19 ? 29 : 0);
    return check_newest(&vm_table, vm);
}

static int session_is_whole(void *arg, const struct session *s)
{
    ++*(int *)arg;
    CHECK_STR(s->id, "3123456789abcdef");
    CHECK_STR(s->vm_id, "0123456789abcdef");
    CHECK_STR(s->name, "job");
    CHECK_INT(s->spec.argv.len, 13);
    CHECK(memcmp(s->spec.argv.data, "sh\0-c\0exit 7", 13) == 0);
    CHECK_INT(s->state, SESSION_EXITED);
    CHECK_INT(s->exit_kind, SESSION_EXIT_CODE);
    CHECK_INT(s->exit_code, 7);
    CHECK_INT(s->stdout_total, 1234);
    CHECK(s->stdout_ended);
    CHECK_INT(s->writer_generation, 2);
    CHECK_INT(s->spec.output_policy, version >= 11 ? OUTPUT_HOLD : OUTPUT_DROP_OLDEST);
    return check_newest(&session_table, s);
}

static int operation_is_whole(void *arg, const struct operation *op)
{
    ++*(int *)arg;
    CHECK_STR(op->kind, "vm.create");
    CHECK_STR(op->request_id, "req-1");
    CHECK_STR(op->principal, "local:0");
    CHECK_INT(op->state, OP_SUCCEEDED);
    CHECK_STR(op->result, "vm/0123456789abcdef");
    CHECK_INT(op->ended_ns, 33);
    return check_newest(&operation_table, op);
}

static int image_is_whole(void *arg, const struct image *image)
{
    ++*(int *)arg;
    CHECK_STR(image->id, "1123456789abcdef");
    CHECK_INT(image->format, IMAGE_RAW);
    CHECK_INT(image->virtual_bytes, INT64_C(2147483648));
    CHECK_STR(image->kernel_id, "2123456789abcdef");
    return check_newest(&image_table, image);
}

static int kernel_is_whole(void *arg, const struct kernel *kernel)
{
    ++*(int *)arg;
    CHECK_STR(kernel->id, "2123456789abcdef");
    CHECK_STR(kernel->version, "6.1.0");
    return check_newest(&kernel_table, kernel);
}

static int event_is_whole(void *arg, const struct event *event)
{
    ++*(int *)arg;
    CHECK_INT(event->seq, 1);
    CHECK_STR(event->kind, "vm.state");
    CHECK_STR(event->detail, "FAILED");
    CHECK_STR(event->vm_id, version >= 4 ? "0123456789abcdef" : "");
    return check_newest(&event_table, event);
}

static int request_is_whole(void *arg, const struct store_request *request)
{
    ++*(int *)arg;
    CHECK_STR(request->request_id, "req-2");
    CHECK_STR(request->method, "session.start local:0");
    CHECK_STR(request->resource, "3123456789abcdef");
    return check_newest(&request_table, request);
}

static int identity_is_whole(void *arg, const struct identity *identity)
{
    ++*(int *)arg;
    CHECK_STR(identity->principal, "alice");
    CHECK_STR(identity->previous_serial, "09");
    CHECK_INT(identity->expires_ns, 52);
    CHECK_INT(identity->scope.n, version >= 4);
    return check_newest(&identity_table, identity);
}

static int token_is_whole(void *arg, const struct token *token)
{
    ++*(int *)arg;
    CHECK_STR(token->key, "ee");
    CHECK_STR(token->principal, "bob");
    CHECK_INT(token->scope.n, version >= 4);
    return check_newest(&token_table, token);
}

static int settings_are_whole(void *arg, const struct host_settings *settings)
{
    ++*(int *)arg;
    CHECK(settings->draining);
    return check_newest(&host_settings_table, settings);
}

static int update_is_whole(void *arg, const struct vm_update_labels *update)
{
    ++*(int *)arg;
    CHECK_STR(update->operation_id, "5123456789abcdef");
    CHECK_STR(update->set.at[0].value, "blue");
    return check_newest(&vm_update_table, update);
}

/* Versions 7 and 8 came together: no build made a database of 7. */
static bool was_made_by_a_build(int of)
{
    return of != 7;
}

static void copy_fixture(void)
{
    char from[512];
    char *data = NULL;
    size_t len = 0;
    struct err err = ERR_INIT;
    snprintf(from, sizeof(from), "%s/v%d.db", CORPUS_DIR, version);
    snprintf(path, sizeof(path), "%s/v%d/banger.db", dir, version);
    char folder[96];
    snprintf(folder, sizeof(folder), "%s/v%d", dir, version);
    CHECK_INT(fs_make_dirs(folder, 0700, &err), 0);
    if (!CHECK_INT(fs_read(from, 16 << 20, &data, &len, &err), 0))
        fprintf(stderr, "%s: store_corpus_make makes v%d.db (docs/HACKING.md)\n", err.message,
                version);
    CHECK_INT(fs_write_atomic(path, data ? data : "", len, 0600, &err), 0);
    free(data);
}

static int user_version(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int found = -1;
    if (sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        found = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return found;
}

/* Both schemas, told as far as they differ. */
static void schema_of(sqlite3 *db, char *out, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    CHECK_INT(sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_master WHERE sql > '' ORDER BY name",
                                 -1, &stmt, NULL),
              SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW && n < size)
        n += (size_t)snprintf(out + n, size - n, "%s;\n",
                              (const char *)sqlite3_column_text(stmt, 0));
    CHECK(n > 0 && n < size);
    sqlite3_finalize(stmt);
}

/* A migration that was released is not edited: what a build of its time made is what it makes
 * today. */
static void check_schema(void)
{
    static char made[65536], today[65536];
    sqlite3 *db = NULL;
    struct err err = ERR_INIT;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    schema_of(db, made, sizeof(made));
    sqlite3_close(db);
    CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
    CHECK_INT(migrations_apply(db, version, &err), 0);
    schema_of(db, today, sizeof(today));
    sqlite3_close(db);
    if (!CHECK(strcmp(made, today) == 0))
        fprintf(
            stderr,
            "v%d.db has another schema than migration %d makes: a released one was edited, or the "
            "file is older than it\n%s\n%s\n",
            version, version, made, today);
}

static int deletion_is_whole(void *arg, const struct session_deletion *deletion)
{
    ++*(int *)arg;
    CHECK_STR(deletion->session_id, "6123456789abcdef");
    CHECK_STR(deletion->vm_id, "0123456789abcdef");
    return check_newest(&session_deletion_table, deletion);
}

static int service_is_whole(void *arg, const struct guest_service *s)
{
    ++*(int *)arg;
    CHECK_STR(s->id, "7123456789abcdef");
    CHECK_STR(s->name, "web");
    CHECK(s->wanted);
    return check_newest(&guest_service_table, s);
}

static void check_rows(struct store *s)
{
    uint64_t audit_seq = 0;
    int n[13] = {0};
    CHECK_INT(store_load_vms(s, vm_is_whole, &n[0], NULL), 0);
    CHECK_INT(store_load_sessions(s, session_is_whole, &n[1], NULL), 0);
    CHECK_INT(store_load_operations(s, 10, operation_is_whole, &n[2], NULL), 0);
    CHECK_INT(store_load_images(s, image_is_whole, &n[3], NULL), 0);
    CHECK_INT(store_load_kernels(s, kernel_is_whole, &n[4], NULL), 0);
    CHECK_INT(store_load_events(s, 10, event_is_whole, &n[5], NULL), 0);
    CHECK_INT(store_load_requests(s, 0, request_is_whole, &n[6], NULL), 0);
    CHECK_INT(store_load_identities(s, identity_is_whole, &n[7], NULL), 0);
    CHECK_INT(store_load_tokens(s, token_is_whole, &n[8], NULL), 0);
    CHECK_INT(store_load_host_settings(s, settings_are_whole, &n[9], NULL), 0);
    CHECK_INT(store_load_vm_updates(s, update_is_whole, &n[10], NULL), 0);
    CHECK_INT(store_load_session_deletions(s, deletion_is_whole, &n[11], NULL), 0);
    CHECK_INT(store_load_guest_services(s, service_is_whole, &n[12], NULL), 0);
    CHECK_INT(n[12], version >= 15);
    for (int i = 0; i < 12; i++)
        CHECK_INT(n[i], i < 7 || (i < 9 ? version >= 2 : i < 11 ? version >= 8 : version >= 10));
    CHECK_INT(store_last_audit_seq(s, &audit_seq, NULL), 0);
    CHECK_INT(audit_seq, version >= 3 ? 9 : 0);
}

/* Twice: what was migrated is opened again as any other. */
static void test_every_version_is_migrated(void)
{
    for (version = 1; version <= migrations_newest(); version++) {
        if (!was_made_by_a_build(version))
            continue;
        copy_fixture();
        check_schema();
        CHECK_INT(user_version(), version);
        for (int i = 0; i < 2; i++) {
            struct err err = ERR_INIT;
            struct store *s = store_open(loop, path, &err);
            if (!CHECK(s != NULL)) {
                fprintf(stderr, "version %d: %s\n", version, err.message);
                break;
            }
            CHECK_INT(strlen(store_epoch(s)), 16);
            check_rows(s);
            store_close(s);
        }
        CHECK_INT(user_version(), migrations_newest());
    }
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-corpus-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    loop = loop_new(NULL);
    RUN(test_every_version_is_migrated);
    loop_free(loop);
    fs_remove_tree(dir, NULL);
    return check_end();
}
