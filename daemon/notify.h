/* What the service manager that started us is told, if one did (sd_notify(3)): that we serve, that
 * we end, and, where it watches us, that the loop turns. And what it hands in: a socket. */
#ifndef BANGER_DAEMON_NOTIFY_H
#define BANGER_DAEMON_NOTIFY_H

struct err;
struct loop;
struct notify;

/* Nothing is told yet. NULL with err. */
struct notify *notify_new(struct loop *loop, struct err *err);
void notify_free(struct notify *n);
void notify_ready(void);
void notify_stopping(void);

/* The socket that it listens at for us at path (sd_listen_fds(3)), so that who calls while no
 * daemon runs waits for the next; -1: none. Others it handed in are closed, with a warning. Once,
 * before there are children, which would have them. */
int notify_take_socket(const char *path);

#endif
