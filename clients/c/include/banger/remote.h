/* Daemons of other hosts: enrolling with them, and the contexts that remember how to reach them.
 *
 * A context is a folder below BANGER_CONFIG_DIR, else XDG_CONFIG_HOME/banger, else
 * ~/.config/banger: contexts/NAME with target, ca.pem and identity.pem, its certificate and key
 * (0600). The file "context" beside it names the current one; none means the daemon of this
 * machine. */
#ifndef BANGER_CLIENT_REMOTE_H
#define BANGER_CLIENT_REMOTE_H

#include "banger/client.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BANGER_CONTEXT_NAME_BYTES = 64, BANGER_TARGET_BYTES = 280 };

struct banger_context {
    char name[BANGER_CONTEXT_NAME_BYTES];
    char target[BANGER_TARGET_BYTES]; /* "tls:HOST:PORT" */
    bool current;
    char reserved[167]; /* for fields to come: the size stays */
};

/* The path of a file of the user's configuration of banger, such as "ssh", whether it exists or
 * not.
 */
int banger_config_path(const char *name, char *out, size_t size, struct banger_error *error);

/* All of them, by name; *list is freed with free(). */
int banger_context_list(struct banger_context **list, size_t *n, struct banger_error *error);
/* The current one: 1, or 0 when there is none, -1. */
int banger_context_current(struct banger_context *context, struct banger_error *error);
/* Copies the files. ALREADY_EXISTS when there is one of that name. */
int banger_context_add(const char *name, const char *target, const char *ca_file,
                       const char *certificate_file, const char *key_file,
                       struct banger_error *error);
/* NULL or "": none, the daemon of this machine. */
int banger_context_use(const char *name, struct banger_error *error);
/* Its key is removed, too. */
int banger_context_remove(const char *name, struct banger_error *error);
/* As banger_connect, with the context's certificates. name: a context, or the HOST:PORT or target
 * of one. */
struct banger_client *banger_connect_context(const char *name, struct banger_error *error);

/* Makes a key, has the daemon at address ("HOST:PORT") sign it for the token, and keeps both as a
 * new context, which becomes the current one. The daemon is known by the fingerprint in the token:
 * any other is refused before the token is worth anything to it. */
int banger_context_enroll(const char *address, const char *token, const char *context,
                          struct banger_error *error);
/* A new key and certificate for a context; the old ones count until the next time. */
int banger_context_rotate(const char *name, struct banger_error *error);

#ifdef __cplusplus
}
#endif

#endif
