/* Who peers are: what sockets say of them, and the server's hook; see connection.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rpc/event/connection.h"

enum { GROUPS_USUAL = 64 };

/* Default identity: our own user and root may do all, others nothing. */
static int default_identify(struct rpc_peer *peer)
{
    if (peer->kind != RPC_PEER_UNIX) {
        if (peer->kind == RPC_PEER_INSECURE)
            snprintf(peer->principal, sizeof(peer->principal), "%s", peer->address);
        peer->role = RPC_ROLE_NONE;
        return 0;
    }
    snprintf(peer->principal, sizeof(peer->principal), "unix:%u", (unsigned)peer->uid);
    peer->role = peer->uid == 0 || peer->uid == geteuid() ? RPC_ROLE_FLEET : RPC_ROLE_NONE;
    return 0;
}

static int ask(const struct rpc_server *server, struct rpc_peer *peer, struct err *err)
{
    const struct rpc_server_config *config = &server->config;
    return config->identify ? config->identify(config->arg, peer, err) : default_identify(peer);
}

/* Groups as they were when the peer connected; the kernel has a limit for them (NGROUPS_MAX). */
static int identify_unix(const struct rpc_server *server, int fd, struct rpc_peer *peer,
                         struct err *err)
{
    struct ucred cred;
    gid_t usual[GROUPS_USUAL];
    auto_free gid_t *many = NULL;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_sys(err, errno, "credentials of the peer");
    peer->uid = cred.uid;
    peer->gid = cred.gid;
    peer->pid = cred.pid;
    peer->groups = usual;
    len = sizeof(usual);
    int rv = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, usual, &len);
    if (rv < 0 && errno == ERANGE) {
        many = malloc(len);
        if (!many)
            return err_sys(err, ENOMEM, "groups of the peer");
        peer->groups = many;
        rv = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &len);
    }
    if (rv < 0)
        len = 0; /* none that we know of: nothing is allowed for their sake */
    peer->n_groups = len / sizeof(gid_t);
    rv = ask(server, peer, err);
    peer->groups = NULL;
    peer->n_groups = 0;
    return rv;
}

int peer_identify(const struct rpc_server *server, int fd, struct rpc_peer *peer, struct err *err)
{
    return peer->kind == RPC_PEER_UNIX ? identify_unix(server, fd, peer, err)
                                       : ask(server, peer, err);
}
