/* A transaction as a list of changes, made on the loop's thread, applied on the store's. */
#ifndef BANGER_DAEMON_STORE_TXN_H
#define BANGER_DAEMON_STORE_TXN_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"
#include "daemon/model/model.h"

enum statement {
    PUT_VM,
    DELETE_VM,
    PUT_SESSION,
    DELETE_SESSION,
    PUT_SERVICE,
    DELETE_SERVICE,
    PUT_OPERATION,
    PUT_IMAGE,
    DELETE_IMAGE,
    PUT_KERNEL,
    DELETE_KERNEL,
    PUT_EVENT,
    PUT_REQUEST,
    PUT_IDENTITY,
    PUT_TOKEN,
    DELETE_TOKEN,
    PUT_HOST_SETTINGS,
    PUT_VM_UPDATE,
    DELETE_VM_UPDATE,
    PUT_SESSION_DELETION,
    DELETE_SESSION_DELETION,
    PUT_AUDIT,
    READ_AUDIT,
    FIND_OPERATION,
    FIND_REQUEST,
    TRIM_AUDIT,
    TRIM_EVENTS,
    TRIM_OPERATIONS,
    TRIM_REQUESTS,
    N_STATEMENTS,
};

struct audit_page;
struct store_find;

struct statements {
    sqlite3_stmt *at[N_STATEMENTS];
};

int statements_prepare(struct statements *s, sqlite3 *db, struct err *err);
void statements_done(struct statements *s);

struct store_txn {
    struct list link;    /* in the store's queue */
    struct list changes; /* struct change */
    struct list hooks;   /* struct txn_hook */
    bool out_of_memory;
    bool proposed; /* may be given up while the disk refuses */
    void (*done)(void *arg, const struct err *err);
    void *arg;
    struct err err; /* outcome; ERR_NONE when committed */
};

/* audit.c: steps through the rows that the page asks for. */
int audit_page_read(sqlite3_stmt *select, struct audit_page *page, struct err *err);

/* request.c: the rows of a request id. */
int find_operation(sqlite3_stmt *select, struct store_find *find, struct err *err);
int find_request(sqlite3_stmt *select, struct store_find *find, struct err *err);

/* Runs every change, numbering events behind *last_seq; the caller has opened the savepoint, and
 * takes *last_seq back where it fails. *rc is SQLite's word for a failure. */
int txn_apply(struct store_txn *txn, struct statements *s, uint64_t *last_seq, int *rc,
              struct err *err);
/* Calls each() with every event, in order. */
void txn_each_event(const struct store_txn *txn, void (*each)(void *arg, const struct event *event),
                    void *arg);
/* Calls the hooks in order, then done(), and frees. err NULL: it is on disk. */
void txn_end(struct store_txn *txn, const struct err *err);

#endif
