/* /etc/passwd and /etc/group; see users.h. */
#include "agent/users.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"

enum { PASSWD_FIELDS = 7, GROUP_FIELDS = 4 };

/* The file, or an empty text where there is none. */
static char *read_etc(const char *root, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/etc/%s", root, name);
    char *text = NULL;
    if (fs_read(path, USER_MAX_FILE_BYTES, &text, NULL, NULL) < 0)
        text = calloc(1, 1);
    return text;
}

/* Cuts the next line off *text into fields; false at the end. Missing fields are "". */
static bool next_entry(char **text, const char **fields, int n_fields)
{
    char *line = strsep(text, "\n");
    if (!line)
        return false;
    for (int i = 0; i < n_fields; i++) {
        char *field = line ? strsep(&line, ":") : NULL;
        fields[i] = field ? field : "";
    }
    return true;
}

static bool parse_id(const char *s, unsigned *out)
{
    char *end;
    unsigned long v = strtoul(s, &end, 10);
    if (*s < '0' || *s > '9' || *end != '\0' || v >= UINT_MAX)
        return false;
    *out = (unsigned)v;
    return true;
}

static void copy(char *out, size_t size, const char *s)
{
    snprintf(out, size, "%s", s);
}

static int find_in_passwd(const char *root, const char *user, bool by_id, struct user *out,
                          struct err *err)
{
    auto_free char *text = read_etc(root, "passwd");
    char *rest = text;
    const char *f[PASSWD_FIELDS];
    while (text && next_entry(&rest, f, PASSWD_FIELDS)) {
        unsigned uid, gid;
        if (!parse_id(f[2], &uid) || !parse_id(f[3], &gid))
            continue;
        if (by_id ? uid != out->uid : strcmp(f[0], user) != 0)
            continue;
        out->uid = uid;
        out->gid = gid;
        copy(out->name, sizeof(out->name), f[0]);
        copy(out->home, sizeof(out->home), *f[5] ? f[5] : "/");
        copy(out->shell, sizeof(out->shell), *f[6] ? f[6] : "/bin/sh");
        return 0;
    }
    if (!by_id)
        return err_set(err, ERR_NOT_FOUND, "there is no user %s in /etc/passwd", user);
    out->gid = out->uid;
    snprintf(out->name, sizeof(out->name), "%u", (unsigned)out->uid);
    copy(out->home, sizeof(out->home), out->uid == 0 ? "/root" : "/");
    copy(out->shell, sizeof(out->shell), "/bin/sh");
    return 0;
}

static bool is_member(const char *members, const char *name)
{
    size_t len = strlen(name);
    for (const char *m = members; *m;) {
        size_t n = strcspn(m, ",");
        if (n == len && strncmp(m, name, n) == 0)
            return true;
        m += n + (m[n] == ',');
    }
    return false;
}

static void find_groups(const char *root, struct user *out)
{
    auto_free char *text = read_etc(root, "group");
    char *rest = text;
    const char *f[GROUP_FIELDS];
    while (text && out->n_groups < USER_MAX_GROUPS && next_entry(&rest, f, GROUP_FIELDS)) {
        unsigned gid;
        if (parse_id(f[2], &gid) && is_member(f[3], out->name))
            out->groups[out->n_groups++] = gid;
    }
}

static int find_group(const char *root, const char *group, struct user *out, struct err *err)
{
    if (parse_id(group, &out->gid))
        return 0;
    auto_free char *text = read_etc(root, "group");
    char *rest = text;
    const char *f[GROUP_FIELDS];
    while (text && next_entry(&rest, f, GROUP_FIELDS))
        if (strcmp(f[0], group) == 0 && parse_id(f[2], &out->gid))
            return 0;
    return err_set(err, ERR_NOT_FOUND, "there is no group %s in /etc/group", group);
}

static int look_up(const char *root, const char *user, const char *group, struct user *out,
                   struct err *err)
{
    *out = (struct user){.uid = geteuid()};
    bool by_id = *user == '\0' || parse_id(user, &out->uid);
    if (find_in_passwd(root, user, by_id, out, err) < 0)
        return -1;
    find_groups(root, out);
    return *group ? find_group(root, group, out, err) : 0;
}

/* Most commands are run as whom the one before was. The answer holds while both files are what they
 * were: a file that was changed a moment ago could change again without another time. */
enum { FILES = 2, NAME_ROOM_BYTES = 64, SETTLED_NS = 1000000000 };

static const char *const etc_names[FILES] = {"passwd", "group"};

struct look_up {
    bool known;
    struct stat files[FILES]; /* st_ino 0: there is none */
    char root[PATH_MAX], user[NAME_ROOM_BYTES], group[NAME_ROOM_BYTES];
    struct user found;
};

static bool files_settled(const char *root, struct stat files[FILES])
{
    int64_t now = clock_real_ns();
    bool settled = true;
    for (int i = 0; i < FILES; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/etc/%s", root, etc_names[i]);
        if (stat(path, &files[i]) < 0)
            files[i] = (struct stat){0};
        int64_t changed = (int64_t)files[i].st_ctim.tv_sec * 1000000000 + files[i].st_ctim.tv_nsec;
        settled = settled && (changed < now - SETTLED_NS);
    }
    return settled;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int user_find(const char *root, const char *user, const char *group, struct user *out,
              struct err *err)
{
    static struct look_up last;
    struct stat files[FILES];
    bool settled = files_settled(root, files);
    if (last.known && settled && strcmp(last.root, root) == 0 && strcmp(last.user, user) == 0 &&
        strcmp(last.group, group) == 0 && is_same_file(&last.files[0], &files[0]) &&
        is_same_file(&last.files[1], &files[1])) {
        *out = last.found;
        return 0;
    }
    last.known = false;
    if (look_up(root, user, group, out, err) < 0)
        return -1;
    if (!settled || strlen(root) >= sizeof(last.root) || strlen(user) >= sizeof(last.user) ||
        strlen(group) >= sizeof(last.group))
        return 0;
    copy(last.root, sizeof(last.root), root);
    copy(last.user, sizeof(last.user), user);
    copy(last.group, sizeof(last.group), group);
    memcpy(last.files, files, sizeof(files));
    last.found = *out;
    last.known = true;
    return 0;
}
