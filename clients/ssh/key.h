/* The host key with which every VM of this user's answers, and the known_hosts file that pins it.
 * Both are made where they are not there yet; the key never leaves this machine. */
#ifndef BANGER_SSH_KEY_H
#define BANGER_SSH_KEY_H

#include <banger/error.h>

enum { KEY_PATH_BYTES = 4096 };

/* Its path. -1 with the error. */
int key_find(char path[KEY_PATH_BYTES], struct banger_error *error);

#endif
