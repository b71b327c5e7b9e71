/* Limits of processes as texts: "nofile=1024:2048", "core=0:unlimited". Names are setrlimit(2)'s
 * without RLIMIT_, in lower case. */
#ifndef BANGER_BASE_RLIMIT_H
#define BANGER_BASE_RLIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RLIMIT_TEXT_BYTES = 64, /* one text, and NUL */
    RLIMIT_KINDS = 16,      /* how many there are */
};

#define RLIMIT_UNLIMITED UINT64_MAX

struct rlimit_value {
    int resource; /* RLIMIT_NOFILE, … */
    uint64_t soft, hard;
};

/* RLIMIT_…, or -1 where there is no such name. */
int rlimit_find(const char *name);
/* Name of RLIMIT_…; NULL for none. */
const char *rlimit_name(int resource);
/* False for what is no such text, also where the soft limit is above the hard one. */
bool rlimit_parse(const char *text, struct rlimit_value *out);
void rlimit_format(const struct rlimit_value *value, char out[RLIMIT_TEXT_BYTES]);

#endif
