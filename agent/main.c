/* banger-agent: what a guest runs for bangerd.
 *
 *   /init                       process 1 of our initramfs: boots the guest (boot.h)
 *   banger-agent --port DEV     beside an init system, on a virtio-serial port ("agent": by name)
 *   banger-agent --listen PATH  on the host, for tests and the sim driver
 *   banger-agent --connect-fd N the same on an inherited socket; ends with it
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/spawn.h"
#include "agent/system.h"
#include "base/log.h"
#include "base/std_fds.h"

struct options {
    const char *port, *listen_path, *spool;
    uint64_t ended_most;
    int connect_fd;
    bool no_system;
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},       {"listen", required_argument, NULL, 'l'},
    {"connect-fd", required_argument, NULL, 'c'}, {"spool", required_argument, NULL, 's'},
    {"keep-ended", required_argument, NULL, 'k'}, {"no-system", no_argument, NULL, 'n'},
    {"version", no_argument, NULL, 'v'},          {NULL, 0, NULL, 0},
};

static int usage(const char *why)
{
    fprintf(stderr,
            "banger-agent: %s\n"
            "usage: banger-agent (--port DEVICE|agent | --listen PATH | --connect-fd N)\n"
            "                    [--spool DIR] [--keep-ended BYTES] [--no-system]\n",
            why);
    return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.connect_fd = -1};
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'p':
            o->port = optarg;
            break;
        case 'l':
            o->listen_path = optarg;
            break;
        case 'c':
            o->connect_fd = atoi(optarg);
            break;
        case 's':
            o->spool = optarg;
            break;
        case 'k':
            o->ended_most = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            o->no_system = true;
            break;
        case 'v':
            puts(AGENT_VERSION);
            exit(0);
        default:
            return usage("unknown option");
        }
    }
    int ways = !!o->port + !!o->listen_path + (o->connect_fd >= 0);
    return ways == 1 && optind == argc ? 0 : usage("one of --port, --listen, --connect-fd");
}

static int open_link(struct agent *agent, const struct options *o)
{
    if (o->listen_path)
        return link_use_listener(&agent->link, o->listen_path);
    if (o->connect_fd >= 0)
        return link_use_socket(&agent->link, o->connect_fd);
    link_use_port(&agent->link, strcmp(o->port, "agent") == 0 ? NULL : o->port);
    return 0;
}

static struct agent agent; /* some kilobytes: not on the stack of process 1 */

int main(int argc, char **argv)
{
    std_fds_open();
    if (getpid() == 1)
        return boot_run(&agent);
    struct options o;
    int wrong = parse(argc, argv, &o);
    if (wrong)
        return wrong;
    spawn_protect_self(!o.no_system);
    if (agent_init(&agent, o.no_system ? NULL : &system_guest) < 0 ||
        agent_watch_signals(&agent) < 0 || open_link(&agent, &o) < 0) {
        log_error("agent", "cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    if (o.ended_most)
        agent.sessions.pool.ended_most = o.ended_most;
    if (o.spool && spool_pool_use(&agent.sessions.pool, o.spool) < 0)
        log_warn("agent", "output stays in memory: %s: %s", o.spool, strerror(errno));
    if (!o.no_system)
        system_prepare(&agent, o.spool != NULL);
    agent_set_root(&agent, "");
    while (agent_round(&agent, -1))
        continue;
    agent_done(&agent);
    return EXIT_SUCCESS;
}
