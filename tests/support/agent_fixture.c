/* An agent for tests; see agent_fixture.h. */
#include "tests/support/agent_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/spawn.h"

enum { MAX_LIVE = 64 }; /* what a test can start */

static char folder[] = "/tmp/banger-agent-XXXXXX";
static char path[64];
static pid_t child;               /* the keeper */
static volatile pid_t *agent_pid; /* shared with it */
uint64_t fixture_ended_most;

static _Noreturn void run_agent(void)
{
    static struct agent agent;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    spawn_protect_self(false);
    if (agent_init(&agent, NULL, NULL) < 0 || agent_get_keeper(&agent, NULL) < 0)
        exit(9);
    *agent_pid = getpid();
    if (agent_watch_signals(&agent) < 0 || link_use_listener(&agent.link, path) < 0 ||
        spool_pool_use(&agent.sessions.pool, folder) < 0)
        exit(9);
    if (fixture_ended_most)
        agent.sessions.pool.ended_most = fixture_ended_most;
    agent.sessions.max_live = MAX_LIVE;
    agent_set_root(&agent, "");
    exit(agent_run(&agent));
}

int fixture_start(void)
{
    agent_pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (agent_pid == MAP_FAILED || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/agent.sock", folder);
    child = fork();
    if (child == 0)
        run_agent();
    return child > 0 ? 0 : -1;
}

pid_t fixture_pid(void)
{
    return *agent_pid;
}

const char *fixture_path(void)
{
    return path;
}

int fixture_stop(void)
{
    int status = 0;
    kill(child, SIGTERM);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    rmdir(folder);
    return WEXITSTATUS(status);
}
