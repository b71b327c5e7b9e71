/* Who may come by what the configuration says: Unix users and groups, and certificates that name no
 * principal of ours. Plain data; made by the configuration, used by access.h. */
#ifndef BANGER_DAEMON_CORE_ACCESS_ACCESS_RULES_H
#define BANGER_DAEMON_CORE_ACCESS_ACCESS_RULES_H

#include <stddef.h>
#include <sys/types.h>

#include "rpc/wire/method.h"
#include "rpc/wire/tls.h"

struct err;

enum { ACCESS_RULES_MAX = 1000 /* of a kind */, ACCESS_NAME_BYTES = 256 };

struct access_user {
    uid_t uid;
    enum rpc_role role;
};

struct access_group {
    gid_t gid;
    enum rpc_role role;
};

struct access_peer {
    char name[ACCESS_NAME_BYTES]; /* in the certificate */
    enum tls_name_kind kind;
    char principal[TLS_PRINCIPAL_BYTES]; /* unique among peers */
    enum rpc_role role;
};

struct access_rules {
    struct access_user *users; /* owned, as the others */
    struct access_group *groups;
    struct access_peer *peers;
    size_t n_users, n_groups, n_peers;
};

struct access_rules *access_rules_new(struct err *err);
void access_rules_free(struct access_rules *rules);

/* ERR_EXISTS for a second rule about the same. Names may be numbers. */
int access_rules_add_user(struct access_rules *rules, const char *name, enum rpc_role role,
                          struct err *err);
int access_rules_add_group(struct access_rules *rules, const char *name, enum rpc_role role,
                           struct err *err);
int access_rules_add_peer(struct access_rules *rules, const struct access_peer *peer,
                          struct err *err);

/* What a Unix peer may do: its user's role, else the highest of its groups', else RPC_ROLE_NONE. */
enum rpc_role access_rules_of_unix(const struct access_rules *rules, uid_t uid, gid_t gid,
                                   const gid_t *groups, size_t n_groups);
/* NULL where there is none. DNS names match whatever the case. */
const struct access_peer *access_rules_peer(const struct access_rules *rules,
                                            enum tls_name_kind kind, const char *name);
const struct access_peer *access_rules_principal(const struct access_rules *rules,
                                                 const char *principal);

/* Of a group by its name or number; may block. ERR_NOT_FOUND. */
int access_find_gid(const char *name, gid_t *gid, struct err *err);
/* "viewer" … "fleet"; RPC_ROLE_NONE for anything else. */
enum rpc_role access_role_of(const char *name);

#endif
