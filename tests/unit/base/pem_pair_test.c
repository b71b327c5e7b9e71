/* Certificates and keys that are replaced all the time while they are read. */
#include "base/pem_pair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"

enum { READS = 2000, FOLDERS = 64, PATH_MAX_BYTES = 64 };

static char dir[PATH_MAX_BYTES / 2] = "/tmp/pp.XXXXXX";
static atomic_bool enough;
static atomic_uint n_replaced;

static const char *in_dir(const char *name, char path[PATH_MAX_BYTES])
{
    snprintf(path, PATH_MAX_BYTES, "%s/%s", dir, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    char path[PATH_MAX_BYTES];
    CHECK_INT(fs_write_scratch(in_dir(name, path), text, strlen(text), 0600, NULL), 0);
}

/* One file, and two in a folder that a link leads to, as Kubernetes has its secrets. */
static void replace_all(unsigned turn)
{
    char text[16], folder[16], name[32], path[PATH_MAX_BYTES], now[PATH_MAX_BYTES];
    snprintf(text, sizeof(text), "%u", turn);
    write_text("both.pem", text);
    snprintf(folder, sizeof(folder), "%u", turn % FOLDERS);
    CHECK_INT(fs_make_dirs(in_dir(folder, path), 0700, NULL), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s/%s", folder, i ? "tls.crt" : "tls.key");
        write_text(name, text);
    }
    CHECK_INT(symlink(folder, in_dir("next", path)), 0);
    CHECK_INT(rename(path, in_dir("now", now)), 0);
}

static void *keep_replacing(void *arg)
{
    (void)arg;
    for (unsigned turn = 0; !atomic_load(&enough); turn++) {
        replace_all(turn);
        atomic_fetch_add(&n_replaced, 1);
    }
    return NULL;
}

/* How often what was read did not belong together. */
static unsigned read_often(const char *certificate_name, const char *key_name)
{
    char certificate_path[PATH_MAX_BYTES], key_path[PATH_MAX_BYTES];
    unsigned wrong = 0;
    in_dir(certificate_name, certificate_path);
    in_dir(key_name, key_path);
    for (int i = 0; i < READS; i++) {
        struct err err = ERR_INIT;
        char *certificate, *key;
        if (pem_read_pair(certificate_path, key_path, &certificate, &key, &err) < 0) {
            /* So fast it may be replaced that there is no end: said, and nothing is given. */
            wrong += err.code != ERR_UNAVAILABLE;
            continue;
        }
        wrong += strcmp(certificate, key) != 0;
        free(certificate);
        pem_forget_key(key);
    }
    return wrong;
}

static void test_replaced(void)
{
    pthread_t thread;
    replace_all(0);
    CHECK_INT(pthread_create(&thread, NULL, keep_replacing, NULL), 0);
    CHECK_INT(read_often("both.pem", "both.pem"), 0);
    CHECK_INT(read_often("now/tls.crt", "now/tls.key"), 0);
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    printf("     replaced %u times\n", atomic_load(&n_replaced));
    CHECK(atomic_load(&n_replaced) > 100);
}

static void test_errors(void)
{
    char here[PATH_MAX_BYTES], missing[PATH_MAX_BYTES];
    char *certificate, *key;
    struct err err = ERR_INIT;
    in_dir("both.pem", here);
    in_dir("missing", missing);
    CHECK_INT(pem_read_pair(missing, here, &certificate, &key, &err), -1);
    CHECK(strstr(err.message, missing) != NULL);
    err = (struct err)ERR_INIT;
    CHECK_INT(pem_read_pair(here, missing, &certificate, &key, &err), -1);
    CHECK(strstr(err.message, missing) != NULL);
    pem_forget_key(NULL);
}

int main(void)
{
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    RUN(test_replaced);
    RUN(test_errors);
    CHECK_INT(fs_remove_tree(dir, NULL), 0);
    return check_end();
}
