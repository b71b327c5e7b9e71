/* An SSH server for one client, on this program's stdin and stdout, in front of one VM: libssh
 * speaks SSH, libbanger does what is asked. Who may do what is the daemon's to say: the connection
 * to it has an identity, and this side of the pipe belongs to the same user.
 *
 * One thread, one loop. Each channel is a kind of its own (session.c, forward.c): in each turn it
 * moves what there is to be moved, in both directions, and says whether it did. Nothing is read
 * that cannot be passed on: SSH's windows stop the client, credits stop the guest. */
#ifndef BANGER_SSH_SERVER_H
#define BANGER_SSH_SERVER_H

#include <libssh/libssh.h>
/* After that one: */
#include <libssh/callbacks.h>
#include <libssh/server.h>

#include <stdbool.h>
#include <stdint.h>

#include <banger/client.h>
#include <banger/messages.h>

#include "base/list.h"
#include "pump.h"

enum {
    SERVER_CHANNELS = 64,
    SERVER_LISTENERS = 16,
    SERVER_USER_BYTES = 64,
    SERVER_PIECE_BYTES = 32 * 1024,
};

struct channel;
struct server;

struct channel_kind {
    /* Whether something was moved. */
    bool (*turn)(struct channel *channel);
    /* Lets go of what it has, whatever that is doing. */
    void (*done)(struct channel *channel);
};

/* Embedded first in what a kind keeps of its own, which is malloc'ed. */
struct channel {
    struct list member;
    const struct channel_kind *kind;
    struct server *server;
    ssh_channel ssh;
    bool over;    /* to be freed at the end of this turn */
    bool lingers; /* the client has done with it, what it sent is still on its way */
};

struct server {
    struct banger_client *client;
    const char *vm; /* its id */
    ssh_session session;
    ssh_event event;
    struct pump pump;
    char user[SERVER_USER_BYTES]; /* of the guest; "" before the client has said it */
    struct list channels, listeners, calls;
    unsigned n_channels, n_listeners;
    struct ssh_server_callbacks_struct callbacks;
};

/* Serves until the client goes. key_path: of the host key. The exit status, with errors said. */
int server_run(struct banger_client *client, const char *vm, const char *key_path);

/* Adds a channel that was opened. */
void server_channel_add(struct server *server, struct channel *channel,
                        const struct channel_kind *kind, ssh_channel ssh);
/* As much as the client's window and SERVER_PIECE_BYTES allow; how much: 0 when there is no room,
 * -1 when the channel is over. */
int server_channel_write(struct channel *channel, const void *data, size_t len, bool is_stderr);
/* Up to size bytes of what the client has sent: 0: none now, -1: none any more (its end, or that of
 * the channel). */
int server_channel_read(struct channel *channel, void *data, size_t size);

/* Tells the daemon something whose answer does not matter, but is waited for at the end, for a
 * moment. */
void server_tell(struct server *server, const char *method, const ProtobufCMessage *request);

/* session.c */
ssh_channel server_session_open(ssh_session session, void *server);
/* forward.c: a message that libssh leaves to its user. 0: it was answered, 1: it is refused. */
int server_forward_message(ssh_session session, ssh_message message, void *server);
/* The channel becomes a connection to a program of the agent's own. False: it cannot. */
bool server_forward_adopt(struct server *server, ssh_channel channel, const char *program);
/* What has come of listeners in the guest. Whether there was anything. */
bool server_forward_turn(struct server *server);
void server_forward_done(struct server *server);

#endif
