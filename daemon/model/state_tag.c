/* See state_tag.h. */
#include "daemon/model/state_tag.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "daemon/model/model.h"

enum { IDENTITY_BYTES_MAX = 256 };

static int state_tag_fail(const char *state_dir, struct err *err)
{
    if (err)
        err->code = ERR_PRECONDITION;
    return err_wrap(err, "cannot tell what is of the state folder %.200s", state_dir);
}

int state_tag(const char *state_dir, char tag[STATE_TAG_BYTES], struct err *err)
{
    char path[PATH_BYTES + 16], at[64];
    auto_free char *identity = NULL;
    uint8_t digest[SHA256_BYTES];
    struct err why = ERR_INIT;
    struct sha256 s;
    struct stat st;
    size_t len = 0;
    if (stat(state_dir, &st) < 0) {
        err_sys(err, errno, "cannot look at it");
        return state_tag_fail(state_dir, err);
    }
    snprintf(path, sizeof(path), "%s/" STATE_IDENTITY_FILE, state_dir);
    /* A daemon's folder has one; that of a test, or of a tool, may not. */
    if (fs_read_own(path, IDENTITY_BYTES_MAX, &identity, &len, &why) < 0 &&
        why.code != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        return state_tag_fail(state_dir, err);
    }
    snprintf(at, sizeof(at), "%llx %llx ", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    sha256_init(&s);
    sha256_add(&s, at, strlen(at));
    sha256_add(&s, identity, identity ? len : 0);
    sha256_end(&s, digest);
    snprintf(tag, STATE_TAG_BYTES, "%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    return 0;
}
