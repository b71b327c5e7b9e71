/* See owners.h. */
#include "tree/owners.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static void look_up_id(enum owners_kind kind, struct owners_known *k)
{
    if (kind == OWNERS_USER) {
        const struct passwd *p = getpwuid(k->id);
        snprintf(k->name, sizeof(k->name), "%s", p ? p->pw_name : "");
    } else {
        const struct group *g = getgrgid(k->id);
        snprintf(k->name, sizeof(k->name), "%s", g ? g->gr_name : "");
    }
    k->exists = k->name[0] != '\0';
}

static void look_up_name(enum owners_kind kind, struct owners_known *k)
{
    const struct passwd *p = kind == OWNERS_USER ? getpwnam(k->name) : NULL;
    const struct group *g = kind == OWNERS_GROUP ? getgrnam(k->name) : NULL;
    k->exists = p || g;
    k->id = p ? p->pw_uid : g ? g->gr_gid : 0;
}

const char *owners_name(struct owners *o, enum owners_kind kind, uint32_t id)
{
    struct owners_known *k = &o->by_id[kind == OWNERS_GROUP][id % OWNERS_CACHED];
    if (!k->used || k->id != id) {
        *k = (struct owners_known){.used = true, .id = id};
        look_up_id(kind, k);
    }
    return k->name;
}

bool owners_id(struct owners *o, enum owners_kind kind, const char *name, uint32_t *id)
{
    if (*name == '\0')
        return false;
    uint64_t slot = tar_digest(TAR_DIGEST_START, name, strlen(name)) % OWNERS_CACHED;
    struct owners_known *k = &o->by_name[kind == OWNERS_GROUP][slot];
    if (!k->used || strcmp(k->name, name) != 0) {
        *k = (struct owners_known){.used = true};
        snprintf(k->name, sizeof(k->name), "%s", name);
        look_up_name(kind, k);
    }
    *id = k->id;
    return k->exists;
}
