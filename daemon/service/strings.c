/* Lists of strings as blobs; see strings.h. */
#include "daemon/service/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

size_t strings_count(const struct blob *blob)
{
    size_t n = 0;
    for (size_t i = 0; i < blob->len; i++)
        n += blob->data[i] == '\0';
    return n;
}

void strings_list(const struct blob *blob, char **list)
{
    size_t n = strings_count(blob);
    char *at = (char *)blob->data;
    for (size_t i = 0; i < n; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
}

int strings_join(struct blob *blob, char *const *strings, size_t n, size_t max_bytes,
                 const char *what, struct err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += strlen(strings[i]) + 1;
    if (total > max_bytes)
        return err_set(err, ERR_INVALID, "%s is %zu bytes, at most %zu are allowed", what, total,
                       max_bytes);
    uint8_t *data = malloc(total ? total : 1);
    if (!data)
        return err_set(err, ERR_LIMIT, "out of memory");
    uint8_t *at = data;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(strings[i]) + 1;
        memcpy(at, strings[i], len);
        at += len;
    }
    free(blob->data);
    *blob = (struct blob){data, total};
    return 0;
}
