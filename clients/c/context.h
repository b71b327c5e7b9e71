/* The files of a context. Not installed. */
#ifndef BANGER_CLIENT_CONTEXT_H
#define BANGER_CLIENT_CONTEXT_H

#include "banger/remote.h"

enum { CONTEXT_PATH_BYTES = 1024 };

struct context_files {
    char folder[CONTEXT_PATH_BYTES];
    char target[CONTEXT_PATH_BYTES + 16], ca[CONTEXT_PATH_BYTES + 16];
    char identity[CONTEXT_PATH_BYTES + 16]; /* certificate and key: one file, so they never part */
};

/* Paths only; INVALID_ARGUMENT for what is no name. */
int context_files(struct context_files *files, const char *name, struct banger_error *error);
/* Writes a new context from texts; all of it or nothing. */
int context_write(const char *name, const char *target, const char *ca_pem,
                  const char *certificate_pem, const char *key_pem, struct banger_error *error);
/* Replaces the certificate and the key that belongs to it. */
int context_write_identity(const struct context_files *files, const char *certificate_pem,
                           const char *key_pem, struct banger_error *error);
/* Trusts that one, too, before those that it trusts. */
int context_add_ca(const struct context_files *files, const char *ca_pem,
                   struct banger_error *error);
/* The name of the context that name, HOST:PORT or target means. */
int context_find(const char *name, struct banger_context *context, struct banger_error *error);

#endif
