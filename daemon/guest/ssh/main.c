/* banger-ssh: see ssh.h. Started by the daemon alone. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/utf8.h"
#include "daemon/guest/ssh/ssh.h"

enum { MEMORY_BYTES = 96 << 20 }; /* the agent's file is 64 MiB at most */

static const struct option long_options[] = {
    {"user", required_argument, NULL, 'u'},
    {"key", required_argument, NULL, 'k'},
    {"host-key", required_argument, NULL, 'h'},
    {"agent", required_argument, NULL, 'a'},
    {"folder", required_argument, NULL, 'f'},
    {"no-system", no_argument, NULL, 'n'},
    {NULL, 0, NULL, 0},
};

static bool parse(int argc, char **argv, struct ssh_options *o)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'u':
            o->user = optarg;
            break;
        case 'k':
            o->key = optarg;
            break;
        case 'h':
            o->host_key = optarg;
            break;
        case 'a':
            o->agent = optarg;
            break;
        case 'f':
            o->folder = optarg;
            break;
        case 'n':
            o->no_system = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->user && o->key && o->host_key && o->agent && o->folder;
}

/* On one line: what is in it may be the guest's. */
static void say(const char *word, const char *text)
{
    char line[sizeof(((struct err *)0)->message) + 16];
    int n = snprintf(line, sizeof(line) - 1, "%s%s%s", word, *text ? " " : "", text);
    size_t len = n < (int)sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    utf8_mend(line);
    len = strlen(line);
    line[len++] = '\n';
    (void)!send(SSH_DAEMON_FD, line, len, MSG_NOSIGNAL);
}

/* libssh keeps what the server sends: a packet of SFTP of up to 256 MiB, and whatever comes beyond
 * a channel's window. Sanitizers have far more of memory than they use, and one counts that itself.
 */
#if defined(__has_feature)
#define BUILT_WITH(sanitizer) __has_feature(sanitizer##_sanitizer)
#else
#define BUILT_WITH(sanitizer) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || BUILT_WITH(address)
const char *__asan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */
const char *__asan_default_options(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return "quarantine_size_mb=8:hard_rss_limit_mb=128";
}
static void limit_memory(void)
{
}
#elif defined(__SANITIZE_THREAD__) || BUILT_WITH(thread)
static void limit_memory(void)
{
}
#else
static void limit_memory(void)
{
    const struct rlimit most = {.rlim_cur = MEMORY_BYTES, .rlim_max = MEMORY_BYTES};
    setrlimit(RLIMIT_DATA, &most);
}
#endif

static ssh_channel reach(ssh_session session, const struct ssh_options *o,
                         char host_key[SSH_PRINT_BYTES], struct err *err)
{
    char command[SSH_COMMAND_BYTES];
    if (ssh_meet(session, o, host_key, err) < 0 || ssh_login(session, o, err) < 0 ||
        ssh_install(session, o, command, err) < 0)
        return NULL;
    return ssh_relay(session, command, err);
}

int main(int argc, char **argv)
{
    struct ssh_options o = {0};
    struct err err = ERR_INIT;
    char host_key[SSH_PRINT_BYTES] = "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0); /* a private key is in its memory */
    signal(SIGPIPE, SIG_IGN);
    limit_memory();
    if (dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDERR_FILENO) < 0 || /* it was the channel */
        !parse(argc, argv, &o)) {
        say("ERR", "banger-ssh is started by bangerd");
        return 2;
    }
    ssh_session session = ssh_new();
    ssh_channel channel = session ? reach(session, &o, host_key, &err) : NULL;
    if (!channel) {
        if (err.code == ERR_UNAUTHENTICATED)
            say("CHANGED", host_key);
        else
            say("ERR", err.code ? err.message : "out of memory");
        return EXIT_FAILURE;
    }
    say("OK", host_key);
    ssh_pass(session, channel);
    return EXIT_SUCCESS; /* its connection goes with it */
}
