/* banger-agent: what a guest runs for bangerd.
 *
 *   /init                       process 1 of our initramfs: boots the guest (boot.h)
 *   banger-agent --port DEV     beside an init system, on a virtio-serial port ("agent": by name)
 *   banger-agent --vsock PORT   the same, on a port of the guest's vsock
 *   banger-agent --listen PATH  on the host, for tests and the sim driver
 *   banger-agent --connect-fd N the same on an inherited socket; ends with it
 *   banger-agent --tool NAME …  one of its tools (tool.h), as the agent starts it
 *   banger-agent --relay PATH   not the agent: leads to the one that listens at PATH (relay.h)
 *
 * --of-machine: what it runs in is its daemon's VM, which it may tell to power off, by its init.
 *
 * What is started is the keeper (keeper.h), and the agent its child: --kept is between the two. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/keeper.h"
#include "agent/relay.h"
#include "agent/spawn.h"
#include "agent/system.h"
#include "agent/tool.h"
#include "base/err.h"
#include "base/log.h"
#include "base/std_fds.h"

struct options {
    const char *port, *vsock, *listen_path, *relay_path, *spool;
    uint64_t ended_most;
    int connect_fd;
    int store_fd, keeper_fd; /* -1: we are to be the keeper */
    bool no_system;
    bool of_machine;
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},   {"vsock", required_argument, NULL, 'V'},
    {"listen", required_argument, NULL, 'l'}, {"connect-fd", required_argument, NULL, 'c'},
    {"spool", required_argument, NULL, 's'},  {"keep-ended", required_argument, NULL, 'k'},
    {"no-system", no_argument, NULL, 'n'},    {"of-machine", no_argument, NULL, 'm'},
    {"kept", required_argument, NULL, 'K'},   {"relay", required_argument, NULL, 'r'},
    {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0},
};

static int usage(const char *why)
{
    fprintf(
        stderr,
        "banger-agent: %s\n"
        "usage: banger-agent (--port DEVICE|agent | --vsock PORT | --listen PATH | --connect-fd N "
        "| --relay PATH)\n"
        "                    [--spool DIR] [--keep-ended BYTES] [--no-system] [--of-machine]\n",
        why);
    return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.connect_fd = -1, .store_fd = -1, .keeper_fd = -1};
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'p':
            o->port = optarg;
            break;
        case 'V':
            o->vsock = optarg;
            break;
        case 'l':
            o->listen_path = optarg;
            break;
        case 'c':
            o->connect_fd = atoi(optarg);
            break;
        case 'r':
            o->relay_path = optarg;
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
        case 'm':
            o->of_machine = true;
            break;
        case 'K':
            if (sscanf(optarg, "%d,%d", &o->store_fd, &o->keeper_fd) != 2)
                return usage("--kept is the keeper's");
            break;
        case 'v':
            puts(AGENT_VERSION);
            exit(0);
        default:
            return usage("unknown option");
        }
    }
    int ways = !!o->port + !!o->vsock + !!o->listen_path + !!o->relay_path + (o->connect_fd >= 0);
    return ways == 1 && optind == argc
               ? 0
               : usage("one of --port, --vsock, --listen, --connect-fd, --relay");
}

static int open_link(struct agent *agent, const struct options *o)
{
    if (o->listen_path)
        return link_use_listener(&agent->link, o->listen_path);
    if (o->connect_fd >= 0)
        return link_use_socket(&agent->link, o->connect_fd);
    if (o->vsock)
        link_use_vsock(&agent->link, (uint32_t)strtoul(o->vsock, NULL, 10));
    else
        link_use_port(&agent->link, strcmp(o->port, "agent") == 0 ? NULL : o->port);
    return 0;
}

static struct agent agent; /* some kilobytes: not on the stack of process 1 */

/* What an earlier agent has left. One that cannot be read costs its sessions, and says so. */
static void open_store(const struct options *o, struct store *store)
{
    struct err err = ERR_INIT;
    if (store_open(store, o->store_fd, o->keeper_fd, &err) == 0)
        return;
    log_error("agent", "all sessions are lost: %s", err.message);
    store_reset(store);
}

static int open_agent(const struct options *o)
{
    struct store store;
    open_store(o, &store);
    const struct agent_slot *k = store_slot(&store, STORE_AGENT);
    if (agent_init(&agent, o->no_system ? NULL : &system_guest, &store) < 0 ||
        agent_watch_signals(&agent) < 0 || open_link(&agent, o) < 0)
        return -1;
    if (o->of_machine)
        agent.k->machine.has_init = true;
    if (o->ended_most)
        agent.sessions.pool.ended_most = o->ended_most;
    const char *spool = o->spool ? o->spool : k->machine.work_mount;
    if (*spool && spool_pool_want(&agent.sessions.pool, spool) < 0)
        log_warn("agent", "output stays in memory for now: %s: %s", spool, strerror(errno));
    if (!o->no_system)
        system_prepare(&agent, *spool != '\0');
    return 0;
}

int main(int argc, char **argv)
{
    std_fds_open();
    if (getpid() == 1)
        return boot_run(&agent);
    if (argc > 2 && strcmp(argv[1], "--tool") == 0)
        return tool_run(argc - 2, argv + 2);
    struct options o;
    int wrong = parse(argc, argv, &o);
    if (wrong)
        return wrong;
    if (o.relay_path)
        return relay_stdio_run(o.relay_path, o.spool, o.no_system, o.of_machine);
    spawn_protect_self(!o.no_system);
    if (o.store_fd < 0)
        return keeper_run(argv);
    prctl(PR_SET_NAME, "banger-agent");
    if (open_agent(&o) < 0) {
        log_error("agent", "cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    agent_adopt(&agent);
    agent_set_root(&agent, agent.k->boot_error);
    return agent_run(&agent);
}
