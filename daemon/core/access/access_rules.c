/* Users, groups and certificate names to roles; see access_rules.h. */
#include "daemon/core/access/access_rules.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { ENTRY_BYTES_MAX = 1 << 20 }; /* a group may have thousands of members */

struct access_rules *access_rules_new(struct err *err)
{
    struct access_rules *rules = calloc(1, sizeof(*rules));
    if (!rules)
        err_sys(err, ENOMEM, "access rules");
    return rules;
}

void access_rules_free(struct access_rules *rules)
{
    if (!rules)
        return;
    free(rules->users);
    free(rules->groups);
    free(rules->peers);
    free(rules);
}

/* 1: a number, 0: none, -1: a number that no id can be (the last one means "no change"). */
static int parse_id(const char *text, uint32_t *id)
{
    char *end;
    if (strspn(text, "0123456789") != strlen(text) || !*text)
        return 0;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || n >= UINT32_MAX)
        return -1;
    *id = (uint32_t)n;
    return 1;
}

typedef int lookup_fn(const char *name, char *buf, size_t size, uint32_t *id, bool *found);

static int look_up_user(const char *name, char *buf, size_t size, uint32_t *id, bool *found)
{
    struct passwd entry, *result = NULL;
    int rv = getpwnam_r(name, &entry, buf, size, &result);
    *found = result != NULL;
    if (result)
        *id = entry.pw_uid;
    return rv;
}

static int look_up_group(const char *name, char *buf, size_t size, uint32_t *id, bool *found)
{
    struct group entry, *result = NULL;
    int rv = getgrnam_r(name, &entry, buf, size, &result);
    *found = result != NULL;
    if (result)
        *id = entry.gr_gid;
    return rv;
}

static int find_id(const char *what, lookup_fn *look_up, const char *name, uint32_t *id,
                   struct err *err)
{
    bool found = false;
    int number = parse_id(name, id), rv = ERANGE;
    if (number > 0)
        return 0;
    if (number < 0)
        return err_set(err, ERR_INVALID, "%s is no number of a %s", name, what);
    for (size_t size = 4096; rv == ERANGE && size <= ENTRY_BYTES_MAX; size *= 4) {
        auto_free char *buf = malloc(size);
        if (!buf)
            return err_sys(err, ENOMEM, "%s \"%s\"", what, name);
        rv = look_up(name, buf, size, id, &found);
    }
    if (found)
        return 0;
    if (rv != 0 && rv != ENOENT)
        return err_sys(err, rv, "cannot look up %s \"%s\"", what, name);
    return err_set(err, ERR_NOT_FOUND, "there is no %s \"%s\"", what, name);
}

int access_find_gid(const char *name, gid_t *gid, struct err *err)
{
    uint32_t id = 0;
    if (find_id("group", look_up_group, name, &id, err) < 0)
        return -1;
    *gid = id;
    return 0;
}

/* Room for one more; *rows may move. */
static void *grow(void **rows, size_t n, size_t row_bytes, struct err *err)
{
    if (n >= ACCESS_RULES_MAX) {
        err_set(err, ERR_LIMIT, "more than %d of them", ACCESS_RULES_MAX);
        return NULL;
    }
    void *more = realloc(*rows, (n + 1) * row_bytes);
    if (!more) {
        err_sys(err, ENOMEM, "access rules");
        return NULL;
    }
    *rows = more;
    return (char *)more + n * row_bytes;
}

int access_rules_add_user(struct access_rules *rules, const char *name, enum rpc_role role,
                          struct err *err)
{
    uint32_t uid = 0;
    if (find_id("user", look_up_user, name, &uid, err) < 0)
        return -1;
    for (size_t i = 0; i < rules->n_users; i++)
        if (rules->users[i].uid == uid)
            return err_set(err, ERR_EXISTS, "user %u is named twice", (unsigned)uid);
    void *rows = rules->users;
    struct access_user *row = grow(&rows, rules->n_users, sizeof(*row), err);
    if (!row)
        return -1;
    rules->users = rows;
    *row = (struct access_user){uid, role};
    rules->n_users++;
    return 0;
}

int access_rules_add_group(struct access_rules *rules, const char *name, enum rpc_role role,
                           struct err *err)
{
    gid_t gid = 0;
    if (access_find_gid(name, &gid, err) < 0)
        return -1;
    for (size_t i = 0; i < rules->n_groups; i++)
        if (rules->groups[i].gid == gid)
            return err_set(err, ERR_EXISTS, "group %u is named twice", (unsigned)gid);
    void *rows = rules->groups;
    struct access_group *row = grow(&rows, rules->n_groups, sizeof(*row), err);
    if (!row)
        return -1;
    rules->groups = rows;
    *row = (struct access_group){gid, role};
    rules->n_groups++;
    return 0;
}

int access_rules_add_peer(struct access_rules *rules, const struct access_peer *peer,
                          struct err *err)
{
    if (access_rules_peer(rules, peer->kind, peer->name))
        return err_set(err, ERR_EXISTS, "is named twice");
    if (access_rules_principal(rules, peer->principal))
        return err_set(err, ERR_EXISTS, "another peer is principal %s already", peer->principal);
    void *rows = rules->peers;
    struct access_peer *row = grow(&rows, rules->n_peers, sizeof(*row), err);
    if (!row)
        return -1;
    rules->peers = rows;
    *row = *peer;
    rules->n_peers++;
    return 0;
}

static enum rpc_role role_of_group(const struct access_rules *rules, gid_t gid)
{
    for (size_t i = 0; i < rules->n_groups; i++)
        if (rules->groups[i].gid == gid)
            return rules->groups[i].role;
    return RPC_ROLE_NONE;
}

enum rpc_role access_rules_of_unix(const struct access_rules *rules, uid_t uid, gid_t gid,
                                   const gid_t *groups, size_t n_groups)
{
    if (!rules)
        return RPC_ROLE_NONE;
    for (size_t i = 0; i < rules->n_users; i++)
        if (rules->users[i].uid == uid)
            return rules->users[i].role;
    enum rpc_role best = role_of_group(rules, gid);
    for (size_t i = 0; i < n_groups; i++) {
        enum rpc_role role = role_of_group(rules, groups[i]);
        if (role > best)
            best = role;
    }
    return best;
}

const struct access_peer *access_rules_peer(const struct access_rules *rules,
                                            enum tls_name_kind kind, const char *name)
{
    for (size_t i = 0; rules && i < rules->n_peers; i++) {
        const struct access_peer *p = &rules->peers[i];
        if (p->kind == kind &&
            (kind == TLS_NAME_DNS ? strcasecmp(p->name, name) == 0 : strcmp(p->name, name) == 0))
            return p;
    }
    return NULL;
}

const struct access_peer *access_rules_principal(const struct access_rules *rules,
                                                 const char *principal)
{
    for (size_t i = 0; rules && i < rules->n_peers; i++)
        if (strcmp(rules->peers[i].principal, principal) == 0)
            return &rules->peers[i];
    return NULL;
}

enum rpc_role access_role_of(const char *name)
{
    static const char *const names[] = {
        [RPC_ROLE_VIEWER] = "viewer",
        [RPC_ROLE_OPERATOR] = "operator",
        [RPC_ROLE_ADMIN] = "admin",
        [RPC_ROLE_FLEET] = "fleet",
    };
    for (size_t i = RPC_ROLE_VIEWER; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return (enum rpc_role)i;
    return RPC_ROLE_NONE;
}
