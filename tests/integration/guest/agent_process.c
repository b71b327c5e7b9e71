/* See agent_process.h. */
#include "tests/integration/guest/agent_process.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"

extern char **environ;

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void spawn_agent(struct agent_process *p)
{
    char spool[96];
    snprintf(spool, sizeof(spool), "%s/spool", p->dir);
    mkdir(spool, 0700);
    char *argv[] = {(char[]){TEST_AGENT},
                    (char[]){"--listen"},
                    p->socket,
                    (char[]){"--spool"},
                    spool,
                    (char[]){"--no-system"},
                    NULL};
    if (posix_spawn(&p->pid, TEST_AGENT, NULL, NULL, argv, environ) != 0)
        fail(TEST_AGENT);
}

void agent_process_start(struct agent_process *p)
{
    strcpy(p->dir, "/tmp/banger-test-XXXXXX");
    if (!mkdtemp(p->dir))
        fail("mkdtemp");
    snprintf(p->socket, sizeof(p->socket), "%s/agent.sock", p->dir);
    spawn_agent(p);
}

static void end_agent(const struct agent_process *p, int signo)
{
    kill(p->pid, signo);
    waitpid(p->pid, NULL, 0);
}

void agent_process_restart(struct agent_process *p)
{
    end_agent(p, SIGKILL);
    spawn_agent(p);
}

void agent_process_stop(struct agent_process *p)
{
    end_agent(p, SIGTERM);
    fs_remove_tree(p->dir, NULL);
}
