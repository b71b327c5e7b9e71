/* A certificate and its key from files that may be replaced at any time. */
#ifndef BANGER_BASE_PEM_PAIR_H
#define BANGER_BASE_PEM_PAIR_H

struct err;

enum { PEM_BYTES_MAX = 1 << 20 };

/* Texts that were there at the same time, in two files or in one: if the certificate has changed by
 * the time that the key was read, both are read again. Files that are replaced one after the other
 * have a moment between in which they do not belong together, which is not waited for. 0 with both,
 * to be freed by the caller, the key by pem_forget_key. -1: neither, with fs_read's error, or
 * ERR_UNAVAILABLE where they do not come to rest. */
int pem_read_pair(const char *certificate_path, const char *key_path, char **certificate,
                  char **key, struct err *err);
/* Wipes and frees it; NULL is fine. */
void pem_forget_key(char *key);

#endif
