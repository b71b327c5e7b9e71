/* apt's answers; see apt.h. */
#include "daemon/host/apt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

const char apt_targets_format[] = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)";

static const char apt_name_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";

static bool apt_name_matches(const char *name, size_t len, const char *prefix, const char *suffix)
{
    size_t p = strlen(prefix), s = strlen(suffix);
    return len > p + s && strncmp(name, prefix, p) == 0 && strncmp(name + len - s, suffix, s) == 0;
}

int apt_find_depends(const char *show, const char *prefix, const char *suffix,
                     char package[APT_NAME_BYTES], struct err *err)
{
    for (const char *line = show; line && *line;) {
        const char *end = line + strcspn(line, "\n");
        if (strncmp(line, "Depends:", 8) == 0) {
            for (const char *at = line + 8; at < end;) {
                size_t len = strspn(at, apt_name_chars);
                if (len > APT_NAME_BYTES - 1)
                    len = 0;
                if (apt_name_matches(at, len, prefix, suffix)) {
                    memcpy(package, at, len);
                    package[len] = '\0';
                    return 0;
                }
                at += len ? len : 1;
            }
        }
        line = *end ? end + 1 : NULL;
    }
    return err_set(err, ERR_NOT_FOUND, "no dependency %s*%s", prefix, suffix);
}

int apt_parse_uris(const char *text, char file[APT_NAME_BYTES], uint64_t *bytes, struct err *err)
{
    for (const char *line = text; line && *line;) {
        const char *end = line + strcspn(line, "\n");
        const char *close = *line == '\'' ? memchr(line + 1, '\'', (size_t)(end - line - 1)) : NULL;
        int used = 0;
        if (close && sscanf(close + 1, " %255s %" SCNu64 "%n", file, bytes, &used) == 2) {
            size_t n = strlen(file);
            if (n > 4 && strcmp(file + n - 4, ".deb") == 0 && !strchr(file, '/') && file[0] != '.')
                return 0;
        }
        line = *end ? end + 1 : NULL;
    }
    return err_set(err, ERR_NOT_FOUND, "apt names no file to download");
}

/* bookworm, bookworm-updates, bookworm-security. */
static bool apt_suite_matches(const char *codename, const char *suite)
{
    size_t n = strlen(suite);
    if (strncmp(codename, suite, n) != 0)
        return false;
    return codename[n] == '\0' || strcmp(codename + n, "-updates") == 0 ||
           strcmp(codename + n, "-security") == 0;
}

/* Origin|Codename|Component|URI -> deb line; 0 also for lines that are of no use. */
static int apt_add_source(struct buf *out, char *line, const char *suite)
{
    char *field[4], *rest = line;
    for (size_t i = 0; i < 4; i++) {
        field[i] = rest;
        rest += strcspn(rest, "|");
        if (i < 3 && *rest != '|')
            return 0;
        if (*rest)
            *rest++ = '\0';
    }
    if (strcmp(field[0], "Debian") != 0 || !apt_suite_matches(field[1], suite) ||
        strcmp(field[2], "main") != 0 || strpbrk(field[3], " \t"))
        return 0;
    char source[2048];
    int n = snprintf(source, sizeof(source), "deb %s %s main\n", field[3], field[1]);
    if (n < 0 || (size_t)n >= sizeof(source))
        return 0;
    /* apt lists a target once per architecture. */
    if (buf_len(out) > 0 && memmem(buf_data(out), buf_len(out), source, (size_t)n))
        return 0;
    return buf_append(out, source, (size_t)n);
}

int apt_sources_of_targets(const char *targets, const char *suite, char **sources, struct err *err)
{
    struct buf out;
    auto_free char *copy = strdup(targets);
    buf_init(&out, 64 * 1024);
    int rc = copy ? 0 : -1;
    char *rest = NULL;
    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line && rc == 0;
         line = strtok_r(NULL, "\n", &rest))
        rc = apt_add_source(&out, line, suite);
    if (rc == 0)
        rc = buf_append(&out, "", 1);
    *sources = rc == 0 ? strdup((const char *)buf_data(&out)) : NULL;
    buf_done(&out);
    return *sources ? 0 : err_set(err, ERR_LIMIT, "too many apt sources");
}
