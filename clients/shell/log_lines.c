/* See log_lines.h. */
#include "log_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "stream.h"
#include "when.h"

int log_lines_init(struct log_lines *l, const char *pattern, bool ignore_case, bool invert,
                   bool timestamps)
{
    char why[128];
    *l = (struct log_lines){.pattern = pattern, .invert = invert, .timestamps = timestamps};
    int flags = REG_EXTENDED | REG_NOSUB | (ignore_case ? REG_ICASE : 0);
    int rc = pattern ? regcomp(&l->regex, pattern, flags) : 0;
    if (rc != 0) {
        regerror(rc, &l->regex, why, sizeof(why));
        return cli_usage("--grep \"%.60s\": %s", pattern, why);
    }
    l->compiled = pattern != NULL;
    for (int i = 0; i < 2; i++)
        if (!(l->lines[i].data = malloc(LOG_LINE_BYTES + 1)))
            return cli_usage("out of memory");
    return 0;
}

void log_lines_done(struct log_lines *l)
{
    if (l->compiled)
        regfree(&l->regex);
    free(l->lines[0].data);
    free(l->lines[1].data);
}

/* NULs and all. */
static bool log_lines_wants(const struct log_lines *l, const struct log_line *line)
{
    if (!l->pattern)
        return true;
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)line->len};
    return (regexec(&l->regex, line->data, 1, &range, REG_STARTEND) == 0) != l->invert;
}

static int log_lines_show(struct log_lines *l, int stream, bool with_newline)
{
    struct log_line *line = &l->lines[stream - 1];
    int fd = stream == 2 ? STDERR_FILENO : STDOUT_FILENO, rc = 0;
    line->data[line->len] = '\0'; /* there is room: some regexec look for it all the same */
    bool shown = log_lines_wants(l, line);
    l->n_shown += shown;
    if (shown && l->timestamps) {
        char when[WHEN_BYTES + 1];
        when_format(when, line->time_ns);
        strcat(when, " ");
        rc = stream_write_all(fd, when, strlen(when));
    }
    if (with_newline)
        line->data[line->len++] = '\n';
    if (shown && rc == 0)
        rc = stream_write_all(fd, line->data, line->len);
    line->len = 0;
    return rc;
}

int log_lines_take(struct log_lines *l, int stream, const uint8_t *data, size_t len,
                   int64_t time_ns)
{
    struct log_line *line = &l->lines[stream - 1];
    while (len > 0) {
        const uint8_t *newline = memchr(data, '\n', len);
        size_t n = newline ? (size_t)(newline - data) : len;
        bool cut = n > LOG_LINE_BYTES - line->len;
        if (cut)
            n = LOG_LINE_BYTES - line->len;
        if (line->len == 0)
            line->time_ns = time_ns;
        memcpy(line->data + line->len, data, n);
        line->len += n;
        data += n;
        len -= n;
        if (!cut && !newline)
            return 0;
        if (!cut) { /* the newline itself */
            data++;
            len--;
        }
        if (log_lines_show(l, stream, true) < 0)
            return -1;
    }
    return 0;
}

int log_lines_end(struct log_lines *l, int stream)
{
    return l->lines[stream - 1].len > 0 ? log_lines_show(l, stream, false) : 0;
}
