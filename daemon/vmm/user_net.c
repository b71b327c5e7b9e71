/* Starting passt for a guest; see user_net.h. */
#include "daemon/vmm/user_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/programs.h"
#include "daemon/host/run.h"
#include "daemon/vmm/net/net_counts.h"
#include "daemon/vmm/probe.h"
#include "daemon/vmm/vmm.h"

enum { USER_NET_START_MS = 10000 };

static const char reason[] = "NETWORK_UNAVAILABLE";

/* Both programs, or ERR_PRECONDITION: the host's administrator can change that. */
static int user_net_find(const struct vmm_host *host, char net[PROGRAM_PATH_BYTES],
                         char passt[PATH_BYTES], struct err *err)
{
    struct err why = ERR_INIT;
    if (host->net_path)
        snprintf(net, PROGRAM_PATH_BYTES, "%s", host->net_path);
    if (probe_find_program(host->passt_path, "passt", "apt install passt", reason, passt, &why) ==
            0 &&
        (host->net_path || program_find(PROGRAM_NET, NULL, net, &why) == 0))
        return 0;
    err_set(err, ERR_PRECONDITION,
            "no way for guests to reach the network: %.300s (a VM without a network can do "
            "without; user_network: slirp takes qemu's own, which opens the host's loopback to "
            "guests)",
            why.message);
    return err_tag(err, reason, NULL);
}

/* What is said last is why: by banger-net, under its name, or by passt. */
static int user_net_refuse(struct run_result *r, struct err *err)
{
    while (r->out_len > 0 && r->out[r->out_len - 1] == '\n')
        r->out[--r->out_len] = '\0';
    const char *tail = r->out_len > 300 ? r->out + r->out_len - 300 : r->out;
    if (r->signo)
        err_set(err, ERR_PRECONDITION, "banger-net was ended by signal %d: %s", r->signo, tail);
    else if (strncmp(tail, "banger-net: ", strlen("banger-net: ")) == 0)
        err_set(err, ERR_PRECONDITION, "no way out for its guest: %s", tail);
    else
        err_set(err, ERR_PRECONDITION, "passt does not start (code %d): %s", r->code, tail);
    return err_tag(err, reason, NULL);
}

/* banger-net's arguments; texts has room for those of the list. */
struct user_net_args {
    const char *argv[4 + EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES + 1];
    char texts[EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES][EGRESS_TEXT_BYTES];
    char counts[PATH_BYTES];
    char names[EGRESS_NAMES_MAX][EGRESS_NAME_TEXT_BYTES];
};

static void user_net_fill(struct user_net_args *a, const char *net, const char *passt,
                          const struct vmm_nic *nic)
{
    size_t n = 0;
    a->argv[n++] = net;
    a->argv[n++] = passt;
    a->argv[n++] = a->counts;
    a->argv[n++] = nic->egress == EGRESS_NONE   ? "none"
                   : nic->egress == EGRESS_LIST ? "list"
                                                : "all";
    const struct vmm_allow *allow = nic->egress == EGRESS_LIST ? nic->allow : NULL;
    for (uint32_t i = 0; allow && i < allow->list.n; i++) {
        egress_entry_text(&allow->list.at[i], a->texts[i]);
        a->argv[n++] = a->texts[i];
    }
    for (uint32_t i = 0; allow && i < allow->names.n; i++) {
        egress_name_text(&allow->names.at[i], a->names[i]);
        a->argv[n++] = a->names[i];
    }
    a->argv[n] = NULL;
}

static void user_net_counts_path(const struct vmm_config *c, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/" NET_COUNTS_FILE, c->vm_dir);
}

int user_net_start(const struct vmm_host *host, const struct vmm_config *c, int cancel_fd, int *fd,
                   struct err *err)
{
    char net[PROGRAM_PATH_BYTES], passt[PATH_BYTES];
    int ends[2];
    if (user_net_find(host, net, passt, err) < 0)
        return -1;
    auto_free struct run_result *r = malloc(sizeof(*r));
    if (!r || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(err, r ? errno : ENOMEM, "cannot start %s", net);
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    struct user_net_args args;
    user_net_counts_path(c, args.counts);
    user_net_fill(&args, net, passt, &c->nics[0]);
    if (run_program_on(args.argv, theirs, USER_NET_START_MS, cancel_fd, r, err) < 0)
        return -1;
    if (r->code != 0)
        return user_net_refuse(r, err);
    *fd = take_fd(&ours);
    return 0;
}

void user_net_clean(const struct vmm_config *c)
{
    char path[PATH_BYTES];
    user_net_counts_path(c, path);
    unlink(path);
}

bool user_net_explain(const struct vmm_host *host, char text[TEXT_BYTES])
{
    struct err err = ERR_INIT;
    char net[PROGRAM_PATH_BYTES], passt[PATH_BYTES];
    if (host->slirp)
        snprintf(
            text, TEXT_BYTES,
            "user_network is slirp: guests reach what listens on this host's loopback; egress: "
            "all or none, but no list");
    else if (user_net_find(host, net, passt, &err) < 0)
        snprintf(text, TEXT_BYTES, "%s", err.message);
    else
        snprintf(text, TEXT_BYTES,
                 "%s: guests reach neither this host nor link-local addresses; egress: all, "
                 "none, or a list of addresses and names",
                 passt);
    return !host->slirp && err.code == ERR_NONE;
}
