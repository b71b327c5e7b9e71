/* Kept copies of the database, in the folder "backups" beside it.
 *
 *   banger-TIME-vSCHEMA-EPOCH.db           of a running daemon: at most one an hour, when something
 *                                          has changed; the latest BACKUPS_KEPT of an epoch
 *   banger-TIME-vSCHEMA-EPOCH-before.db    of the moment before a migration
 *
 * A copy is made by SQLite's online backup, on the store's thread, a few pages between two batches;
 * checked and synced on a thread of its own, and gets its name when it is good. A database is
 * opened only when it is sound (check.c): one that is not is refused, and the error says which copy
 * is the newest good one. */
#ifndef BANGER_DAEMON_STORE_BACKUP_H
#define BANGER_DAEMON_STORE_BACKUP_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backup;
struct err;
struct loop;
struct workers;

enum { BACKUPS_KEPT = 3, BACKUP_NAME_BYTES = 96 };

/* worker is the store's, db is used on it alone. NULL with err. */
struct backup *backup_new(struct loop *loop, struct workers *worker, sqlite3 *db, const char *path,
                          const char *epoch, struct err *err);
/* After the worker is gone, before db is closed. NULL is fine. */
void backup_free(struct backup *b);
/* The loop: something has been committed. */
void backup_changed(struct backup *b);
/* The loop: makes one now whatever the clock says. done comes exactly once, also where the store
 * closes first; with ERR_UNAVAILABLE, from inside the call, while another is under way. */
void backup_now(struct backup *b, void (*done)(void *arg, const struct err *err), void *arg);

/* Name of the newest copy, "" without one; err: why the last try failed, if it did. */
const char *backup_newest(const struct backup *b, struct err *err);

/* Blocking, at the opening: a copy before the schema changes. */
int backup_before_migration(sqlite3 *db, const char *path, int version, struct err *err);

/* check.c, blocking */

/* PRAGMA quick_check for a bounded time. ERR_DATA_LOSS with what it found. */
int database_check(sqlite3 *db, struct err *err);
/* Name of the newest copy that is sound; false: there is none. */
bool backup_find_good(const char *path, char name[BACKUP_NAME_BYTES]);
/* Puts which copy would help, and how, behind the message of a database that is damaged. */
void backup_advise(const char *path, struct err *err);
/* Says so, and keeps what is left, where the database is gone and not new. */
void database_look(const char *path);

/* What the files share. Whether a copy at that path is sound; its schema version, or 0. */
int backup_check_file(const char *file, int *version, struct err *err);
/* The folder of copies, or a file in it (name NULL: the folder). */
void backup_path(const char *database, const char *name, char *out, size_t room);
/* TIME in names: 20261128T021500Z. */
void backup_time(char out[24]);
/* Names of copies, newest first; owned strings in an owned array, NULL-terminated. */
char **backup_list(const char *database);
void backup_list_free(char **names);
int backup_sync_folder(const char *database, struct err *err);

#endif
