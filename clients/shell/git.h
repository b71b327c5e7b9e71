/* git, run as a program with arguments, never by a shell, on repositories that may be hostile: what
 * a repository's configuration could make it run is off (hooks, fsmonitor, transports, lazy fetches
 * of partial clones, pagers), and nothing is asked of it that runs filters, diff or merge drivers
 * of a configuration but ours. Variables of the caller's that redirect git are not passed on. */
#ifndef BANGER_SHELL_GIT_H
#define BANGER_SHELL_GIT_H

#include <stdbool.h>
#include <stddef.h>

struct git {
    const char *at;        /* folder that it runs in; NULL: ours */
    const char *dir;       /* GIT_DIR; NULL: it looks for one, and checks whose it is */
    const char *work_tree; /* NULL: as dir says */
    const char *index;     /* NULL: that of dir */
    bool alone;            /* without the user's and the system's configuration */
};

struct git_output {
    char *text; /* owned, with a NUL behind it */
    size_t len;
    char *errors; /* owned: its first line of standard error, or "" */
    int status;   /* 0 success; 128+n: signal n */
};

enum { GIT_ARGS_MAX = 24, GIT_OUTPUT_MAX_BYTES = 512 << 20 };

#define GIT_ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs "git ARGS" with input as its standard input (NULL: none) to its end. 0 when it succeeded;
 * else -1: out->status and out->errors say why, and out->status is -1 where git could not be run.
 * out is to be freed by git_output_done in any case. */
int git_run(const struct git *git, const char *const *args, const char *input, size_t input_len,
            struct git_output *out);
void git_output_done(struct git_output *out);
/* As git_run, of which only a first line is wanted, in a text of the caller's; "" when it failed.
 */
int git_line(const struct git *git, const char *const *args, char *line, size_t size);
/* As git_run for what has to succeed: "what: why" is printed otherwise. out may be NULL. */
int git_do(const struct git *git, const char *what, const char *const *args, const char *input,
           size_t input_len, struct git_output *out);

#endif
