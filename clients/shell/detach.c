/* Keys that detach; see detach.h. */
#include "detach.h"

#include <string.h>

/* ctrl-a to ctrl-z, and ctrl with one of @ [ \ ] ^ _ as terminals have it. */
static int control_of(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 1;
    if (c >= '@' && c <= '_')
        return c - '@';
    return -1;
}

static int key_of(const char *text, size_t len)
{
    static const char ctrl[] = "ctrl-";
    size_t n = sizeof(ctrl) - 1;
    if (len == 1 && text[0] > ' ' && text[0] < 0x7f)
        return text[0];
    return len == n + 1 && strncmp(text, ctrl, n) == 0 ? control_of(text[n]) : -1;
}

int detach_keys_parse(struct detach_keys *k, const char *text)
{
    *k = (struct detach_keys){.n = 0};
    if (strcmp(text, "none") == 0)
        return 0;
    for (;;) {
        size_t len = strcspn(text + (*text == ','), ",") + (*text == ',');
        int key = key_of(text, len);
        if (key < 0 || k->n == DETACH_KEYS_MAX)
            return -1;
        k->keys[k->n++] = (uint8_t)key;
        if (!text[len])
            return 0;
        text += len + 1;
    }
}

/* How many of the keys the bytes that were held back and one more still make: as a search for a
 * text goes on after a mismatch. */
static size_t matched_with(const struct detach_keys *k, uint8_t next)
{
    uint8_t seen[DETACH_KEYS_MAX + 1];
    memcpy(seen, k->keys, k->matched);
    seen[k->matched] = next;
    for (size_t n = k->matched + 1; n > 0; n--)
        if (memcmp(seen + k->matched + 1 - n, k->keys, n) == 0)
            return n;
    return 0;
}

size_t detach_filter(struct detach_keys *k, const uint8_t *typed, size_t n, uint8_t *out,
                     bool *detach)
{
    size_t used = 0;
    *detach = false;
    if (k->n == 0) { /* as for all that no terminal types */
        memcpy(out, typed, n);
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        size_t now = matched_with(k, typed[i]);
        size_t given = k->matched + 1 - now; /* held back so far, and no part of the keys */
        size_t of_held = given < k->matched ? given : k->matched;
        memcpy(out + used, k->keys, of_held);
        used += of_held;
        if (given > of_held)
            out[used++] = typed[i];
        k->matched = now;
        if (now == k->n) {
            k->matched = 0;
            *detach = true;
            break;
        }
    }
    return used;
}
