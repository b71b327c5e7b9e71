/* What the store keeps comes back whole, and so do copies and records: each with a row that has
 * something in every column. */
#include <sqlite3.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/store/record.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"
#include "tests/support/sample.h"

static char dir[64], path[96];
static struct loop *loop;

static void check_same(const struct table *t, const void *got, const void *want)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (!CHECK(sample_same(&t->columns[i], got, want)))
            fprintf(stderr, "%s.%s is lost\n", t->name, t->columns[i].name);
}

static void test_a_sample_has_no_default(void)
{
    for (size_t n = 0; n < n_sample_tables; n++) {
        const struct table *t = sample_tables[n];
        _Alignas(max_align_t) static char row[65536], other[65536];
        memset(row, 0, sizeof(row));
        memset(other, 0, sizeof(other));
        sample_fill(t, row);
        sample_fill(t, other);
        for (size_t i = 0; i < t->n_columns; i++) {
            CHECK(!sample_is_default(&t->columns[i], row));
            CHECK(sample_same(&t->columns[i], row, other));
            sample_change(&t->columns[i], other);
            CHECK(!sample_same(&t->columns[i], row, other));
        }
        sample_done(t, row);
        sample_done(t, other);
    }
}

static int loaded;

#define SAMPLE(type, name)                                                                         \
    static struct type name;                                                                       \
    static int name##_is_whole(void *arg, const struct type *row)                                  \
    {                                                                                              \
        (void)arg;                                                                                 \
        loaded++;                                                                                  \
        check_same(&name##_table, row, &name);                                                     \
        return 0;                                                                                  \
    }
SAMPLE(vm, vm)
SAMPLE(session, session)
SAMPLE(guest_service, guest_service)
SAMPLE(operation, operation)
SAMPLE(image, image)
SAMPLE(kernel, kernel)
SAMPLE(event, event)
SAMPLE(store_request, request)
SAMPLE(identity, identity)
SAMPLE(token, token)
SAMPLE(host_settings, host_settings)
SAMPLE(vm_update_labels, vm_update)
SAMPLE(session_deletion, session_deletion)
#undef SAMPLE

static void committed(void *arg, const struct err *err)
{
    if (!CHECK(err == NULL))
        fprintf(stderr, "%s\n", err->message);
    *(bool *)arg = true;
    loop_stop(loop);
}

static void fill_all(void)
{
    sample_fill(&vm_table, &vm);
    sample_fill(&session_table, &session);
    sample_fill(&guest_service_table, &guest_service);
    sample_fill(&operation_table, &operation);
    sample_fill(&image_table, &image);
    sample_fill(&kernel_table, &kernel);
    sample_fill(&event_table, &event);
    sample_fill(&request_table, &request);
    sample_fill(&identity_table, &identity);
    sample_fill(&token_table, &token);
    sample_fill(&host_settings_table, &host_settings);
    sample_fill(&vm_update_table, &vm_update);
    sample_fill(&session_deletion_table, &session_deletion);
    memcpy(session.vm_id, vm.id, sizeof(session.vm_id)); /* a reference */
    memcpy(guest_service.vm_id, vm.id, sizeof(vm.id));
    memcpy(session_deletion.vm_id, vm.id, sizeof(vm.id));
    event.seq = 1; /* the store is to give it */
}

static void test_every_row_comes_back_whole(void)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(loop, path, &err);
    bool done = false;
    if (!CHECK(s != NULL)) {
        fprintf(stderr, "%s\n", err.message);
        return;
    }
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, &vm);
    store_put_session(txn, &session);
    store_put_guest_service(txn, &guest_service);
    store_put_operation(txn, &operation);
    store_put_image(txn, &image);
    store_put_kernel(txn, &kernel);
    store_add_event(txn, &event);
    store_put_request(txn, &request);
    store_put_identity(txn, &identity);
    store_put_token(txn, &token);
    store_put_host_settings(txn, &host_settings);
    store_put_vm_update(txn, &vm_update);
    store_put_session_deletion(txn, &session_deletion);
    store_commit(s, txn, committed, &done);
    CHECK_INT(loop_run(loop, NULL), 0);
    CHECK(done);
    store_close(s);

    s = store_open(loop, path, &err);
    if (!CHECK(s != NULL))
        return;
    CHECK_INT(store_load_vms(s, vm_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_sessions(s, session_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_guest_services(s, guest_service_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_operations(s, 10, operation_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_images(s, image_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_kernels(s, kernel_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_events(s, 10, event_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_requests(s, 0, request_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_identities(s, identity_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_tokens(s, token_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_host_settings(s, host_settings_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_vm_updates(s, vm_update_is_whole, NULL, &err), 0);
    CHECK_INT(store_load_session_deletions(s, session_deletion_is_whole, NULL, &err), 0);
    CHECK_INT(loaded, 13);
    store_close(s);
}

/* The database has what the tables say, and nothing else. */
static void test_every_column_of_the_database_is_read(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int n = 0;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(
        sqlite3_prepare_v2(db,
                           "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c"
                           " WHERE t.type = 'table' AND t.name NOT IN ('meta')",
                           -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(stmt, 0);
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        bool found = false;
        for (size_t i = 0; i < n_sample_tables; i++)
            for (size_t c = 0; c < sample_tables[i]->n_columns; c++)
                found |= strcmp(sample_tables[i]->name, table) == 0 &&
                         strcmp(sample_tables[i]->columns[c].name, name) == 0;
        if (!CHECK(found))
            fprintf(stderr, "%s.%s is in the database, daemon/store/tables.c has no line for it\n",
                    table, name);
        n++;
    }
    CHECK(n > 100);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void check_copied(const struct table *t, const void *copy, const void *of)
{
    check_same(t, copy, of);
    for (size_t i = 0; i < t->n_columns; i++)
        if (!CHECK(!sample_shares(&t->columns[i], copy, of)))
            fprintf(stderr, "%s.%s is not copied: two own it\n", t->name, t->columns[i].name);
}

static void test_copies_are_whole(void)
{
    struct vm vm2;
    struct session session2;
    struct guest_service service2;
    struct operation operation2;
    if (CHECK_INT(vm_copy(&vm2, &vm), 0)) {
        check_copied(&vm_table, &vm2, &vm);
        vm_done(&vm2);
    }
    if (CHECK_INT(session_copy(&session2, &session), 0)) {
        check_copied(&session_table, &session2, &session);
        session_done(&session2);
    }
    if (CHECK_INT(guest_service_copy(&service2, &guest_service), 0)) {
        check_copied(&guest_service_table, &service2, &guest_service);
        guest_service_done(&service2);
    }
    if (CHECK_INT(operation_copy(&operation2, &operation), 0)) {
        check_copied(&operation_table, &operation2, &operation);
        operation_done(&operation2);
    }
}

/* A record has a column as it is, or not at all; of what was asked for it has everything. */
static void check_recorded(const struct table *t, const void *got, const void *want)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        bool asked =
            t == &vm_table && c->offset >= offsetof(struct vm, spec) &&
            c->offset < offsetof(struct vm, spec) + sizeof(vm.spec) &&
            c->offset != offsetof(struct vm, spec.lease_ms); /* ends with the daemon's life */
        if (!CHECK(sample_same(c, got, want) || (!asked && sample_is_default(c, got))))
            fprintf(stderr, "the record has no %s.%s\n", t->name, c->name);
    }
}

static void test_records_are_whole(void)
{
    struct vm vm2;
    struct image image2;
    struct kernel kernel2;
    char *texts[] = {record_of_vm(&vm), record_of_image(&image), record_of_kernel(&kernel)};
    CHECK_INT(record_read_vm(texts[0], strlen(texts[0]), &vm2, NULL), 0);
    check_recorded(&vm_table, &vm2, &vm);
    CHECK_STR(vm2.name, vm.name);
    CHECK_INT(vm2.labels.n, 1);
    vm_done(&vm2);
    CHECK_INT(record_read_image(texts[1], strlen(texts[1]), &image2, NULL), 0);
    check_recorded(&image_table, &image2, &image);
    CHECK_STR(image2.digest, image.digest);
    CHECK_INT(record_read_kernel(texts[2], strlen(texts[2]), &kernel2, NULL), 0);
    check_recorded(&kernel_table, &kernel2, &kernel);
    CHECK_STR(kernel2.digest, kernel.digest);
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-rows-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    loop = loop_new(NULL);
    fill_all();
    RUN(test_a_sample_has_no_default);
    RUN(test_copies_are_whole);
    RUN(test_every_row_comes_back_whole);
    RUN(test_every_column_of_the_database_is_read);
    RUN(test_records_are_whole);
    sample_done(&vm_table, &vm);
    sample_done(&session_table, &session);
    sample_done(&guest_service_table, &guest_service);
    sample_done(&operation_table, &operation);
    loop_free(loop);
    fs_remove_tree(dir, NULL);
    return check_end();
}
