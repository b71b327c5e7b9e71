/* Answers of Firecracker's API server; see firecracker_http.h. */
#include "daemon/vmm/firecracker_http.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

static const char version[] = "HTTP/1.1 ";

static int wrong(struct err *err, const char *why)
{
    return err_set(err, ERR_INVALID, "firecracker's answer is no HTTP: %s", why);
}

/* "HTTP/1.1 204 No Content": the reason may be empty. */
static int parse_status(const char *line, size_t len, int *status, struct err *err)
{
    const char *at = line + sizeof(version) - 1;
    if (len < sizeof(version) - 1 + 3 || memcmp(line, version, sizeof(version) - 1) != 0)
        return wrong(err, "its status line");
    for (int i = 0; i < 3; i++)
        if (!isdigit((unsigned char)at[i]))
            return wrong(err, "its status");
    *status = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
    if (*status < 200 || *status > 599 || (len > sizeof(version) - 1 + 3 && at[3] != ' '))
        return wrong(err, "its status");
    return 0;
}

static bool is_named(const char *line, size_t name_len, const char *name)
{
    return name_len == strlen(name) && strncasecmp(line, name, name_len) == 0;
}

static int parse_length(const char *text, const char *end, size_t *length, struct err *err)
{
    size_t n = 0;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (text == end)
        return wrong(err, "its length");
    for (; text < end; text++) {
        if (!isdigit((unsigned char)*text))
            return wrong(err, "its length");
        n = n * 10 + (size_t)(*text - '0');
        if (n > FIRECRACKER_BODY_BYTES)
            return wrong(err, "it is too long");
    }
    *length = n;
    return 0;
}

/* length: SIZE_MAX until it was said. */
static int parse_field(const char *line, size_t len, size_t *length, struct err *err)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return wrong(err, "a field without a name");
    size_t name_len = (size_t)(colon - line);
    if (is_named(line, name_len, "transfer-encoding"))
        return wrong(err, "its length is not said");
    if (!is_named(line, name_len, "content-length"))
        return 0;
    if (*length != (size_t)-1)
        return wrong(err, "its length is said twice");
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    return parse_length(value, end, length, err);
}

/* The head, whose lines all end in CR LF, up to the empty one. */
static int parse_head(const char *data, size_t len, int *status, size_t *length, struct err *err)
{
    const char *line = data, *end = data + len;
    for (bool first = true; line < end; first = false) {
        const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (!stop)
            return wrong(err, "a line without an end");
        size_t n = (size_t)(stop - line);
        if (memchr(line, '\0', n) || memchr(line, '\n', n))
            return wrong(err, "a line with more in it than text");
        if ((first ? parse_status(line, n, status, err) : parse_field(line, n, length, err)) < 0)
            return -1;
        line = stop + 2;
    }
    return 0;
}

int firecracker_answer_parse(const char *data, size_t len, struct firecracker_answer *answer,
                             size_t *used, struct err *err)
{
    size_t look = len < FIRECRACKER_HEAD_BYTES ? len : FIRECRACKER_HEAD_BYTES;
    const char *blank = look ? memmem(data, look, "\r\n\r\n", 4) : NULL;
    if (!blank && len >= FIRECRACKER_HEAD_BYTES)
        return wrong(err, "its fields are too long");
    if (!blank)
        return 0;
    size_t head = (size_t)(blank - data) + 2, length = (size_t)-1;
    int status = 0;
    if (parse_head(data, head, &status, &length, err) < 0)
        return -1;
    if (length == (size_t)-1)
        length = 0;
    head += 2;
    if (len - head < length)
        return 0;
    *answer =
        (struct firecracker_answer){.status = status, .body = data + head, .body_len = length};
    *used = head + length;
    return 1;
}
