/* banger-ssh: the far half of the guest channel of kind ssh (daemon/guest/channel_ssh.c): one SSH
 * connection into one guest, in a process of its own.
 *
 * What a hostile sshd says is read here and not by the daemon, and what blocks in libssh (keys,
 * SFTP) blocks nobody: whoever is tired of it kills the process. It is started with the connected
 * TCP socket as 0 and a socket to the daemon as 1, on which it says one line, "OK HOST-KEY",
 * "CHANGED HOST-KEY" or "ERR WHY", and from then on what the agent says. */
#ifndef BANGER_DAEMON_GUEST_SSH_SSH_H
#define BANGER_DAEMON_GUEST_SSH_SSH_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { SSH_TCP_FD = 0, SSH_DAEMON_FD = 1, SSH_COMMAND_BYTES = 1024, SSH_PRINT_BYTES = 128 };

struct ssh_options {
    const char *user;
    const char *key;      /* private key file, without a passphrase */
    const char *host_key; /* "TYPE SHA256:…", which the guest has to show; "": any */
    const char *agent;    /* file of the agent for the guest */
    const char *folder;   /* in the guest: the agent, its socket, its spool; "~/…": of its home */
    bool no_system;       /* the agent's: for tests */
};

/* 0, or -1 with err: each step, in order. All wait. */

/* The connection, and whose it is: host_key gets what the guest has shown. ERR_UNAUTHENTICATED: it
 * is not the one that it has to be. */
int ssh_meet(ssh_session session, const struct ssh_options *o, char host_key[SSH_PRINT_BYTES],
             struct err *err);
int ssh_login(ssh_session session, const struct ssh_options *o, struct err *err);
/* The agent is in the folder, whole; command gets what runs its relay. */
int ssh_install(ssh_session session, const struct ssh_options *o, char command[SSH_COMMAND_BYTES],
                struct err *err);
/* Runs the command and waits until it says that it has the agent. */
ssh_channel ssh_relay(ssh_session session, const char *command, struct err *err);
/* Passes bytes on until one side ends. */
void ssh_pass(ssh_session session, ssh_channel channel);

/* "WHAT: libssh's words", made fit for a line. -1. */
int ssh_fail(ssh_session session, enum err_code code, const char *what, struct err *err);

#endif
