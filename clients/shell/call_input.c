/* See call.h. A document is an object: it ends where its first bracket is closed, whatever lines it
 * is on. What is in it is the parser's business. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void call_input_done(struct call_input *in)
{
    free(in->data);
    *in = (struct call_input){.data = NULL};
}

int call_input_add(struct call_input *in, const char *text, size_t len)
{
    if (len > CALL_DOCUMENT_BYTES - in->len)
        return cli_usage("call: a document of more than %d MiB", CALL_DOCUMENT_BYTES >> 20), -1;
    if (in->len + len > in->cap) {
        size_t cap = in->len + len > 2 * in->cap ? in->len + len : 2 * in->cap;
        char *grown = realloc(in->data, cap);
        if (!grown)
            return cli_usage("out of memory"), -1;
        in->data = grown;
        in->cap = cap;
    }
    if (len > 0)
        memcpy(in->data + in->len, text, len);
    in->len += len;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Forgets what was handed out, and white space. Between documents only. */
static void drop_scanned(struct call_input *in)
{
    while (in->scanned < in->len && is_blank(in->data[in->scanned]))
        in->scanned++;
    in->len -= in->scanned;
    if (in->len > 0)
        memmove(in->data, in->data + in->scanned, in->len);
    in->scanned = 0;
}

/* One more byte of a document; true: it was the last. */
static bool scan(struct call_input *in, char c)
{
    if (in->in_string) {
        bool ends = c == '"' && !in->escaped;
        in->escaped = c == '\\' && !in->escaped;
        in->in_string = !ends;
        return false;
    }
    in->in_string = c == '"';
    if (c == '{' || c == '[')
        in->depth++;
    return (c == '}' || c == ']') && --in->depth == 0;
}

int call_input_next(struct call_input *in, const char **document, size_t *len)
{
    if (in->depth == 0)
        drop_scanned(in);
    if (in->depth == 0 && in->len > 0 && in->data[0] != '{')
        return cli_usage("call: a JSON object is wanted, not what begins with '%.20s'",
                         (char[]){(char)(in->data[0] < ' ' ? '?' : in->data[0]), '\0'}),
               -1;
    while (in->scanned < in->len)
        if (scan(in, in->data[in->scanned++])) {
            *document = in->data;
            *len = in->scanned;
            return 1;
        }
    return 0;
}

bool call_input_is_broken(const struct call_input *in)
{
    return in->depth > 0;
}

char *call_input_all(size_t *len)
{
    struct call_input in = {.data = NULL};
    char piece[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            cli_usage("read standard input: %s", strerror(errno));
        if (n < 0 || call_input_add(&in, piece, (size_t)n) < 0) {
            call_input_done(&in);
            return NULL;
        }
    }
    *len = in.len;
    return in.data ? in.data : strdup("");
}
