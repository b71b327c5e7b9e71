/* Private SSH keys in OpenSSH's own format (its PROTOCOL.key), without a passphrase. Sans I/O. */
#ifndef BANGER_DAEMON_HOST_SSH_KEY_H
#define BANGER_DAEMON_HOST_SSH_KEY_H

#include <stddef.h>

struct err;

enum {
    SSH_KEY_BYTES = 16 * 1024, /* of a file: an RSA key of 16384 bits has 12 KiB */
    SSH_PUBLIC_BYTES = 4096,   /* of a line */
};

/* A new ed25519 key as such a file has it, NUL-terminated. comment is of letters, digits and "-".
 */
int ssh_key_make(const char *comment, char text[SSH_KEY_BYTES], struct err *err);
/* Its public half, "ssh-ed25519 AAAA…". ERR_INVALID: it is no such file, or has a passphrase. */
int ssh_key_public(const char *text, char line[SSH_PUBLIC_BYTES], struct err *err);

#endif
