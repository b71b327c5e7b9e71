/* Request ids of session starts: the same id with the same payload leads to the same session; and
 * of what else becomes no operation (session_other_request_…), which is remembered in the same
 * place, so that an id stands for one thing.
 *
 * Kept in the store for a day, the latest in memory too; the others are found again when they are
 * asked for (request_past.h). See common.proto for what is promised. A start
 * that was refused, or whose record could not be written, is not remembered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/store/store.h"

enum { REQUESTS_MAX = 4000, KEY_BYTES = 240 };

static const char method_prefix[] = "session.start ";

struct session_request {
    struct list link;
    char key[KEY_BYTES]; /* method, which names the principal, and request id */
    struct store_request row;
};

static void make_key(char key[KEY_BYTES], const struct store_request *row)
{
    snprintf(key, KEY_BYTES, "%s|%s", row->method, row->request_id);
}

static void fill_row(struct store_request *row, const struct request_meta *meta)
{
    *row = (struct store_request){.created_ns = clock_real_ns()};
    snprintf(row->request_id, sizeof(row->request_id), "%s", meta->request_id);
    snprintf(row->method, sizeof(row->method), "%s%s", method_prefix, meta->principal);
    snprintf(row->digest, sizeof(row->digest), "%s", meta->digest);
}

static void drop(struct session_registry *r, struct session_request *q)
{
    map_take(&r->requests, q->key);
    list_remove(&q->link);
    r->n_requests--;
    free(q);
}

static void drop_old(struct session_registry *r)
{
    int64_t since_ns = clock_real_ns() - request_kept_ns;
    for (struct list *pos; (pos = list_first(&r->request_order));) {
        struct session_request *q = container_of(pos, struct session_request, link);
        if (r->n_requests < REQUESTS_MAX && q->row.created_ns >= since_ns)
            return;
        request_past_add(r->core, q->row.method + strlen(method_prefix), q->row.request_id);
        drop(r, q);
    }
}

static int keep(struct session_registry *r, const struct store_request *row)
{
    drop_old(r);
    struct session_request *q = calloc(1, sizeof(*q));
    if (!q)
        return -1;
    q->row = *row;
    make_key(q->key, row);
    struct session_request *old = map_find(&r->requests, q->key);
    if (old)
        drop(r, old);
    if (map_put(&r->requests, q->key, q) < 0) {
        free(q);
        return -1;
    }
    list_init(&q->link);
    list_add_tail(&r->request_order, &q->link);
    r->n_requests++;
    return 0;
}

static int remember(struct core *core, const struct store_request *row)
{
    char key[KEY_BYTES];
    if (!core->sessions)
        return 0;
    make_key(key, row);
    return map_find(&core->sessions->requests, key) ? 0 : keep(core->sessions, row);
}

static const struct request_kind session_requests = {method_prefix, remember};

static int load_one(void *arg, const struct store_request *row)
{
    bool ours = strncmp(row->method, method_prefix, strlen(method_prefix)) == 0;
    return ours ? keep(arg, row) : 0;
}

int session_requests_load(struct session_registry *r, struct err *err)
{
    request_past_others(r->core, &session_requests);
    return store_load_requests(r->core->store, clock_real_ns() - request_kept_ns, load_one, r, err);
}

void session_requests_free(struct session_registry *r)
{
    for (struct list *pos; (pos = list_first(&r->request_order));)
        drop(r, container_of(pos, struct session_request, link));
    map_done(&r->requests);
}

/* 0 with *found (NULL: new), or -1 with ERR_EXISTS (REQUEST_ID_REUSED). */
static int find(const struct core *core, const struct request_meta *meta,
                const struct session_request **found, struct err *err)
{
    *found = NULL;
    if (!meta || !meta->request_id[0])
        return 0;
    struct store_request row;
    char key[KEY_BYTES];
    fill_row(&row, meta);
    make_key(key, &row);
    const struct session_request *q = map_find(&core->sessions->requests, key);
    *found = q;
    if (!q || strcmp(q->row.digest, meta->digest) == 0)
        return 0;
    err_set(err, ERR_EXISTS, "request id %s was used for another request; choose a new one",
            meta->request_id);
    return err_tag(err, "REQUEST_ID_REUSED", "%s%s", strchr(q->row.resource, '/') ? "" : "session/",
                   q->row.resource);
}

int session_other_request_find(struct core *core, const struct request_meta *meta,
                               char resource[96], struct err *err)
{
    const struct session_request *q;
    if (find(core, meta, &q, err) < 0)
        return -1;
    snprintf(resource, 96, "%s", q ? q->row.resource : "");
    return 0;
}

int session_request_find(struct core *core, const struct request_meta *meta,
                         struct session_entry **found, struct err *err)
{
    const struct session_request *q;
    *found = NULL;
    if (find(core, meta, &q, err) < 0)
        return -1;
    if (!q)
        return 0;
    *found = session_find_id(core, q->row.resource);
    /* Its VM may have left the scope since, and another have got the name. */
    if (*found && !scope_has_vm_id(core, meta->scope, (*found)->session.vm_id))
        *found = NULL;
    if (*found && session_is_going(*found)) {
        err_set(err, ERR_UNAVAILABLE, "the session that request %s started is being deleted",
                meta->request_id);
        return err_tag(err, "STORE_UNAVAILABLE", "session/%s", q->row.resource);
    }
    if (!*found) {
        err_set(err, ERR_NOT_FOUND, "the session that request %s started has been deleted",
                meta->request_id);
        return err_tag(err, "SESSION_NOT_FOUND", "session/%s", q->row.resource);
    }
    return 0;
}

struct session_entry *session_find_request(struct core *core, const struct request_meta *meta)
{
    struct store_request row;
    char key[KEY_BYTES];
    fill_row(&row, meta);
    make_key(key, &row);
    const struct session_request *q = map_find(&core->sessions->requests, key);
    struct session_entry *e = q ? session_find_id(core, q->row.resource) : NULL;
    return e && scope_has_vm_id(core, meta->scope, e->session.vm_id) ? e : NULL;
}

int session_request_add(struct core *core, const struct request_meta *meta,
                        const struct session_entry *e, struct store_txn *txn, struct err *err)
{
    return session_other_request_add(core, meta, e->session.id, txn, err);
}

int session_other_request_add(struct core *core, const struct request_meta *meta,
                              const char *resource, struct store_txn *txn, struct err *err)
{
    if (!meta || !meta->request_id[0])
        return 0;
    struct store_request row;
    fill_row(&row, meta);
    snprintf(row.resource, sizeof(row.resource), "%s", resource);
    if (keep(core->sessions, &row) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for a request");
    store_put_request(txn, &row);
    return 0;
}

void session_request_forget(struct core *core, const struct session_entry *e)
{
    session_other_request_forget(core, e->session.id);
}

void session_other_request_forget(struct core *core, const char *resource)
{
    struct session_registry *r = core->sessions;
    for (struct list *pos = r->request_order.prev; pos != &r->request_order; pos = pos->prev) {
        struct session_request *q = container_of(pos, struct session_request, link);
        if (strcmp(q->row.resource, resource) == 0) {
            drop(r, q);
            return;
        }
    }
}
