/* SHA-256 of files, as "sha256:" and 64 hex digits. */
#ifndef BANGER_DAEMON_HOST_DIGEST_H
#define BANGER_DAEMON_HOST_DIGEST_H

#include <stdatomic.h>
#include <stddef.h>

#include "daemon/model/model.h"

struct err;
struct loop;
struct workers;

/* Reads the whole file: for workers. cancelled (may be NULL) is looked at between pieces. */
int digest_file(const char *path, const atomic_bool *cancelled, char digest[DIGEST_BYTES],
                struct err *err);
int digest_bytes(const void *data, size_t len, char digest[DIGEST_BYTES], struct err *err);

/* The same on a worker. done comes once, later, on the loop's thread; digest is NULL on error and
 * borrowed for the callback. 0, or -1 and done never comes. */
int digest_start(struct workers *workers, const char *path,
                 void (*done)(void *arg, const char *digest, const struct err *err), void *arg,
                 struct err *err);

#endif
