/* Schema versions. Append-only: a released migration is never edited. */
#ifndef BANGER_DAEMON_STORE_MIGRATIONS_H
#define BANGER_DAEMON_STORE_MIGRATIONS_H

#include <sqlite3.h>

struct err;

/* Newest version this program knows. */
int migrations_newest(void);
/* Of the database; 0: an empty one. -1 with err. */
int migrations_version(sqlite3 *db, struct err *err);
/* Brings the database from PRAGMA user_version up to target (0: the newest), each version in one
 * transaction. ERR_PRECONDITION when the file is newer than we are. */
int migrations_apply(sqlite3 *db, int target, struct err *err);

#endif
