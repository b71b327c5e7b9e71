/* What the host's objects of one state folder bear in their names and labels.
 *
 * The same wherever the folder is moved on its file system; another for a copy of it, and for a
 * folder that is made later and gets a deleted one's inode: what that one's VMs have left on the
 * host is not the new one's. Objects with it live no longer than a boot. */
#ifndef BANGER_DAEMON_MODEL_STATE_TAG_H
#define BANGER_DAEMON_MODEL_STATE_TAG_H

struct err;

/* The file in a state folder that says what it is called; daemon/state_dir.c writes it. */
#define STATE_IDENTITY_FILE "identity"

enum { STATE_TAG_BYTES = 9 }; /* 8 hexadecimal digits and NUL */

/* ERR_PRECONDITION: there is no such folder, or it cannot be looked at. */
int state_tag(const char *state_dir, char tag[STATE_TAG_BYTES], struct err *err);

#endif
