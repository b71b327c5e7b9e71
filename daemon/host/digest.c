/* SHA-256 of files; see digest.h. */
#include "daemon/host/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum { DIGEST_PIECE_BYTES = 1 << 20 };

static int digest_out_of_order(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "SHA-256 is not available in libcrypto");
}

static int digest_finish(EVP_MD_CTX *md, char digest[DIGEST_BYTES], struct err *err)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(md, raw, &len) != 1 || len != 32)
        return digest_out_of_order(err);
    strcpy(digest, "sha256:");
    for (unsigned i = 0; i < len; i++)
        snprintf(digest + 7 + 2 * i, 3, "%02x", raw[i]);
    return 0;
}

static int digest_read_all(EVP_MD_CTX *md, int fd, const char *path, const atomic_bool *cancelled,
                           struct err *err)
{
    auto_free unsigned char *piece = malloc(DIGEST_PIECE_BYTES);
    if (!piece)
        return err_set(err, ERR_LIMIT, "out of memory reading %s", path);
    for (;;) {
        if (cancelled && atomic_load(cancelled))
            return err_set(err, ERR_CANCELLED, "cancelled while reading %s", path);
        ssize_t n = read(fd, piece, DIGEST_PIECE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "cannot read %s", path);
        if (n == 0)
            return 0;
        if (EVP_DigestUpdate(md, piece, (size_t)n) != 1)
            return digest_out_of_order(err);
    }
}

int digest_file(const char *path, const atomic_bool *cancelled, char digest[DIGEST_BYTES],
                struct err *err)
{
    auto_fd int fd = fs_open_file(path, O_RDONLY, 0, err);
    if (fd < 0)
        return -1;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int rc = -1;
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        digest_out_of_order(err);
    else if (digest_read_all(md, fd, path, cancelled, err) == 0)
        rc = digest_finish(md, digest, err);
    EVP_MD_CTX_free(md);
    return rc;
}

int digest_bytes(const void *data, size_t len, char digest[DIGEST_BYTES], struct err *err)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int rc = -1;
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(md, data, len) != 1)
        digest_out_of_order(err);
    else
        rc = digest_finish(md, digest, err);
    EVP_MD_CTX_free(md);
    return rc;
}
