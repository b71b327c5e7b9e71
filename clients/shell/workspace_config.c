/* See workspace_config.h. */
#include "workspace_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli.h"

bool workspace_config_clean_url(char *url)
{
    char *begin = strstr(url, "://"), *colon = strstr(url, "::");
    if (colon && (!begin || colon < begin))
        return false; /* "ext::sh -c …": a program */
    if (!begin)
        return true; /* git@host:path, or a path */
    bool ssh = strncmp(url, "ssh://", 6) == 0 || strncmp(url, "git+ssh://", 10) == 0;
    begin += 3;
    char *host_end = begin + strcspn(begin, "/?#"), *at = NULL;
    for (char *c = begin; c < host_end; c++)
        if (*c == '@')
            at = c;
    if (at && ssh) { /* the user stays */
        char *password = memchr(begin, ':', (size_t)(at - begin));
        if (password)
            memmove(password, at, strlen(at) + 1);
    } else if (at) {
        memmove(begin, at + 1, strlen(at + 1) + 1);
    }
    if (!ssh)
        url[strcspn(url, "?#")] = '\0';
    return true;
}

/* "remote.origin.url" in its parts, in a copy. */
struct setting {
    char *section, *sub, *name, *value; /* sub: NULL if there is none */
};

static bool is_any(const char *word, const char *list)
{
    size_t len = strlen(word);
    for (const char *c = list; *c; c += strcspn(c, " "), c += *c == ' ')
        if (strcspn(c, " ") == len && strncmp(c, word, len) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct setting *s, bool own)
{
    if (strcmp(s->section, "user") == 0 && !s->sub)
        return is_any(s->name, "name email");
    if (!own)
        return false;
    if (strcmp(s->section, "core") == 0 && !s->sub)
        return is_any(s->name, "autocrlf eol safecrlf filemode symlinks ignorecase");
    if (strcmp(s->section, "branch") == 0 && s->sub)
        return is_any(s->name, "remote merge rebase description");
    if (strcmp(s->section, "remote") == 0 && s->sub && is_any(s->name, "url pushurl"))
        return workspace_config_clean_url(s->value);
    return strcmp(s->section, "remote") == 0 && s->sub && is_any(s->name, "fetch tagopt");
}

static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void put_setting(FILE *out, const struct setting *s)
{
    fprintf(out, "[%s", s->section);
    if (s->sub) {
        fputc(' ', out);
        put_quoted(out, s->sub);
    }
    fprintf(out, "]\n\t%s = ", s->name);
    put_quoted(out, s->value);
    fputc('\n', out);
}

/* key: "section.sub.name\nvalue", which is taken apart. */
static void take_setting(FILE *out, char *key, bool own)
{
    char *value = strchr(key, '\n');
    struct setting s = {.section = key, .value = value ? value + 1 : (char *)"true"};
    if (value)
        *value = '\0';
    s.name = strrchr(key, '.');
    char *dot = strchr(key, '.');
    if (!dot || (s.sub = dot < s.name ? dot + 1 : NULL, s.sub && strchr(s.sub, '\n')))
        return;
    *s.name++ = '\0';
    *dot = '\0';
    if (is_wanted(&s, own))
        put_setting(out, &s);
}

int workspace_config_write(const struct repo *repo, const char *path)
{
    auto_file FILE *out = fopen(path, "we");
    if (!out)
        return cli_usage("%.300s: %s", path, strerror(errno));
    bool sha1 = strcmp(repo->format, "sha1") == 0;
    fprintf(out,
            "[core]\n\trepositoryformatversion = %d\n\tbare = false\n\tlogallrefupdates = true\n",
            sha1 ? 0 : 1);
    if (!sha1)
        fprintf(out, "[extensions]\n\tobjectformat = %s\n", repo->format);
    struct git_output settings;
    int rc = git_do(&repo->git, "reading its configuration",
                    GIT_ARGS("config", "-z", "--list", "--show-scope", "--includes"), NULL, 0,
                    &settings);
    for (char *at = settings.text, *end = at ? at + settings.len : NULL; rc == 0 && at < end;) {
        char *key = at + strlen(at) + 1;
        if (key >= end)
            break;
        bool own = strcmp(at, "local") == 0 || strcmp(at, "worktree") == 0;
        at = key + strlen(key) + 1;
        take_setting(out, key, own);
    }
    git_output_done(&settings);
    if (rc == 0 && (fflush(out) != 0 || ferror(out)))
        return cli_usage("%.300s: %s", path, strerror(errno));
    return rc == 0 ? 0 : EXIT_BANGER;
}
