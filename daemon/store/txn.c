/* A transaction as a list of changes; see txn.h. */
#include "daemon/store/txn.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/store/column.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"

struct change {
    struct list link;
    enum statement statement;
    /* The row (PUT_*), the key (DELETE_*: a string), the bound (TRIM_*: an int64_t), a pointer
     * to what is filled in (READ_AUDIT, FIND_*). */
    _Alignas(max_align_t) unsigned char data[];
};

/* How each statement is made: from a table's description, or from SQL with one integer. */
static const struct {
    const struct table *table;
    const char *trim_sql;
} statement_sources[N_STATEMENTS] = {
    [PUT_VM] = {&vm_table, NULL},
    [DELETE_VM] = {&vm_table, NULL},
    [PUT_SESSION] = {&session_table, NULL},
    [DELETE_SESSION] = {&session_table, NULL},
    [PUT_SERVICE] = {&guest_service_table, NULL},
    [DELETE_SERVICE] = {&guest_service_table, NULL},
    [PUT_OPERATION] = {&operation_table, NULL},
    [PUT_IMAGE] = {&image_table, NULL},
    [DELETE_IMAGE] = {&image_table, NULL},
    [PUT_KERNEL] = {&kernel_table, NULL},
    [DELETE_KERNEL] = {&kernel_table, NULL},
    [PUT_EVENT] = {&event_table, NULL},
    [PUT_REQUEST] = {&request_table, NULL},
    [PUT_IDENTITY] = {&identity_table, NULL},
    [PUT_TOKEN] = {&token_table, NULL},
    [DELETE_TOKEN] = {&token_table, NULL},
    [PUT_HOST_SETTINGS] = {&host_settings_table, NULL},
    [PUT_VM_UPDATE] = {&vm_update_table, NULL},
    [DELETE_VM_UPDATE] = {&vm_update_table, NULL},
    [PUT_SESSION_DELETION] = {&session_deletion_table, NULL},
    [DELETE_SESSION_DELETION] = {&session_deletion_table, NULL},
    [PUT_AUDIT] = {&audit_table, NULL},
    [READ_AUDIT] = {&audit_table, NULL},
    [FIND_OPERATION] = {&operation_table, NULL},
    [FIND_REQUEST] = {&request_table, NULL},
    [TRIM_AUDIT] = {NULL, "DELETE FROM audit WHERE seq <= ?"},
    [TRIM_EVENTS] = {NULL, "DELETE FROM events WHERE seq < ?"},
    [TRIM_OPERATIONS] = {NULL, "DELETE FROM operations WHERE ended_ns > 0 AND ended_ns < ?"},
    [TRIM_REQUESTS] = {NULL, "DELETE FROM requests WHERE created_ns < ?"},
};

static bool is_delete(enum statement s)
{
    return s == DELETE_VM || s == DELETE_SESSION || s == DELETE_SERVICE || s == DELETE_IMAGE ||
           s == DELETE_KERNEL || s == DELETE_TOKEN || s == DELETE_VM_UPDATE ||
           s == DELETE_SESSION_DELETION;
}

/* The WHERE of what reads; NULL for what writes. */
static const char *read_where(enum statement s)
{
    switch (s) {
    case READ_AUDIT:
        return "WHERE seq > ?";
    case FIND_OPERATION: /* the last condition lets it take the index */
        return "WHERE principal = ? AND request_id = ? AND request_id <> ''";
    case FIND_REQUEST:
        return "WHERE method = ? AND request_id = ?";
    default:
        return NULL;
    }
}

int statements_prepare(struct statements *s, sqlite3 *db, struct err *err)
{
    for (int i = 0; i < N_STATEMENTS; i++) {
        const struct table *t = statement_sources[i].table;
        if (!t) {
            if (sqlite3_prepare_v3(db, statement_sources[i].trim_sql, -1, SQLITE_PREPARE_PERSISTENT,
                                   &s->at[i], NULL) != SQLITE_OK)
                return store_sqlite_error(db, err, statement_sources[i].trim_sql);
        } else if (is_delete((enum statement)i)) {
            s->at[i] = table_prepare_delete(db, t, err);
        } else if (read_where((enum statement)i)) {
            s->at[i] = table_prepare_select(db, t, read_where((enum statement)i), err);
        } else {
            s->at[i] = table_prepare_upsert(db, t, err);
        }
        if (!s->at[i])
            return -1;
    }
    return 0;
}

void statements_done(struct statements *s)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(s->at[i]);
}

struct txn_hook {
    struct list link;
    void (*fn)(void *arg, const struct err *err);
    void *arg;
};

/* For so little: see store.h. */
static void *txn_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (!p) {
        log_error("store", "out of memory: the daemon cannot go on");
        abort();
    }
    return p;
}

struct store_txn *store_txn_new(void)
{
    struct store_txn *txn = txn_alloc(sizeof(*txn));
    list_init(&txn->link);
    list_init(&txn->changes);
    list_init(&txn->hooks);
    return txn;
}

void store_on_commit(struct store_txn *txn, void (*fn)(void *arg, const struct err *err), void *arg)
{
    struct txn_hook *hook = txn_alloc(sizeof(*hook));
    *hook = (struct txn_hook){.fn = fn, .arg = arg};
    list_init(&hook->link);
    list_add_tail(&txn->hooks, &hook->link);
}

void txn_end(struct store_txn *txn, const struct err *err)
{
    for (struct list *l; (l = list_first(&txn->hooks));) {
        struct txn_hook *hook = container_of(l, struct txn_hook, link);
        list_remove(l);
        hook->fn(hook->arg, err);
        free(hook);
    }
    txn->done(txn->arg, err);
    store_txn_free(txn);
}

void store_txn_free(struct store_txn *txn)
{
    if (!txn)
        return;
    list_foreach(at, &txn->changes)
    {
        struct change *c = container_of(at, struct change, link);
        if (c->statement == PUT_SESSION)
            session_done((struct session *)(void *)c->data);
        else if (c->statement == PUT_SERVICE)
            guest_service_done((struct guest_service *)(void *)c->data);
        else if (c->statement == PUT_OPERATION)
            operation_done((struct operation *)(void *)c->data);
        else if (c->statement == PUT_VM)
            vm_done((struct vm *)(void *)c->data);
        free(c);
    }
    list_foreach(h, &txn->hooks) free(container_of(h, struct txn_hook, link));
    free(txn);
}

/* Appends a change with room for size bytes; NULL when out of memory, which the commit reports. */
static void *add(struct store_txn *txn, enum statement statement, const void *data, size_t size)
{
    struct change *c = malloc(sizeof(*c) + size);
    if (!c) {
        txn->out_of_memory = true;
        return NULL;
    }
    c->statement = statement;
    memcpy(c->data, data, size);
    list_add_tail(&txn->changes, &c->link);
    return c->data;
}

void store_put_vm(struct store_txn *txn, const struct vm *vm)
{
    struct vm *copy = add(txn, PUT_VM, vm, sizeof(*vm));
    if (copy && vm_copy(copy, vm) < 0)
        txn->out_of_memory = true;
}

void store_delete_vm(struct store_txn *txn, const char *id)
{
    add(txn, DELETE_VM, id, strlen(id) + 1);
}

void store_put_session(struct store_txn *txn, const struct session *session)
{
    struct session *copy = add(txn, PUT_SESSION, session, sizeof(*session));
    if (copy && session_copy(copy, session) < 0)
        txn->out_of_memory = true;
}

void store_delete_session(struct store_txn *txn, const char *id)
{
    add(txn, DELETE_SESSION, id, strlen(id) + 1);
}

void store_put_guest_service(struct store_txn *txn, const struct guest_service *service)
{
    struct guest_service *copy = add(txn, PUT_SERVICE, service, sizeof(*service));
    if (copy && guest_service_copy(copy, service) < 0)
        txn->out_of_memory = true;
}

void store_delete_guest_service(struct store_txn *txn, const char *id)
{
    add(txn, DELETE_SERVICE, id, strlen(id) + 1);
}

void store_put_operation(struct store_txn *txn, const struct operation *op)
{
    struct operation *copy = add(txn, PUT_OPERATION, op, sizeof(*op));
    if (copy && operation_copy(copy, op) < 0)
        txn->out_of_memory = true;
}

void store_put_image(struct store_txn *txn, const struct image *image)
{
    add(txn, PUT_IMAGE, image, sizeof(*image));
}

void store_delete_image(struct store_txn *txn, const char *id)
{
    add(txn, DELETE_IMAGE, id, strlen(id) + 1);
}

void store_put_kernel(struct store_txn *txn, const struct kernel *kernel)
{
    add(txn, PUT_KERNEL, kernel, sizeof(*kernel));
}

void store_delete_kernel(struct store_txn *txn, const char *id)
{
    add(txn, DELETE_KERNEL, id, strlen(id) + 1);
}

void store_put_identity(struct store_txn *txn, const struct identity *identity)
{
    add(txn, PUT_IDENTITY, identity, sizeof(*identity));
}

void store_put_token(struct store_txn *txn, const struct token *token)
{
    add(txn, PUT_TOKEN, token, sizeof(*token));
}

void store_delete_token(struct store_txn *txn, const char *key)
{
    add(txn, DELETE_TOKEN, key, strlen(key) + 1);
}

void store_put_host_settings(struct store_txn *txn, const struct host_settings *settings)
{
    add(txn, PUT_HOST_SETTINGS, settings, sizeof(*settings));
}

void store_put_vm_update(struct store_txn *txn, const struct vm_update_labels *update)
{
    add(txn, PUT_VM_UPDATE, update, sizeof(*update));
}

void store_delete_vm_update(struct store_txn *txn, const char *operation_id)
{
    add(txn, DELETE_VM_UPDATE, operation_id, strlen(operation_id) + 1);
}

void store_put_session_deletion(struct store_txn *txn, const struct session_deletion *deletion)
{
    add(txn, PUT_SESSION_DELETION, deletion, sizeof(*deletion));
}

void store_delete_session_deletion(struct store_txn *txn, const char *session_id)
{
    add(txn, DELETE_SESSION_DELETION, session_id, strlen(session_id) + 1);
}

void store_add_event(struct store_txn *txn, const struct event *event)
{
    add(txn, PUT_EVENT, event, sizeof(*event));
}

void store_put_request(struct store_txn *txn, const struct store_request *request)
{
    add(txn, PUT_REQUEST, request, sizeof(*request));
}

void store_trim(struct store_txn *txn, uint64_t events_before_seq, int64_t operations_before_ns,
                int64_t requests_before_ns)
{
    int64_t seq = (int64_t)events_before_seq;
    add(txn, TRIM_EVENTS, &seq, sizeof(seq));
    add(txn, TRIM_OPERATIONS, &operations_before_ns, sizeof(operations_before_ns));
    add(txn, TRIM_REQUESTS, &requests_before_ns, sizeof(requests_before_ns));
}

void store_add_audit(struct store_txn *txn, const struct audit_entry *entry)
{
    add(txn, PUT_AUDIT, entry, sizeof(*entry));
}

void store_trim_audit(struct store_txn *txn, uint64_t to_seq)
{
    int64_t seq = (int64_t)to_seq;
    add(txn, TRIM_AUDIT, &seq, sizeof(seq));
}

void store_read_audit(struct store_txn *txn, struct audit_page *page)
{
    add(txn, READ_AUDIT, &page, sizeof(page));
}

void store_find_request(struct store_txn *txn, struct store_find *find)
{
    add(txn, FIND_OPERATION, &find, sizeof(find));
    add(txn, FIND_REQUEST, &find, sizeof(find));
}

static int apply_read(enum statement statement, sqlite3_stmt *stmt, const void *data,
                      struct err *err)
{
    void *where;
    memcpy(&where, data, sizeof(where));
    return statement == READ_AUDIT       ? audit_page_read(stmt, where, err)
           : statement == FIND_OPERATION ? find_operation(stmt, where, err)
                                         : find_request(stmt, where, err);
}

static int apply_trim(sqlite3_stmt *stmt, const void *data, struct err *err)
{
    int64_t bound;
    memcpy(&bound, data, sizeof(bound));
    int rc = sqlite3_bind_int64(stmt, 1, bound);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        store_sqlite_error(sqlite3_db_handle(stmt), err, "trim");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int apply_change(struct change *c, struct statements *s, uint64_t *last_seq, struct err *err)
{
    const struct table *t = statement_sources[c->statement].table;
    sqlite3_stmt *stmt = s->at[c->statement];
    if (c->statement == PUT_EVENT)
        ((struct event *)(void *)c->data)->seq = ++*last_seq;
    return !t                         ? apply_trim(stmt, c->data, err)
           : read_where(c->statement) ? apply_read(c->statement, stmt, c->data, err)
           : is_delete(c->statement)  ? table_delete(stmt, (const char *)c->data, err)
                                      : table_upsert(stmt, t, c->data, err);
}

int txn_apply(struct store_txn *txn, struct statements *s, uint64_t *last_seq, int *rc,
              struct err *err)
{
    *rc = SQLITE_ERROR;
    if (txn->out_of_memory)
        return err_set(err, ERR_LIMIT, "out of memory collecting a transaction");
    list_foreach(at, &txn->changes)
    {
        struct change *c = container_of(at, struct change, link);
        const struct table *t = statement_sources[c->statement].table;
        *rc = t && !read_where(c->statement) ? store_fault_hit(t->name) : SQLITE_OK;
        if (*rc != SQLITE_OK)
            return store_code_error(*rc, err, t->name);
        if (apply_change(c, s, last_seq, err) < 0) {
            *rc = sqlite3_errcode(sqlite3_db_handle(s->at[c->statement]));
            return -1;
        }
    }
    *rc = SQLITE_OK;
    return 0;
}

void txn_each_event(const struct store_txn *txn, void (*each)(void *arg, const struct event *event),
                    void *arg)
{
    list_foreach(at, &txn->changes)
    {
        const struct change *c = container_of(at, struct change, link);
        if (c->statement == PUT_EVENT)
            each(arg, (const struct event *)(const void *)c->data);
    }
}
