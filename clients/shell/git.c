/* See git.h. Input, output and errors are files in memory, so that nothing has to be read while it
 * runs. */
#include "git.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli.h"

extern char **environ;

enum { GIT_ENV_OURS = 12, GIT_ERRORS_BYTES = 300 };

static const char *const git_off[] = {
    "git",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "--no-pager",
    "-c",
    "submodule.recurse=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "advice.detachedHead=false",
    "--no-optional-locks",
};
enum { GIT_OFF = sizeof(git_off) / sizeof(*git_off) };

/* Of the caller's GIT_ variables only those that say where configuration is are passed on. */
static bool env_is_passed(const char *var)
{
    static const char *const kept[] = {
        "GIT_CONFIG_GLOBAL=", "GIT_CONFIG_SYSTEM=", "GIT_CONFIG_NOSYSTEM=",
        "GIT_CEILING_DIRECTORIES=", "GIT_EXEC_PATH="};
    if (strncmp(var, "LC_ALL=", 7) == 0)
        return false;
    if (strncmp(var, "GIT_", 4) != 0)
        return true;
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (strncmp(var, kept[i], strlen(kept[i])) == 0)
            return true;
    return false;
}

struct git_env {
    char **list;              /* owned; borrowed strings, then those of ours */
    char *ours[GIT_ENV_OURS]; /* owned */
    size_t n_list, n_ours;
    bool failed;
};

static void env_add(struct git_env *env, const char *name, const char *value)
{
    char *text = NULL;
    if (!value || env->failed)
        return;
    if (env->n_ours == GIT_ENV_OURS || asprintf(&text, "%s=%s", name, value) < 0) {
        env->failed = true;
        return;
    }
    env->ours[env->n_ours++] = text;
    env->list[env->n_list++] = text;
}

static void env_init(struct git_env *env, const struct git *git)
{
    size_t n = 0;
    *env = (struct git_env){0};
    while (environ[n])
        n++;
    env->list = calloc(n + GIT_ENV_OURS + 1, sizeof(*env->list));
    if (!env->list) {
        env->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (env_is_passed(environ[i]) &&
            !(git->alone && strncmp(environ[i], "GIT_CONFIG_", 11) == 0))
            env->list[env->n_list++] = environ[i];
    env_add(env, "LC_ALL", "C");
    env_add(env, "GIT_ALLOW_PROTOCOL", "none");
    env_add(env, "GIT_NO_LAZY_FETCH", "1");
    env_add(env, "GIT_NO_REPLACE_OBJECTS", "1");
    env_add(env, "GIT_TERMINAL_PROMPT", "0");
    env_add(env, "GIT_CONFIG_GLOBAL", git->alone ? "/dev/null" : NULL);
    env_add(env, "GIT_CONFIG_NOSYSTEM", git->alone ? "1" : NULL);
    env_add(env, "GIT_ATTR_NOSYSTEM", git->alone ? "1" : NULL);
    env_add(env, "GIT_DIR", git->dir);
    env_add(env, "GIT_WORK_TREE", git->work_tree);
    env_add(env, "GIT_INDEX_FILE", git->index);
}

static void env_done(struct git_env *env)
{
    for (size_t i = 0; i < env->n_ours; i++)
        free(env->ours[i]);
    free(env->list);
}

static int memory_file(const char *data, size_t len)
{
    int fd = memfd_create("git", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static char *memory_text(int fd, size_t *len, size_t max)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || (size_t)st.st_size > max)
        return NULL;
    char *text = malloc((size_t)st.st_size + 1);
    size_t done = 0;
    while (text && done < (size_t)st.st_size) {
        ssize_t n = pread(fd, text + done, (size_t)st.st_size - done, (off_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (text)
        text[done] = '\0';
    *len = done;
    return text;
}

/* Starts it with three files; an errno. */
static int spawn(const struct git *git, const char *const *args, const int fds[3], pid_t *pid)
{
    const char *argv[GIT_OFF + GIT_ARGS_MAX + 1];
    size_t n = GIT_OFF;
    memcpy(argv, git_off, sizeof(git_off));
    while (*args && n < GIT_OFF + GIT_ARGS_MAX)
        argv[n++] = *args++;
    argv[n] = NULL;
    struct git_env env;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t signals;
    env_init(&env, git);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attr, &signals);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    int rc = env.failed ? ENOMEM : 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (rc == 0 && git->at)
        rc = posix_spawn_file_actions_addchdir_np(&actions, git->at);
    if (rc == 0)
        rc = posix_spawnp(pid, "git", &actions, &attr, (char *const *)argv, env.list);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    env_done(&env);
    return rc;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* git's own words: the first line that is an error, without that word; else the first line. */
static char *first_words(int fd)
{
    static const char *const marks[] = {"fatal: ", "error: "};
    char text[GIT_ERRORS_BYTES * 4];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *words = text;
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && words == text; i++) {
        const char *found = strstr(text, marks[i]);
        if (found && (found == text || found[-1] == '\n'))
            words = found + strlen(marks[i]);
    }
    size_t len = strcspn(words, "\n");
    return strndup(words, len < GIT_ERRORS_BYTES ? len : GIT_ERRORS_BYTES);
}

int git_run(const struct git *git, const char *const *args, const char *input, size_t input_len,
            struct git_output *out)
{
    *out = (struct git_output){.status = -1};
    auto_fd int in = memory_file(input, input ? input_len : 0);
    auto_fd int text = memory_file(NULL, 0);
    auto_fd int errors = memory_file(NULL, 0);
    int fds[3] = {in, text, errors}, rc = errno;
    pid_t pid;
    if (in >= 0 && text >= 0 && errors >= 0)
        rc = spawn(git, args, fds, &pid);
    if (rc != 0) {
        out->errors = strdup(rc == ENOENT ? "there is no git on this machine" : strerror(rc));
        return -1;
    }
    out->status = wait_for(pid);
    out->text = memory_text(text, &out->len, GIT_OUTPUT_MAX_BYTES);
    out->errors = first_words(errors);
    if (!out->text && out->status == 0)
        out->status = -1;
    return out->status == 0 ? 0 : -1;
}

void git_output_done(struct git_output *out)
{
    free(out->text);
    free(out->errors);
    *out = (struct git_output){0};
}

int git_line(const struct git *git, const char *const *args, char *line, size_t size)
{
    struct git_output out;
    int rc = git_run(git, args, NULL, 0, &out);
    line[0] = '\0';
    if (rc == 0)
        snprintf(line, size, "%.*s", (int)strcspn(out.text, "\n"), out.text);
    git_output_done(&out);
    return rc;
}

int git_do(const struct git *git, const char *what, const char *const *args, const char *input,
           size_t input_len, struct git_output *out)
{
    struct git_output own = {0};
    struct git_output *o = out ? out : &own;
    int rc = git_run(git, args, input, input_len, o);
    if (rc < 0 && o->status > 128)
        cli_fail_with(EXIT_BANGER, "GIT_FAILED", "%s: git was ended by signal %d", what,
                      o->status - 128);
    else if (rc < 0)
        cli_fail_with(EXIT_BANGER, "GIT_FAILED", "%s: %s", what,
                      o->errors && *o->errors ? o->errors : "git failed");
    if (!out)
        git_output_done(&own);
    return rc;
}
