/* The keys that leave a session's terminal without ending it, found in what is typed. */
#ifndef BANGER_SHELL_DETACH_H
#define BANGER_SHELL_DETACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DETACH_KEYS_MAX = 8 };

#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

struct detach_keys {
    uint8_t keys[DETACH_KEYS_MAX];
    size_t n;       /* 0: there are none */
    size_t matched; /* so many have been typed, and are held back */
};

/* "ctrl-p,ctrl-q", "~,.", "ctrl-]"; "none": no keys. 0, or -1: it is no such list. */
int detach_keys_parse(struct detach_keys *k, const char *text);
/* What of n typed bytes goes on to the session: out has room for n + DETACH_KEYS_MAX. Keys that
 * were held back and turn out to be none go first. Returns how many; *detach: all of the keys were
 * typed, and what comes behind them is dropped. */
size_t detach_filter(struct detach_keys *k, const uint8_t *typed, size_t n, uint8_t *out,
                     bool *detach);

#endif
