/* SHA-256 of files, as "sha256:" and 64 hex digits. */
#ifndef BANGER_DAEMON_HOST_DIGEST_H
#define BANGER_DAEMON_HOST_DIGEST_H

#include <stdatomic.h>
#include <stddef.h>

#include "daemon/model/model.h"

struct err;

/* Reads the whole file: for workers. cancelled (may be NULL) is looked at between pieces. */
int digest_file(const char *path, const atomic_bool *cancelled, char digest[DIGEST_BYTES],
                struct err *err);
int digest_bytes(const void *data, size_t len, char digest[DIGEST_BYTES], struct err *err);

#endif
