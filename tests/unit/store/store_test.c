/* The store: rows come back as they went in, failures stay alone, no kernel handle has a column. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"

static char dir[64], path[96];
static struct loop *loop;

static struct store *open_store(void)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(loop, path, &err);
    if (!s)
        fprintf(stderr, "%s\n", err.message);
    CHECK(s != NULL);
    return s;
}

struct waited {
    int calls;
    struct err err;
    int stop_after;
};

static void committed(void *arg, const struct err *err)
{
    struct waited *w = arg;
    w->calls++;
    if (err)
        w->err = *err;
    if (w->calls == w->stop_after)
        loop_stop(loop);
}

static void commit_and_wait(struct store *s, struct store_txn *txn, struct waited *w)
{
    *w = (struct waited){.stop_after = 1};
    store_commit(s, txn, committed, w);
    CHECK_INT(w->calls, 0);
    CHECK_INT(loop_run(loop, NULL), 0);
    CHECK_INT(w->calls, 1);
}

/* vm_done is due. */
static struct vm sample_vm(const char *id, const char *name)
{
    struct vm vm = {.generation = 7, .created_ns = 100};
    snprintf(vm.id, sizeof(vm.id), "%s", id);
    snprintf(vm.name, sizeof(vm.name), "%s", name);
    vm.spec.cpus = 3;
    vm.spec.memory_bytes = UINT64_C(5) << 32;
    vm.spec.ephemeral = true;
    vm.runtime.state = VM_RUNNING;
    snprintf(vm.runtime.vm_dir, sizeof(vm.runtime.vm_dir), "/state/vms/%s", id);
    static const struct labels labels = {.n = 1, .at = {{"team", "\"quoted\" é"}}};
    CHECK_INT(label_list_set(&vm.labels, &labels), 0);
    return vm;
}

static int keep_vm(void *arg, const struct vm *vm)
{
    vm_done(arg);
    return vm_copy(arg, vm);
}

static int keep_session(void *arg, const struct session *s)
{
    return session_copy(arg, s);
}

static void test_rows_round_trip(void)
{
    struct store *s = open_store();
    struct vm vm = sample_vm("0000000000000001", "box");
    struct session session = {.vm_id = "0000000000000001", .id = "0000000000000009"};
    CHECK_INT(blob_set(&session.spec.argv, "sh\0-c\0exit 3", 13), 0);
    session.exit_kind = SESSION_EXIT_CODE;
    session.exit_code = -3;
    session.stdout_total = UINT64_MAX / 4;
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, &vm);
    store_put_session(txn, &session);
    struct waited w;
    commit_and_wait(s, txn, &w);
    CHECK_INT(w.err.code, ERR_NONE);
    char epoch[ID_BYTES];
    snprintf(epoch, sizeof(epoch), "%s", store_epoch(s));
    store_close(s);

    s = open_store();
    CHECK_STR(store_epoch(s), epoch);
    struct vm back = {0};
    CHECK_INT(store_load_vms(s, keep_vm, &back, NULL), 0);
    if (CHECK_INT(back.labels.n, 1)) {
        CHECK_STR(back.labels.at[0].key, "team");
        CHECK_STR(back.labels.at[0].value, "\"quoted\" é");
    }
    vm_done(&back);
    vm_done(&vm);
    CHECK(memcmp(&back, &vm, sizeof(vm)) == 0);
    struct session got = {0};
    CHECK_INT(store_load_sessions(s, keep_session, &got, NULL), 0);
    CHECK_INT(got.spec.argv.len, 13);
    CHECK(got.spec.argv.len == 13 && memcmp(got.spec.argv.data, session.spec.argv.data, 13) == 0);
    CHECK_INT(got.exit_code, -3);
    CHECK_INT(got.stdout_total, UINT64_MAX / 4);
    session_done(&got);
    session_done(&session);
    store_close(s);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int ignore_vm(void *arg, const struct vm *vm)
{
    (void)arg;
    (void)vm;
    return 0;
}

/* A label can bind a role: one that cannot be kept or read as it was is never left out. */
static void test_labels_are_whole_or_an_error(void)
{
    struct store *s = open_store();
    struct vm vm = sample_vm("0000000000000005", "no-text");
    struct waited w;
    struct err err = ERR_INIT;
    snprintf(vm.labels.at[0].value, LABEL_VALUE_BYTES, "\xff");
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, &vm);
    commit_and_wait(s, txn, &w);
    CHECK(w.err.code != ERR_NONE);
    vm_done(&vm);
    store_close(s);
    sql("UPDATE vms SET labels = '{\"team\": 1}'");
    s = open_store();
    CHECK_INT(store_load_vms(s, ignore_vm, NULL, &err), -1);
    CHECK_INT(err.code, ERR_DATA_LOSS);
    store_close(s);
    sql("UPDATE vms SET labels = '{}'");
}

static void test_failed_transaction_stays_alone(void)
{
    struct store *s = open_store();
    struct vm good = sample_vm("0000000000000002", "good");
    struct vm clash = sample_vm("0000000000000003", "box"); /* the name of VM 1 */
    struct vm after = sample_vm("0000000000000004", "after");
    struct waited bad = {.stop_after = -1}, fine = {.stop_after = 2};
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, &good);
    store_commit(s, txn, committed, &fine);
    txn = store_txn_new();
    store_put_vm(txn, &clash);
    store_commit(s, txn, committed, &bad);
    txn = store_txn_new();
    store_put_vm(txn, &after);
    store_commit(s, txn, committed, &fine);
    CHECK_INT(loop_run(loop, NULL), 0);
    CHECK_INT(bad.calls, 1);
    CHECK_INT(bad.err.code, ERR_EXISTS);
    CHECK_INT(fine.calls, 2);
    CHECK_INT(fine.err.code, ERR_NONE);
    struct vm last = {0};
    CHECK_INT(store_load_vms(s, keep_vm, &last, NULL), 0);
    CHECK_STR(last.name, "after");
    struct vm *made[] = {&good, &clash, &after, &last};
    for (size_t i = 0; i < 4; i++)
        vm_done(made[i]);
    store_close(s);
}

static void test_close_commits_what_waits(void)
{
    struct store *s = open_store();
    struct waited w = {.stop_after = -1};
    for (int i = 0; i < 100; i++) {
        struct event e = {.kind = "vm.state"};
        struct store_txn *txn = store_txn_new();
        store_add_event(txn, &e);
        store_commit(s, txn, committed, &w);
    }
    store_close(s);
    CHECK_INT(w.calls, 100);
    CHECK_INT(w.err.code, ERR_NONE);
}

static int count_event(void *arg, const struct event *e)
{
    uint64_t *got = arg;
    got[0]++;
    got[1] = e->seq;
    return 0;
}

static void test_events_are_bounded(void)
{
    struct store *s = open_store();
    struct store_txn *txn = store_txn_new();
    store_trim(txn, 41, 0, 0);
    struct waited w;
    commit_and_wait(s, txn, &w);
    uint64_t got[2] = {0};
    CHECK_INT(store_load_events(s, 1000, count_event, got, NULL), 0);
    CHECK_INT(got[0], 60);
    CHECK_INT(got[1], 100);
    got[0] = 0;
    CHECK_INT(store_load_events(s, 10, count_event, got, NULL), 0);
    CHECK_INT(got[0], 10);
    store_close(s);
}

static int keep_identity(void *arg, const struct identity *identity)
{
    *(struct identity *)arg = *identity;
    return 0;
}

static int keep_token(void *arg, const struct token *token)
{
    *(struct token *)arg = *token;
    return 0;
}

static void test_identities(void)
{
    struct store *s = open_store();
    struct identity identity = {.principal = "alice", .role = 3, .serial = "4f", .created_ns = 5};
    struct token token = {.key = "ab", .principal = "alice", .role = 3, .expires_ns = INT64_MAX};
    struct token gone = {.key = "cd", .principal = "bob"}, kept = {0};
    struct identity back = {0};
    struct waited w;
    struct store_txn *txn = store_txn_new();
    store_put_identity(txn, &identity);
    identity.revoked = true;
    memcpy(identity.previous_serial, "4e", 3);
    store_put_identity(txn, &identity);
    store_put_token(txn, &token);
    store_put_token(txn, &gone);
    store_delete_token(txn, gone.key);
    commit_and_wait(s, txn, &w);
    CHECK_INT(w.err.code, ERR_NONE);
    store_close(s);
    s = open_store();
    CHECK_INT(store_load_identities(s, keep_identity, &back, NULL), 0);
    CHECK(memcmp(&back, &identity, sizeof(back)) == 0);
    CHECK_INT(store_load_tokens(s, keep_token, &kept, NULL), 0);
    CHECK(memcmp(&kept, &token, sizeof(kept)) == 0);
    store_close(s);
}

static int keep_settings(void *arg, const struct host_settings *settings)
{
    *(struct host_settings *)arg = *settings;
    return 0;
}

static int keep_update(void *arg, const struct vm_update_labels *update)
{
    *(struct vm_update_labels *)arg = *update;
    return 0;
}

static void test_host_settings_and_waiting_updates(void)
{
    static struct vm_update_labels update = {.operation_id = "op1",
                                             .set = {.n = 1, .at = {{"a", "1"}}},
                                             .remove = {.n = 1, .at = {{"b", ""}}},
                                             .scope = {.n = 1, .at = {{"c", "3"}}}};
    static struct vm_update_labels gone = {.operation_id = "op2"}, back;
    struct host_settings settings = {.id = HOST_SETTINGS_ID, .boot_id = "x"}, kept = {0};
    struct store *s = open_store();
    CHECK_INT(store_load_host_settings(s, keep_settings, &kept, NULL), 0);
    CHECK_INT(kept.id, 0); /* nothing was ever set */
    struct waited w;
    struct store_txn *txn = store_txn_new();
    store_put_host_settings(txn, &settings);
    settings.draining = true;
    store_put_host_settings(txn, &settings);
    store_put_vm_update(txn, &gone);
    store_put_vm_update(txn, &update);
    store_delete_vm_update(txn, gone.operation_id);
    commit_and_wait(s, txn, &w);
    CHECK_INT(w.err.code, ERR_NONE);
    store_close(s);
    s = open_store();
    CHECK_INT(store_load_host_settings(s, keep_settings, &kept, NULL), 0);
    CHECK(memcmp(&kept, &settings, sizeof(kept)) == 0);
    CHECK_INT(store_load_vm_updates(s, keep_update, &back, NULL), 0);
    CHECK(memcmp(&back, &update, sizeof(back)) == 0);
    store_close(s);
}

static int copy_request(void *arg, const struct store_request *row)
{
    struct store_request *to = arg;
    to[strcmp(row->method, "session.start bob") == 0] = *row;
    return 0;
}

/* The same request id of two principals is two requests; of one, the latest row. */
static void test_requests(void)
{
    struct err err = ERR_INIT;
    struct store *s = open_store();
    struct store_txn *txn = store_txn_new();
    struct waited w;
    struct store_request row = {.request_id = "one", .method = "session.start alice"};
    struct store_request loaded[2] = {{.created_ns = 0}};
    for (int i = 1; i <= 3; i++) {
        row.created_ns = i;
        snprintf(row.resource, sizeof(row.resource), "s%d", i);
        snprintf(row.method, sizeof(row.method), "session.start %s", i < 3 ? "alice" : "bob");
        store_put_request(txn, &row);
    }
    commit_and_wait(s, txn, &w);
    CHECK_STR(w.err.message, "");
    store_close(s);
    s = open_store();
    CHECK_INT(store_load_requests(s, 0, copy_request, loaded, &err), 0);
    CHECK_STR(loaded[0].resource, "s2");
    CHECK_STR(loaded[1].resource, "s3");
    store_close(s);
}

/* The latest of several, of this principal alone, and by the index that is there for it. */
static void test_find_request(void)
{
    struct err err = ERR_INIT;
    struct store *s = open_store();
    struct store_txn *txn = store_txn_new();
    struct waited w;
    struct operation op = {.id = "00000000000000f1", .request_id = "find", .principal = "alice"};
    struct store_find find = {.request_id = "find", .principal = "alice", .method = "m alice"};
    struct store_request row = {.request_id = "find", .method = "m alice", .resource = "s9"};
    op.created_ns = op.ended_ns = 1;
    store_put_operation(txn, &op);
    op.created_ns = op.ended_ns = 3;
    op.id[15] = '2';
    store_put_operation(txn, &op);
    op.created_ns = op.ended_ns = 4;
    op.id[15] = '3';
    snprintf(op.principal, sizeof(op.principal), "bob");
    store_put_operation(txn, &op);
    store_put_request(txn, &row);
    store_find_request(txn, &find);
    commit_and_wait(s, txn, &w);
    CHECK_STR(w.err.message, "");
    CHECK(find.has_operation && find.has_request);
    CHECK_STR(find.operation.id, "00000000000000f2");
    CHECK_STR(find.request.resource, "s9");
    size_t n = 0;
    CHECK_INT(store_count_operations(s, 2, &n, &err), 0);
    CHECK_INT(n, 2);
    txn = store_txn_new();
    snprintf(find.request_id, sizeof(find.request_id), "another");
    store_find_request(txn, &find);
    commit_and_wait(s, txn, &w);
    CHECK(!find.has_operation && !find.has_request);
    store_close(s);

    sqlite3 *db = NULL;
    sqlite3_stmt *plan = NULL;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db,
                                 "EXPLAIN QUERY PLAN SELECT * FROM operations WHERE principal = ?"
                                 " AND request_id = ? AND request_id <> ''",
                                 -1, &plan, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_step(plan), SQLITE_ROW);
    CHECK_CONTAINS((const char *)sqlite3_column_text(plan, 3), "operations_by_request");
    sqlite3_finalize(plan);
    sqlite3_close(db);
}

/* A row as the first version had it, all fields empty but id, name and state. */
static void insert_old_vm(sqlite3 *db, const char *id, enum vm_state state)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "INSERT INTO vms VALUES ('%s', '%s', '', '', '', 'sim', 1, 1, 0, 0, 2, 0, 0, %d, '', "
             "'', '', '', '', '', '', 0, '', '', '', '', '{}', 1, '', 1, 1, 0, 0)",
             id, id, (int)state);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* A database of the first version is brought up to date and keeps its rows. */
static void test_first_schema(void)
{
    char old[112];
    struct err err = ERR_INIT;
    sqlite3 *db = NULL;
    snprintf(old, sizeof(old), "%s/old.db", dir);
    CHECK_INT(sqlite3_open(old, &db), SQLITE_OK);
    CHECK_INT(migrations_apply(db, 1, &err), 0);
    CHECK_INT(sqlite3_exec(db,
                           "INSERT INTO meta VALUES ('old', 'kept');"
                           "INSERT INTO requests VALUES ('id', 'method', 'digest', 'session', 1)",
                           NULL, NULL, NULL),
              SQLITE_OK);
    insert_old_vm(db, "runs", VM_RUNNING);
    insert_old_vm(db, "rests", VM_STOPPED);
    CHECK(sqlite3_exec(db, "SELECT * FROM identities", NULL, NULL, NULL) != SQLITE_OK);
    CHECK_INT(migrations_apply(db, 0, &err), 0);
    CHECK_STR(err.message, "");
    CHECK_INT(sqlite3_exec(db, "SELECT * FROM identities, tokens, audit", NULL, NULL, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_exec(db,
                           "DELETE FROM vms WHERE restart_policy = 1 AND wanted = (id = 'runs')",
                           NULL, NULL, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_changes(db), 2); /* what lives is wanted alive */
    CHECK_INT(sqlite3_exec(db, "DELETE FROM meta WHERE key = 'old'", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_changes(db), 1);
    CHECK_INT(sqlite3_exec(db, "DELETE FROM requests WHERE resource = 'session'", NULL, NULL, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

/* What the log says of sessions that agents may still have becomes rows, where there is a VM. */
static void test_deletions_in_an_old_log_are_kept(void)
{
    char old[112];
    struct err err = ERR_INIT;
    sqlite3 *db = NULL;
    snprintf(old, sizeof(old), "%s/log.db", dir);
    CHECK_INT(sqlite3_open(old, &db), SQLITE_OK);
    CHECK_INT(migrations_apply(db, 1, &err), 0);
    insert_old_vm(db, "here", VM_RUNNING);
    CHECK_INT(migrations_apply(db, 9, &err), 0);
    CHECK_INT(sqlite3_exec(db,
                           "INSERT INTO events VALUES"
                           " (1, 1, 'session.deleted', 'session/s1', '', '', 'here'),"
                           " (2, 1, 'session.deleted', 'session/s1', '', '', 'here'),"
                           " (3, 1, 'session.deleted', 'session/s2', '', '', 'gone'),"
                           " (4, 1, 'session.state', 'session/s3', '', '', 'here')",
                           NULL, NULL, NULL),
              SQLITE_OK);
    CHECK_INT(migrations_apply(db, 0, &err), 0);
    CHECK_STR(err.message, "");
    CHECK_INT(sqlite3_exec(db, "DELETE FROM session_deletions WHERE session_id <> 's1'", NULL, NULL,
                           NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_changes(db), 0);
    CHECK_INT(sqlite3_exec(db, "DELETE FROM session_deletions", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static void test_newer_schema_is_refused(void)
{
    sqlite3 *db = NULL;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", migrations_newest() + 1);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct err err = ERR_INIT;
    CHECK(store_open(loop, path, &err) == NULL);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "newer program");
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", migrations_newest());
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* What a kernel hands out (a process, a tap, a loop or dm device) must be found again, never
 * stored. */
static void test_no_handle_has_a_column(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db,
                                 "SELECT m.name, c.name FROM sqlite_master m, "
                                 "pragma_table_info(m.name) c WHERE m.type = 'table'",
                                 -1, &stmt, NULL),
              SQLITE_OK);
    static const char *const forbidden[] = {"pid", "start_time", "tap", "loop", "dm_", "handle"};
    int columns = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        columns++;
        const char *table = (const char *)sqlite3_column_text(stmt, 0);
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        if (strcmp(name, "guest_pid") == 0)
            continue; /* a number inside the guest: identity of nothing on this host */
        for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
            if (strstr(name, forbidden[i])) {
                fprintf(stderr, "%s.%s looks like a handle\n", table, name);
                CHECK(!"a handle has a column");
            }
    }
    CHECK(columns > 100);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-store-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    loop = loop_new(NULL);
    RUN(test_rows_round_trip);
    RUN(test_labels_are_whole_or_an_error);
    RUN(test_failed_transaction_stays_alone);
    RUN(test_close_commits_what_waits);
    RUN(test_events_are_bounded);
    RUN(test_identities);
    RUN(test_host_settings_and_waiting_updates);
    RUN(test_requests);
    RUN(test_find_request);
    RUN(test_first_schema);
    RUN(test_deletions_in_an_old_log_are_kept);
    RUN(test_newer_schema_is_refused);
    RUN(test_no_handle_has_a_column);
    loop_free(loop);
    fs_remove_tree(dir, NULL);
    return check_end();
}
