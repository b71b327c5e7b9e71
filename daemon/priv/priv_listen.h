/* A socket of the helper's own, where no systemd has one for it. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LISTEN_H
#define BANGER_DAEMON_PRIV_PRIV_LISTEN_H

struct err;

/* Who may ask: where sudo has started us, the user who called it; else the group kvm, as who may
 * use KVM, and root alone where there is none. A stale socket is replaced, a live one is
 * ERR_EXISTS. The folder is root's alone. Returns a descriptor; -1. */
int priv_listen(const char *path, struct err *err);

#endif
