/* See pem_pair.h. */
#include "base/pem_pair.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum { READS_MAX = 16 };

void pem_forget_key(char *key)
{
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
}

int pem_read_pair(const char *certificate_path, const char *key_path, char **certificate,
                  char **key, struct err *err)
{
    auto_free char *before = NULL;
    if (fs_read(certificate_path, PEM_BYTES_MAX, &before, NULL, err) < 0)
        return -1;
    for (int i = 0; i < READS_MAX; i++) {
        char *its_key, *after;
        if (fs_read(key_path, PEM_BYTES_MAX, &its_key, NULL, err) < 0)
            return -1;
        if (fs_read(certificate_path, PEM_BYTES_MAX, &after, NULL, err) < 0) {
            pem_forget_key(its_key);
            return -1;
        }
        if (strcmp(before, after) == 0) {
            *certificate = after;
            *key = its_key;
            return 0;
        }
        pem_forget_key(its_key);
        free(before);
        before = after;
    }
    return err_set(err, ERR_UNAVAILABLE, "%s does not stop changing", certificate_path);
}
