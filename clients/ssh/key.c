/* See key.h. */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libssh/libssh.h>

#include <banger/remote.h>

static int key_fail(struct banger_error *error, const char *what, const char *path)
{
    *error = (struct banger_error){.code = BANGER_FAILED_PRECONDITION, .sys = errno};
    snprintf(error->message, sizeof(error->message), "%s %.300s: %s", what, path, strerror(errno));
    return -1;
}

/* Every folder on the way, for this user alone. */
static int key_make_folder(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        int rc = mkdir(path, 0700);
        *at = '/';
        if (rc < 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Whoever comes second takes the first one's. */
static int key_make(const char *path)
{
    char fresh[KEY_PATH_BYTES + 32];
    ssh_key key = NULL;
    snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
    mode_t old = umask(077);
    int rc = ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key);
    if (rc == SSH_OK)
        rc = ssh_pki_export_privkey_file(key, NULL, NULL, NULL, fresh);
    umask(old);
    ssh_key_free(key);
    if (rc != SSH_OK) {
        errno = errno ? errno : EIO;
        return -1;
    }
    rc = link(fresh, path) < 0 && errno != EEXIST ? -1 : 0;
    int sys = errno;
    unlink(fresh);
    errno = sys;
    return rc;
}

/* Written anew each time: it costs nothing, and follows a key that was replaced. */
static int key_pin(const char *key_path, const char *path)
{
    char fresh[KEY_PATH_BYTES + 32], *text = NULL, line[1024], now[1024] = "";
    ssh_key key = NULL;
    errno = 0;
    if (ssh_pki_import_privkey_file(key_path, NULL, NULL, NULL, &key) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) {
        ssh_key_free(key);
        errno = errno ? errno : EINVAL;
        return -1;
    }
    int n = snprintf(line, sizeof(line), "banger.vm %s %s\n",
                     ssh_key_type_to_char(ssh_key_type(key)), text);
    ssh_string_free_char(text);
    ssh_key_free(key);
    FILE *f = fopen(path, "re");
    bool same = f && fread(now, 1, sizeof(now) - 1, f) == (size_t)n && strcmp(now, line) == 0;
    if (f)
        fclose(f);
    if (same)
        return 0;
    snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
    f = fopen(fresh, "we");
    if (!f)
        return -1;
    bool written = fputs(line, f) >= 0;
    written = fclose(f) == 0 && written;
    return written ? rename(fresh, path) : -1;
}

int key_find(char path[KEY_PATH_BYTES], struct banger_error *error)
{
    char folder[KEY_PATH_BYTES - 16], hosts[KEY_PATH_BYTES];
    if (banger_config_path("ssh", folder, sizeof(folder), error) < 0)
        return -1;
    snprintf(path, KEY_PATH_BYTES, "%s/host_key", folder);
    snprintf(hosts, sizeof(hosts), "%s/known_hosts", folder);
    if (key_make_folder(folder) < 0)
        return key_fail(error, "make", folder);
    if (access(path, F_OK) < 0 && key_make(path) < 0)
        return key_fail(error, "make the host key", path);
    return key_pin(path, hosts) < 0 ? key_fail(error, "write the host key of", hosts) : 0;
}
