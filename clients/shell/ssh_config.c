/* ssh-config: lets the system's ssh, and all that is built on it, reach VMs by NAME.vm. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/programs.h"
#include "nouns.h"
#include "ssh.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

struct ssh_config_options {
    bool install, remove;
    const char *file;
};

/* ---- what is written ---- */

static int config_print(const struct cli *cli, FILE *out)
{
    char text[SSH_TEXT_BYTES];
    if (ssh_proxy_command(cli, "%n", text) < 0)
        return EXIT_BANGER;
    fprintf(out,
            "# VMs by NAME.vm, those of a context by NAME.CONTEXT.vm. Written by\n"
            "# \"banger ssh-config --install\", undone by \"banger ssh-config --remove\".\n"
            "Host *.vm\n"
            "    ProxyCommand %s\n",
            text);
    for (const struct ssh_option *o = ssh_options; o->name; o++) {
        const char *value = ssh_option_value(o, text);
        if (!value)
            return EXIT_BANGER;
        fprintf(out, "    %s %s\n", o->name, value);
    }
    fprintf(out, "    User root\n");
    return 0;
}

/* The host key, before anybody asks for it. */
static int config_make_key(void)
{
    char path[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    int status = 0;
    if (program_find(PROGRAM_SSH_PROXY, NULL, path, &err) < 0)
        return cli_usage("%s", err.message);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(EXIT_BANGER);
        execl(path, "banger-ssh-proxy", "--make-key", (char *)NULL);
        _exit(EXIT_BANGER);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return cli_usage("no host key could be made");
    return 0;
}

static int config_write(const struct cli *cli, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    struct err err = ERR_INIT;
    FILE *out = open_memstream(&text, &len);
    int status = out ? config_print(cli, out) : cli_usage("out of memory");
    if (out)
        fclose(out);
    if (status == 0 && fs_write_atomic(path, text, len, 0600, &err) < 0)
        status = cli_usage("%s", err.message);
    free(text);
    return status;
}

/* ---- ssh's own file ---- */

static int ssh_own_file(char path[SSH_TEXT_BYTES], const struct ssh_config_options *o)
{
    char given[SSH_TEXT_BYTES];
    const struct passwd *user = getpwuid(getuid()); /* ssh asks that, not HOME */
    if (!o->file && !user)
        return cli_usage("this user has no home folder; --file names ssh's file");
    if (o->file)
        snprintf(given, sizeof(given), "%s", o->file);
    else
        snprintf(given, sizeof(given), "%s/.ssh/config", user->pw_dir);
    char *real = realpath(given, NULL); /* of a link, the file: it stays a link */
    snprintf(path, SSH_TEXT_BYTES, "%s", real ? real : given);
    free(real);
    return 0;
}

/* Writes text but for our line; with puts it first. Whether it was there before. */
static bool config_edit(FILE *out, const char *text, const char *line, bool with)
{
    size_t len = strlen(line);
    bool found = false;
    if (with)
        fprintf(out, "%s\n", line);
    while (*text) {
        size_t n = strcspn(text, "\n") + 1;
        n = n > strlen(text) ? strlen(text) : n;
        bool ours = strncmp(text, line, len) == 0 && (text[len] == '\n' || !text[len]);
        found |= ours;
        if (!ours)
            fwrite(text, 1, n, out);
        text += n;
    }
    return found;
}

static int config_include(const char *path, const char *line, bool with)
{
    struct stat st = {.st_mode = 0600};
    struct err err = ERR_INIT;
    char *old = NULL, *text = NULL;
    size_t len = 0;
    bool there = stat(path, &st) == 0;
    if (!there && (!with || errno != ENOENT))
        return with ? cli_usage("%s: %s", path, strerror(errno)) : 0;
    if (there && fs_read(path, CONFIG_BYTES_MAX, &old, NULL, &err) < 0)
        return cli_usage("%s", err.message);
    FILE *out = open_memstream(&text, &len);
    int status = out ? 0 : cli_usage("out of memory");
    bool found = out && config_edit(out, old ? old : "", line, with);
    if (out)
        fclose(out);
    if (status == 0 && found != with &&
        fs_write_atomic(path, text, len, st.st_mode & 0777, &err) < 0)
        status = cli_usage("%s", err.message);
    free(old);
    free(text);
    return status;
}

static int config_make_parent(const char *path)
{
    char folder[SSH_TEXT_BYTES];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return cli_usage("%s: %s", folder, strerror(errno));
    return 0;
}

/* ---- the command ---- */

static int ssh_config(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    const struct ssh_config_options *o = values;
    char ours[SSH_TEXT_BYTES], theirs[SSH_TEXT_BYTES], line[SSH_TEXT_BYTES + 16];
    if (o->install && o->remove)
        return cli_usage("ssh-config: either --install or --remove");
    if (!o->install && !o->remove) {
        int status = config_print(cli, stdout);
        return status ? status : cli_end_output(cli);
    }
    if (ssh_file(ours, "config") != 0 || ssh_own_file(theirs, o) != 0)
        return EXIT_BANGER;
    snprintf(line, sizeof(line), "Include \"%s\"", ours);
    if (o->remove) {
        int status = config_include(theirs, line, false);
        if (status == 0 && unlink(ours) < 0 && errno != ENOENT)
            status = cli_usage("%s: %s", ours, strerror(errno));
        return status ? status : cli_print_done(cli, "ssh_config", theirs, "removed");
    }
    if (config_make_key() != 0 || config_write(cli, ours) != 0 || config_make_parent(theirs) != 0 ||
        config_include(theirs, line, true) != 0)
        return EXIT_BANGER;
    return cli_print_done(cli, "ssh_config", theirs, "installed");
}

static const struct opt ssh_config_opts[] = {
    {"install", 0, OPT_FLAG, offsetof(struct ssh_config_options, install), NULL,
     "write it, and include it in ssh's configuration: one line, at its top", NULL, NAMES_NONE},
    {"remove", 0, OPT_FLAG, offsetof(struct ssh_config_options, remove), NULL,
     "take that line out again", NULL, NAMES_NONE},
    {"file", 0, OPT_STRING, offsetof(struct ssh_config_options, file), "FILE",
     "ssh's configuration (default ~/.ssh/config)", NULL, NAMES_FILE},
    {.name = NULL},
};

static const struct command ssh_config_row = {
    "",
    NULL,
    "",
    "let ssh, scp, sftp, rsync and git reach VMs by NAME.vm",
    "Prints what ssh has to be told, or installs it. VMs of a context are NAME.CONTEXT.vm.",
    ssh_config_opts,
    sizeof(struct ssh_config_options),
    0,
    0,
    false,
    NAMES_NONE,
    ssh_config};

static const struct command *const ssh_config_commands[] = {&ssh_config_row, NULL};

const struct noun ssh_config_noun = {"ssh-config", "VMs as hosts of ssh, scp, rsync, git",
                                     ssh_config_commands};
