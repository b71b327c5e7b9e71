/* Lists of strings as blobs: NUL-terminated, one after another. */
#ifndef BANGER_DAEMON_SERVICE_STRINGS_H
#define BANGER_DAEMON_SERVICE_STRINGS_H

#include "daemon/model/model.h"

struct err;

size_t strings_count(const struct blob *blob);
/* Borrowed pointers to each, strings_count of them. */
void strings_list(const struct blob *blob, char **list);
/* Joins strings; what names the field in the error. ERR_INVALID above max_bytes. */
int strings_join(struct blob *blob, char *const *strings, size_t n, size_t max_bytes,
                 const char *what, struct err *err);

#endif
