/* A real SSH server on a port of 127.0.0.1, one process per connection, for whom runs the test:
 * with keys of its own, and a folder that is the guest's. */
#ifndef BANGER_TESTS_SSHD_H
#define BANGER_TESTS_SSHD_H

#include <stdint.h>
#include <sys/types.h>

struct sshd {
    char dir[32], folder[48], key[48];
    char config[48];
    const char *user;
    int listen_fd;
    uint16_t port;
    pid_t serving; /* see sshd_serve; 0: none */
};

/* -1: there is no sshd, or none can run here; the reason is on stderr. */
int sshd_begin(struct sshd *s);
/* Another key of the host, of the same type. */
void sshd_change_host_key(struct sshd *s);
/* From the next connection on: a program that is its SFTP server, a command that is run whatever is
 * asked for (SFTP too, then). Absolute paths; NULL: as it should be. */
void sshd_lie(struct sshd *s, const char *sftp, const char *command);
/* Waits for a connection and serves it: a pidfd of its process, the caller's; -1 after 30 s. */
int sshd_serve_one(struct sshd *s);
/* In a process of its own: serves all who come, until sshd_end. */
void sshd_serve(struct sshd *s);
/* Kills the agent that a relay has started in the guest's folder, and its keeper. */
void sshd_end_agent(const struct sshd *s);
/* Those that serve one end with their connections. */
void sshd_end(struct sshd *s);

#endif
