/* The durable half of the daemon: SQLite, the only place with SQL.
 *
 * Memory is what the daemon reads from (the core loads everything at start), the store is what
 * survives, and memory follows the disk: what a client, an event or another module may see is
 * committed first. Changes are collected in a transaction on the loop's thread and committed on the
 * store's own worker, in order; commits that wait together share one fsync.
 *
 * A disk that refuses (full, locked, failing) is a state of the store, not an answer: what has
 * happened waits, in order, until it is written; what was only asked for is given up after a moment
 * and may be tried again. No kernel handle (pid, tap, loop, dm) has a column anywhere: see
 * tests/unit/store. */
#ifndef BANGER_DAEMON_STORE_STORE_H
#define BANGER_DAEMON_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/model/model.h"

struct loop;
struct store;
struct store_txn;

/* Opens or creates the database file, looks whether it is sound, keeps a copy of it where its
 * schema is an older one, brings its schema up to date (append-only migrations in migrations.c),
 * starts the worker. ERR_PRECONDITION: the schema is newer than this program; ERR_DATA_LOSS
 * (STORE_DAMAGED): it is not sound, and the message says which copy is. Blocking. */
struct store *store_open(struct loop *loop, const char *path, struct err *err);
/* Commits what is queued, calls outstanding done()s, closes. What the disk refuses even now is told
 * ERR_UNAVAILABLE. */
void store_close(struct store *store);

/* Makes a copy now; the store makes one an hour by itself (backup.h). done comes exactly
 * once, also where the store closes first; ERR_UNAVAILABLE while another is under way. */
void store_backup_now(struct store *store, void (*done)(void *arg, const struct err *err),
                      void *arg);
/* Name of the newest copy, "" without one; err: why the last try failed, if it did. */
const char *store_backup_newest(const struct store *store, struct err *err);
/* Puts the copy of that name ("newest": the newest good one) in the place of the database at path,
 * which no daemon may have open; that one is put away beside the copies. Its events begin a new
 * epoch. ERR_NOT_FOUND names the copies there are. Blocking. */
int store_restore(const char *path, const char *name, struct err *err);

enum store_state {
    STORE_WRITABLE,
    STORE_RETRYING, /* the disk refuses; tried again by itself until it does not */
    STORE_BROKEN,   /* what is there is no database any more: nothing is written until a restart */
};

struct store_health {
    enum store_state state;
    struct err err;   /* why, unless WRITABLE */
    int64_t since_ns; /* of the state */
    uint32_t tries;   /* since then */
    size_t waiting;   /* transactions */
};

/* Borrowed until the next return to the loop. */
const struct store_health *store_health(const struct store *store);
/* 0, or -1 with ERR_UNAVAILABLE (STORE_UNAVAILABLE) or ERR_DATA_LOSS (STORE_BROKEN). */
int store_check_writable(const struct store *store, struct err *err);
/* For who is about to propose a change. The same, but 0 in a trouble that may be a short one
 * (STORE_PATIENCE_MS): what is proposed then waits, as does what the trouble has met. */
int store_check_admits(const struct store *store, struct err *err);
/* changed() is called on the loop after each change of the state. One listener. */
void store_on_health(struct store *store, void (*changed)(void *arg), void *arg);
/* written() is called on the loop with each event that is on disk, in the order of their numbers,
 * before hooks and done() of its transaction. One listener. */
void store_on_event(struct store *store, void (*written)(void *arg, const struct event *event),
                    void *arg);
/* Of the newest event on disk; while nothing is being committed. */
uint64_t store_last_seq(const struct store *store);

/* Random word made with the database: the epoch of its events. */
const char *store_epoch(const struct store *store);

/* Between them commits wait: what loads rows has the database to itself. Nothing may be committed
 * before the hold. */
void store_hold(struct store *store);
void store_release(struct store *store);

/* Start-up only, blocking, while the store is held: every row in order of creation. A callback
 * returns 0, or -1 to stop. The struct is borrowed for the callback. */
int store_load_vms(struct store *store, int (*each)(void *arg, const struct vm *vm), void *arg,
                   struct err *err);
int store_load_sessions(struct store *store, int (*each)(void *arg, const struct session *s),
                        void *arg, struct err *err);
int store_load_guest_services(struct store *store,
                              int (*each)(void *arg, const struct guest_service *s), void *arg,
                              struct err *err);
int store_load_images(struct store *store, int (*each)(void *arg, const struct image *image),
                      void *arg, struct err *err);
int store_load_kernels(struct store *store, int (*each)(void *arg, const struct kernel *kernel),
                       void *arg, struct err *err);
int store_load_identities(struct store *store,
                          int (*each)(void *arg, const struct identity *identity), void *arg,
                          struct err *err);
int store_load_tokens(struct store *store, int (*each)(void *arg, const struct token *token),
                      void *arg, struct err *err);
/* One row, or none where nothing was ever set. */
int store_load_host_settings(struct store *store,
                             int (*each)(void *arg, const struct host_settings *settings),
                             void *arg, struct err *err);
int store_load_vm_updates(struct store *store,
                          int (*each)(void *arg, const struct vm_update_labels *update), void *arg,
                          struct err *err);
int store_load_session_deletions(struct store *store,
                                 int (*each)(void *arg, const struct session_deletion *deletion),
                                 void *arg, struct err *err);
/* All operations that are not over, and the latest max_ended that are. */
int store_load_operations(struct store *store, size_t max_ended,
                          int (*each)(void *arg, const struct operation *op), void *arg,
                          struct err *err);
/* How many ended since then. */
int store_count_operations(struct store *store, int64_t ended_since_ns, size_t *n, struct err *err);
/* The latest max events, oldest first. */
int store_load_events(struct store *store, size_t max,
                      int (*each)(void *arg, const struct event *event), void *arg,
                      struct err *err);

/* The newest time (Unix ns) in what happened last: events, audit, operations, VMs; 0: nothing has.
 */
int store_newest_time(struct store *store, int64_t *newest_ns, struct err *err);
/* The seq of the newest audit entry there is, 0 without any. */
int store_last_audit_seq(struct store *store, uint64_t *seq, struct err *err);

/* Idempotent requests that did not become operations (operations carry their own request_id). */
struct store_request {
    char request_id[64], method[160], digest[DIGEST_BYTES], resource[96];
    int64_t created_ns;
};

int store_load_requests(struct store *store, int64_t newer_than_ns,
                        int (*each)(void *arg, const struct store_request *r), void *arg,
                        struct err *err);

/* Principal and id of every request that was made since then and is kept: of operations that are
 * not over or ended since, and of the others. In no order; the same one may come twice. */
int store_load_request_ids(struct store *store, int64_t newer_than_ns,
                           int (*each)(void *arg, const char *principal, const char *request_id),
                           void *arg, struct err *err);

/* A transaction copies what it is given; out of memory for a row is remembered and reported at the
 * commit. Never NULL: without memory for so little, nothing durable can be said any more, and the
 * daemon ends here (VMs run on). */
struct store_txn *store_txn_new(void);
void store_txn_free(struct store_txn *txn);
void store_put_vm(struct store_txn *txn, const struct vm *vm);
void store_delete_vm(struct store_txn *txn, const char *id);
void store_put_session(struct store_txn *txn, const struct session *session);
void store_delete_session(struct store_txn *txn, const char *id);
void store_put_guest_service(struct store_txn *txn, const struct guest_service *service);
void store_delete_guest_service(struct store_txn *txn, const char *id);
void store_put_operation(struct store_txn *txn, const struct operation *op);
void store_put_image(struct store_txn *txn, const struct image *image);
void store_delete_image(struct store_txn *txn, const char *id);
void store_put_kernel(struct store_txn *txn, const struct kernel *kernel);
void store_delete_kernel(struct store_txn *txn, const char *id);
void store_put_identity(struct store_txn *txn, const struct identity *identity);
void store_put_token(struct store_txn *txn, const struct token *token);
void store_delete_token(struct store_txn *txn, const char *key);
void store_put_host_settings(struct store_txn *txn, const struct host_settings *settings);
void store_put_vm_update(struct store_txn *txn, const struct vm_update_labels *update);
void store_delete_vm_update(struct store_txn *txn, const char *operation_id);
void store_put_session_deletion(struct store_txn *txn, const struct session_deletion *deletion);
void store_delete_session_deletion(struct store_txn *txn, const char *session_id);
/* Its seq is given by the store, as it commits. */
void store_add_event(struct store_txn *txn, const struct event *event);
void store_put_request(struct store_txn *txn, const struct store_request *request);
void store_add_audit(struct store_txn *txn, const struct audit_entry *entry);
/* Forgets audit entries up to a seq. */
void store_trim_audit(struct store_txn *txn, uint64_t to_seq);

enum { AUDIT_PAGE_MAX = 128, AUDIT_SCAN_MAX = 4096 };

/* A piece of the audit log, in order. Rows beyond AUDIT_SCAN_MAX or AUDIT_PAGE_MAX come with
 * another piece, so that commits do not wait long behind one. */
struct audit_page {
    uint64_t after_seq;   /* rows behind it */
    uint64_t through_seq; /* in: the last row of interest; out: the last one looked at */
    char principal[PRINCIPAL_BYTES], method[96]; /* filters as in auth.proto */
    size_t n;
    struct audit_entry entries[AUDIT_PAGE_MAX];
};

/* Fills the page when txn is read (store_read), on the store's thread; borrowed until done(). */
void store_read_audit(struct store_txn *txn, struct audit_page *page);

/* What a principal's request id stands for; ids of operations and of sessions are apart. */
struct store_find {
    char principal[PRINCIPAL_BYTES], request_id[64];
    char method[160]; /* the other requests' (struct store_request) */
    bool has_operation, has_request;
    struct operation operation; /* the latest with that id; owned, so operation_done is due */
    struct store_request request;
};

/* Looks when txn is read (store_read), on the store's thread; borrowed until done(). */
void store_find_request(struct store_txn *txn, struct store_find *find);
/* Forgets ended operations, events and requests beyond what is kept. */
void store_trim(struct store_txn *txn, uint64_t events_before_seq, int64_t operations_before_ns,
                int64_t requests_before_ns);

/* fn(arg, err) is called on the loop, once, before the transaction's done(): err NULL when it is on
 * disk. For what becomes visible then, whoever commits it; in order of adding. */
void store_on_commit(struct store_txn *txn, void (*fn)(void *arg, const struct err *err),
                     void *arg);

/* Both take txn. done comes exactly once, later, on the loop: err NULL when it is on disk, else
 * nothing of this transaction is, nor will be.
 *
 * commit is for what has happened. While the disk refuses it waits. An error means that these rows
 * cannot be written (ERR_EXISTS, ERR_LIMIT, …: a mistake of ours), that the database is broken
 * (ERR_DATA_LOSS), or that the daemon ends.
 *
 * propose is for what was asked for and has not been begun: given up with ERR_UNAVAILABLE
 * (STORE_UNAVAILABLE) when the disk has refused for STORE_PATIENCE_MS. */
enum { STORE_PATIENCE_MS = 3000 };
void store_commit(struct store *store, struct store_txn *txn,
                  void (*done)(void *arg, const struct err *err), void *arg)
    __attribute__((nonnull(1, 2, 3)));
void store_propose(struct store *store, struct store_txn *txn,
                   void (*done)(void *arg, const struct err *err), void *arg)
    __attribute__((nonnull(1, 2, 3)));
/* Takes a txn that only reads, and does that outside of any commit: what is on disk can be read
 * while the disk refuses changes. done as above; with an error nothing was read. */
void store_read(struct store *store, struct store_txn *txn,
                void (*done)(void *arg, const struct err *err), void *arg)
    __attribute__((nonnull(1, 2, 3)));

#endif
