/* The private SSH key of a VM: the guest lets in who has it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/err.h"
#include "daemon/host/object_file.h"
#include "daemon/host/ssh_key.h"

static const char ssh_key_file[] = "ssh_key";

static int ssh_key_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                               char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, ssh_key_file, name, err);
}

static int ssh_key_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                        struct err *err)
{
    char text[SSH_KEY_BYTES], comment[32];
    (void)cancel_fd;
    snprintf(comment, sizeof(comment), "banger-%s", o->vm_id);
    if (ssh_key_make(comment, text, err) < 0)
        return -1;
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    OPENSSL_cleanse(text, sizeof(text));
    if (n == (ssize_t)len)
        return 0;
    return err_sys(err, n < 0 ? errno : ENOSPC, "cannot write %s", temp);
}

static int ssh_key_make_object(const struct object *o, int cancel_fd, struct err *err)
{
    return object_file_make(o, ssh_key_fill, true, cancel_fd, err);
}

static int ssh_key_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_ssh_key, .role = OBJECT_SSH_KEY};
    return object_file_list(state_dir, ssh_key_file, &as, found, arg, err);
}

const struct object_kind object_ssh_key = {
    .name = "ssh_key",
    .roles = 1u << OBJECT_SSH_KEY,
    .keeps_data = true,
    .derive_name = ssh_key_derive_name,
    .make = ssh_key_make_object,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = ssh_key_list,
};
