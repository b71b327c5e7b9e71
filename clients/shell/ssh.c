/* vm ssh and ssh-proxy: OpenSSH's ssh with a server of ours at the other end of its pipe. */
#include "ssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <banger/remote.h>

#include "base/err.h"
#include "base/programs.h"
#include "nouns.h"
#include "vm.h"

enum { SSH_ARGS = 32 };

static const char vm_suffix[] = ".vm";

/* The pipe to the proxy is this user's alone, so there is nobody to prove anything to; the host key
 * is one of ours, and no other. */
const struct ssh_option ssh_options[] = {
    {"HostKeyAlias", "banger.vm"},
    {"UserKnownHostsFile", NULL},
    {"GlobalKnownHostsFile", "/dev/null"},
    {"StrictHostKeyChecking", "yes"},
    {"CheckHostIP", "no"},
    {"UpdateHostKeys", "no"},
    {"HostKeyAlgorithms", "ssh-ed25519"},
    {"PreferredAuthentications", "none"},
    {"Ciphers", "^aes128-gcm@openssh.com"},
    {NULL, NULL},
};

int ssh_file(char path[SSH_TEXT_BYTES], const char *name)
{
    char below[64];
    struct banger_error error;
    snprintf(below, sizeof(below), "ssh%s%s", *name ? "/" : "", name);
    if (banger_config_path(below, path, SSH_TEXT_BYTES, &error) < 0)
        return cli_fail(&error, "ssh");
    if (strpbrk(path, "\"\n'%$\\"))
        return cli_usage("%s: ssh cannot be told of a folder whose name has such characters", path);
    return 0;
}

const char *ssh_option_value(const struct ssh_option *option, char text[SSH_TEXT_BYTES])
{
    char path[SSH_TEXT_BYTES];
    if (option->value)
        return option->value;
    if (ssh_file(path, "known_hosts") != 0)
        return NULL;
    snprintf(text, SSH_TEXT_BYTES, "\"%.*s\"", SSH_TEXT_BYTES - 3, path);
    return text;
}

/* One word of a shell's, in which ssh expands nothing. False: it does not fit. */
static bool ssh_quote(char *text, size_t *n, const char *word)
{
    bool fits = true;
    text[(*n)++] = '\'';
    for (; *word && (fits = *n + 8 < SSH_TEXT_BYTES); word++) {
        if (*word == '\'') {
            memcpy(text + *n, "'\\''", 4);
            *n += 4;
            continue;
        }
        if (*word == '%')
            text[(*n)++] = '%';
        text[(*n)++] = *word;
    }
    text[(*n)++] = '\'';
    text[(*n)++] = ' ';
    text[*n] = '\0';
    return fits;
}

int ssh_proxy_command(const struct cli *cli, const char *name, char text[SSH_TEXT_BYTES])
{
    char self[PROGRAM_PATH_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len < 0)
        return cli_usage("find this program: %s", strerror(errno)), -1;
    self[len] = '\0';
    const char *words[] = {self,
                           cli->options.context ? "--context" : NULL,
                           cli->options.context,
                           cli->options.socket ? "--socket" : NULL,
                           cli->options.socket,
                           "ssh-proxy"};
    size_t n = 0;
    bool fits = true;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words) && fits; i++)
        fits = !words[i] || ssh_quote(text, &n, words[i]);
    if (!fits || n + strlen(name) + 3 > SSH_TEXT_BYTES)
        return cli_usage("the command for ssh is too long"), -1;
    return (int)n + snprintf(text + n, SSH_TEXT_BYTES - n, "'%s'", name);
}

/* ---- ssh-proxy ---- */

static bool ssh_is_context(const char *name)
{
    struct banger_context *list = NULL;
    size_t n = 0;
    bool found = strcmp(name, "local") == 0;
    if (!found && banger_context_list(&list, &n, NULL) == 0)
        for (size_t i = 0; i < n; i++)
            found |= strcmp(list[i].name, name) == 0;
    free(list);
    return found;
}

/* "NAME.vm", "NAME.CONTEXT.vm", or a VM's reference as it is: cut to the VM's in place. */
static void ssh_read_name(struct cli *cli, char *name)
{
    size_t len = strlen(name), suffix = strlen(vm_suffix);
    if (len <= suffix || strcmp(name + len - suffix, vm_suffix) != 0)
        return;
    name[len - suffix] = '\0';
    /* Both may have dots in their names. */
    for (char *dot = strchr(name, '.'); dot && !cli->options.context; dot = strchr(dot + 1, '.')) {
        if (dot == name || !ssh_is_context(dot + 1))
            continue;
        *dot = '\0';
        cli->options.context = dot + 1;
    }
}

static int ssh_proxy_run(char *const *argv)
{
    char path[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    if (program_find(PROGRAM_SSH_PROXY, NULL, path, &err) < 0)
        return cli_usage("%s", err.message);
    execv(path, argv);
    return cli_usage("%s: %s", path, strerror(errno));
}

static int ssh_proxy(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    char target[CLI_TARGET_BYTES];
    struct banger_error error;
    ssh_read_name(cli, args->refs[0]);
    if (cli_where(cli, target, &error) < 0)
        return cli_fail(&error, "no daemon");
    if (!target[0] && cli_connect(cli) < 0) /* which starts it */
        return EXIT_BANGER;
    banger_close(cli->client);
    cli->client = NULL;
    return ssh_proxy_run((char *[]){(char *)"banger-ssh-proxy", target, args->refs[0], NULL});
}

static const struct command ssh_proxy_command_row = {
    "",
    NULL,
    "NAME",
    "what ssh is told to reach VMs by (ssh-config)",
    "Speaks SSH on standard input and output, for NAME.vm, NAME.CONTEXT.vm, or a VM.",
    NULL,
    0,
    1,
    1,
    false,
    NAMES_VM,
    ssh_proxy};

static const struct command *const ssh_proxy_commands[] = {&ssh_proxy_command_row, NULL};

const struct noun ssh_proxy_noun = {"ssh-proxy", "an SSH server in front of a VM, for ssh",
                                    ssh_proxy_commands};

/* ---- vm ssh ---- */

struct ssh_values {
    const char *user;
    struct opt_list options;
    bool tty;
};

/* argv of ssh: grows by two words for each option. */
struct ssh_line {
    char *argv[SSH_ARGS + 2];
    char texts[SSH_ARGS][SSH_TEXT_BYTES + 64];
    int n, n_texts;
};

static bool ssh_add_option(struct ssh_line *line, const char *name, const char *value)
{
    if (line->n_texts == SSH_ARGS / 2)
        return false;
    char *text = line->texts[line->n_texts++];
    snprintf(text, sizeof(line->texts[0]), "%s%s%s", name, value ? "=" : "", value ? value : "");
    line->argv[line->n++] = (char *)"-o";
    line->argv[line->n++] = text;
    return true;
}

static int ssh_fill(struct cli *cli, struct ssh_line *line, const struct ssh_values *v,
                    const char *vm)
{
    char text[SSH_TEXT_BYTES];
    bool fits = true;
    line->argv[line->n++] = (char *)"ssh";
    for (size_t i = 0; i < v->options.n; i++)
        fits = fits && ssh_add_option(line, v->options.items[i], NULL);
    if (ssh_proxy_command(cli, vm, text) < 0)
        return EXIT_BANGER;
    fits = fits && ssh_add_option(line, "ProxyCommand", text);
    for (const struct ssh_option *o = ssh_options; o->name; o++) {
        const char *value = ssh_option_value(o, text);
        if (!value)
            return EXIT_BANGER;
        fits = fits && ssh_add_option(line, o->name, value);
    }
    fits = fits && ssh_add_option(line, "User", v->user ? v->user : "root");
    if (v->tty)
        line->argv[line->n++] = (char *)"-t";
    return fits ? 0 : cli_usage("--option: too many of them");
}

static int vm_ssh(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct ssh_values *v = values;
    char host[300];
    if (strlen(args->refs[0]) > 200 || strpbrk(args->refs[0], "'\"%$\\ \n-") == args->refs[0])
        return cli_usage("\"%.60s\" names no VM", args->refs[0]);
    struct ssh_line *line = calloc(1, sizeof(*line));
    char **argv = calloc((size_t)args->n_rest + SSH_ARGS + 8, sizeof(*argv));
    snprintf(host, sizeof(host), "%s%s", args->refs[0], vm_suffix);
    if (!line || !argv) {
        free(line);
        free(argv);
        return cli_usage("out of memory");
    }
    int status = ssh_fill(cli, line, v, args->refs[0]), n = line->n;
    if (status == 0) {
        memcpy(argv, line->argv, (size_t)n * sizeof(*argv));
        argv[n++] = (char *)"--";
        argv[n++] = host;
        for (int i = 0; i < args->n_rest; i++)
            argv[n++] = args->rest[i];
        execvp("ssh", argv);
        status = cli_fail_with(EXIT_BANGER, "NO_SSH", "ssh: %s%s", strerror(errno),
                               errno == ENOENT ? "; OpenSSH's client is what this runs" : "");
    }
    free(line);
    free(argv);
    return status;
}

static const struct opt ssh_opts[] = {
    {"user", 'u', OPT_STRING, offsetof(struct ssh_values, user), "USER",
     "user of the guest (default root)", NULL, NAMES_NONE},
    {"tty", 't', OPT_FLAG, offsetof(struct ssh_values, tty), NULL, "a terminal, also for a command",
     NULL, NAMES_NONE},
    {"option", 0, OPT_LIST, offsetof(struct ssh_values, options), "OPTION",
     "an option of ssh's, as for its -o; may be repeated", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_ssh_command = {
    "ssh",
    NULL,
    "VM [--] [COMMAND...]",
    "log in, or run a command, by the system's ssh",
    "The guest needs no SSH server, and no key is asked for: who may do what is the daemon's to\n"
    "say. \"banger ssh-config --install\" lets ssh, scp, sftp, rsync and git do the same by "
    "NAME.vm.",
    ssh_opts,
    sizeof(struct ssh_values),
    1,
    1,
    true,
    NAMES_VM,
    vm_ssh};
