/* Users and groups of the guest, read from /etc/passwd and /etc/group: the agent is static, so
 * there is no name service switch to ask. */
#ifndef BANGER_AGENT_USERS_H
#define BANGER_AGENT_USERS_H

#include <sys/types.h>

enum { USER_MAX_GROUPS = 64, USER_MAX_FILE_BYTES = 1024 * 1024 };

struct err;

struct user {
    uid_t uid;
    gid_t gid;
    char name[64], home[256], shell[128];
    gid_t groups[USER_MAX_GROUPS]; /* supplementary */
    int n_groups;
};

/* user: name, uid, or "" for who we are. group: name, gid, or "" for the user's. root is put before
 * the file names ("" outside of tests). ERR_NOT_FOUND where a name is unknown; an unknown uid is
 * taken as it is. */
int user_find(const char *root, const char *user, const char *group, struct user *out,
              struct err *err);

#endif
