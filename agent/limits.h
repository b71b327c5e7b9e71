/* What bounds a session's processes: rlimits, nice value, the OOM killer's liking. */
#ifndef BANGER_AGENT_LIMITS_H
#define BANGER_AGENT_LIMITS_H

#include <stdbool.h>

#include "agent/codec.h"
#include "base/rlimit.h"

struct limits {
    int n;
    struct rlimit_value at[RLIMIT_KINDS];
    int nice, oom_score_adj; /* 0: as they are */
};

/* False where the message is malformed. */
bool limits_read(const struct codec_start *start, struct limits *out);

/* In the child, while it may still do all that the agent may; the scores first, as they need a file
 * more, and the agent may have as many open as the limits allow. -1, or what could not be set, with
 * errno. */
int limits_set_scores(const struct limits *limits);
int limits_set_rlimits(const struct limits *limits);
/* Its name. */
const char *limits_name(int what);

/* oom_score_adj of this process; -1 with errno. */
int limits_set_oom_score(int score);

#endif
