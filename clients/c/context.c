/* Contexts as folders; see banger/remote.h. */
#include "context.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/pem_pair.h"
#include "internal.h"

enum { CONTEXTS_MAX = 1000 };

static int config_path(char path[CONTEXT_PATH_BYTES], const char *rest, struct banger_error *error)
{
    const char *own = getenv("BANGER_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME"),
               *home = getenv("HOME");
    int n = -1;
    if (own && *own)
        n = snprintf(path, CONTEXT_PATH_BYTES, "%s/%s", own, rest);
    else if (xdg && *xdg)
        n = snprintf(path, CONTEXT_PATH_BYTES, "%s/banger/%s", xdg, rest);
    else if (home && *home)
        n = snprintf(path, CONTEXT_PATH_BYTES, "%s/.config/banger/%s", home, rest);
    if (n < 0)
        return error_set(error, BANGER_FAILED_PRECONDITION,
                         "no home folder is known: set HOME or BANGER_CONFIG_DIR");
    if (n >= CONTEXT_PATH_BYTES)
        return error_set(error, BANGER_INVALID_ARGUMENT, "the configuration's path is too long");
    return 0;
}

int banger_config_path(const char *name, char *out, size_t size, struct banger_error *error)
{
    char path[CONTEXT_PATH_BYTES];
    if (config_path(path, name, error) < 0)
        return -1;
    if (strlen(path) >= size)
        return error_set(error, BANGER_INVALID_ARGUMENT, "the configuration's path is too long");
    memcpy(out, path, strlen(path) + 1);
    return 0;
}

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len < BANGER_CONTEXT_NAME_BYTES && strspn(name, allowed) == len &&
           name[0] != '.';
}

int context_files(struct context_files *f, const char *name, struct banger_error *error)
{
    char rest[BANGER_CONTEXT_NAME_BYTES + 16];
    if (!is_name(name))
        return error_set(error, BANGER_INVALID_ARGUMENT,
                         "\"%.80s\" is no context's name: letters, digits and ._-", name);
    snprintf(rest, sizeof(rest), "contexts/%s", name);
    if (config_path(f->folder, rest, error) < 0)
        return -1;
    snprintf(f->target, sizeof(f->target), "%s/target", f->folder);
    snprintf(f->ca, sizeof(f->ca), "%s/ca.pem", f->folder);
    snprintf(f->identity, sizeof(f->identity), "%s/identity.pem", f->folder);
    return 0;
}

/* One line of a small file. 1, 0: there is none, -1. */
static int read_line(const char *path, char *line, size_t size, struct banger_error *error)
{
    struct err err = ERR_INIT;
    auto_free char *text = NULL;
    if (access(path, F_OK) < 0)
        return 0;
    if (fs_read(path, size - 1, &text, NULL, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    text[strcspn(text, "\n")] = '\0';
    snprintf(line, size, "%s", text);
    return 1;
}

static int write_file(const char *path, const char *text, struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (fs_write_atomic(path, text, strlen(text), 0600, &err) == 0)
        return 0;
    error_of_err(error, &err);
    return -1;
}

static int current_name(char name[BANGER_CONTEXT_NAME_BYTES], struct banger_error *error)
{
    char path[CONTEXT_PATH_BYTES];
    name[0] = '\0';
    if (config_path(path, "context", error) < 0)
        return -1;
    return read_line(path, name, BANGER_CONTEXT_NAME_BYTES, error);
}

static int load(const char *name, struct banger_context *context, struct banger_error *error)
{
    struct context_files files;
    char current[BANGER_CONTEXT_NAME_BYTES];
    *context = (struct banger_context){0};
    if (context_files(&files, name, error) < 0 || current_name(current, error) < 0)
        return -1;
    int found = read_line(files.target, context->target, sizeof(context->target), error);
    snprintf(context->name, sizeof(context->name), "%s", name);
    context->current = strcmp(current, name) == 0;
    return found;
}

int banger_context_current(struct banger_context *context, struct banger_error *error)
{
    char name[BANGER_CONTEXT_NAME_BYTES];
    int rv = current_name(name, error);
    if (rv <= 0 || !name[0])
        return rv < 0 ? -1 : 0;
    rv = load(name, context, error);
    if (rv == 0)
        return error_set(error, BANGER_NOT_FOUND,
                         "the current context \"%s\" is gone: see \"banger context list\"", name);
    return rv;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct banger_context *)a)->name,
                  ((const struct banger_context *)b)->name);
}

int banger_context_list(struct banger_context **list, size_t *n, struct banger_error *error)
{
    char path[CONTEXT_PATH_BYTES];
    *list = NULL;
    *n = 0;
    if (config_path(path, "contexts", error) < 0)
        return -1;
    auto_dir DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) && *n < CONTEXTS_MAX;) {
        struct banger_context context, *more;
        if (!is_name(e->d_name) || load(e->d_name, &context, NULL) != 1)
            continue;
        more = realloc(*list, (*n + 1) * sizeof(**list));
        if (!more) {
            free(*list);
            *list = NULL;
            return error_no_memory(error);
        }
        *list = more;
        more[(*n)++] = context;
    }
    if (*n > 0)
        qsort(*list, *n, sizeof(**list), by_name);
    return 0;
}

int context_find(const char *name, struct banger_context *context, struct banger_error *error)
{
    const char *address = strncmp(name, "tls:", 4) == 0 ? name + 4 : name;
    auto_free struct banger_context *all = NULL;
    size_t n;
    if (banger_context_list(&all, &n, error) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) != 0 && strcmp(all[i].target + 4, address) != 0)
            continue;
        *context = all[i];
        return 0;
    }
    return error_set(error, BANGER_NOT_FOUND,
                     "there is no context \"%.200s\": see \"banger context list\", or make one "
                     "with \"banger auth enroll\"",
                     name);
}

int context_write_identity(const struct context_files *files, const char *certificate_pem,
                           const char *key_pem, struct banger_error *error)
{
    auto_free char *both = NULL;
    if (asprintf(&both, "%s%s", certificate_pem, key_pem) < 0) {
        both = NULL;
        return error_no_memory(error);
    }
    return write_file(files->identity, both, error);
}

int context_add_ca(const struct context_files *files, const char *ca_pem,
                   struct banger_error *error)
{
    struct err err = ERR_INIT;
    auto_free char *known = NULL, *both = NULL;
    if (fs_read(files->ca, PEM_BYTES_MAX, &known, NULL, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    if (strstr(known, ca_pem))
        return 0;
    if (asprintf(&both, "%s%s", ca_pem, known) < 0) {
        both = NULL;
        return error_no_memory(error);
    }
    return write_file(files->ca, both, error);
}

int context_write(const char *name, const char *target, const char *ca_pem,
                  const char *certificate_pem, const char *key_pem, struct banger_error *error)
{
    struct context_files files;
    struct err err = ERR_INIT;
    if (context_files(&files, name, error) < 0)
        return -1;
    if (access(files.target, F_OK) == 0)
        return error_set(error, BANGER_ALREADY_EXISTS, "there is a context \"%s\" already", name);
    if (fs_make_dirs(files.folder, 0700, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    /* The target last: a folder without is none. */
    if (write_file(files.ca, ca_pem, error) == 0 &&
        context_write_identity(&files, certificate_pem, key_pem, error) == 0 &&
        write_file(files.target, target, error) == 0)
        return 0;
    (void)fs_remove_tree(files.folder, NULL);
    return -1;
}

static struct banger_client *connect_with_files(const char *target, const char *ca_file,
                                                const char *certificate_file, const char *key_file,
                                                struct banger_error *error)
{
    struct banger_client *client = banger_connect(target, error);
    if (client &&
        banger_set_credential_files(client, ca_file, certificate_file, key_file, error) == 0)
        return client;
    banger_close(client);
    return NULL;
}

int banger_context_add(const char *name, const char *target, const char *ca_file,
                       const char *certificate_file, const char *key_file,
                       struct banger_error *error)
{
    char full[BANGER_TARGET_BYTES];
    int n =
        snprintf(full, sizeof(full), "%s%s", strncmp(target, "tls:", 4) == 0 ? "" : "tls:", target);
    if (n < 0 || (size_t)n >= sizeof(full))
        return error_set(error, BANGER_INVALID_ARGUMENT, "the target is too long");
    struct banger_client *client =
        connect_with_files(full, ca_file, certificate_file, key_file, error);
    if (!client)
        return -1;
    banger_close(client);
    struct err err = ERR_INIT;
    auto_free char *ca = NULL, *certificate = NULL;
    char *key = NULL;
    if (fs_read(ca_file, PEM_BYTES_MAX, &ca, NULL, &err) < 0 ||
        pem_read_pair(certificate_file, key_file, &certificate, &key, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    int rv = context_write(name, full, ca, certificate, key, error);
    pem_forget_key(key);
    return rv;
}

int banger_context_use(const char *name, struct banger_error *error)
{
    char path[CONTEXT_PATH_BYTES];
    struct banger_context context;
    struct err err = ERR_INIT;
    if (config_path(path, "context", error) < 0)
        return -1;
    if (!name || !*name) {
        if (fs_remove_tree(path, &err) == 0)
            return 0;
        error_of_err(error, &err);
        return -1;
    }
    if (context_find(name, &context, error) < 0)
        return -1;
    return write_file(path, context.name, error);
}

int banger_context_remove(const char *name, struct banger_error *error)
{
    struct context_files files;
    struct banger_context context;
    struct err err = ERR_INIT;
    if (context_find(name, &context, error) < 0 || context_files(&files, context.name, error) < 0)
        return -1;
    if (context.current && banger_context_use(NULL, error) < 0)
        return -1;
    if (fs_remove_tree(files.folder, &err) == 0)
        return 0;
    error_of_err(error, &err);
    return -1;
}

struct banger_client *banger_connect_context(const char *name, struct banger_error *error)
{
    struct banger_context context;
    struct context_files files;
    if (context_find(name, &context, error) < 0 || context_files(&files, context.name, error) < 0)
        return NULL;
    return connect_with_files(context.target, files.ca, files.identity, files.identity, error);
}
