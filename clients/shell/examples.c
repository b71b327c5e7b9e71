/* See examples.h. */
#include "examples.h"

#include <stdbool.h>
#include <string.h>

#include "cli.h"

const struct example example_table[] = {
    {NULL, NULL, "banger vm run --rm -- cat /etc/os-release",
     "boot a VM, run a command, delete the VM"},
    {NULL, NULL, "banger vm run --name box -d", "boot a VM and leave it running"},
    {NULL, NULL, "banger vm exec box -- uname -a", "run a command in it"},
    {"vm", "run", "banger vm run --rm -- cat /etc/os-release",
     "boot a VM, run a command, delete the VM"},
    {"vm", "run", "echo hi | banger vm run --rm -- tr a-z A-Z",
     "standard input and output are the command's"},
    {"vm", "run", "banger vm run --name box -m 1G -c 2 -d", "boot a VM and leave it running"},
    {"vm", "exec", "banger vm exec -e LANG=C -w /tmp box -- make -j 2",
     "with a variable, in a folder"},
    {"vm", "exec", "banger vm exec box", "log in, on a terminal"},
    {"vm", "exec", "banger vm exec -t box -- top", "a command that wants a terminal"},
    {"vm", "create", "banger vm create box --label env=ci --expire 2h",
     "a VM that is gone in two hours"},
    {"vm", "list", "banger vm list --filter labels.env=ci --since 1h",
     "those with a label, made within the hour"},
    {"vm", "list", "banger vm list --format '{name} {runtime.state}'", "a line of one's own"},
    {"vm", "show", "banger vm show box -o json", "all there is to know, for a program"},
    {"vm", "start", "banger vm start box", "boot it again"},
    {"vm", "stop", "banger vm stop box other", "two of them, side by side"},
    {"vm", "restart", "banger vm restart box",
     "what vm update left for the next boot takes effect"},
    {"vm", "kill", "banger vm kill box", "where stop does not end it"},
    {"vm", "delete", "banger vm delete box", "stop it if it runs, remove all of it"},
    {"vm", "pause", "banger vm pause box", "keep all as it is, without processor time"},
    {"vm", "resume", "banger vm resume box", "go on"},
    {"vm", "recover", "banger vm recover box", "where vm list says unknown"},
    {"vm", "update", "banger vm update box --restart on-failure --autostart on",
     "from now on it comes back by itself"},
    {"vm", "logs", "banger vm logs -f -n 20 box", "follow its console"},
    {"vm", "handles", "banger vm handles box", "process ids, sockets, files"},
    {"vm", "health", "banger vm health box && echo it answers", "for scripts: 1 where it does not"},
    {"vm", "stats", "banger vm stats -f", "look at all that run, again and again"},
    {"vm", "wait", "banger vm wait --until stopped box --timeout 5m", "give up after five minutes"},
    {"vm", "prune", "banger vm prune --dry-run", "only say what would be deleted"},
    {"session", "start",
     "banger session start box --name job -- sh -c 'for i in 1 2 3; do date; sleep 1; done'",
     "it runs on by itself"},
    {"session", "list", "banger session list --running", "what has not ended"},
    {"session", "show", "banger session show job", "how it is, and how it ended"},
    {"session", "attach", "banger session attach job", "all of its output, then what comes"},
    {"session", "logs", "banger session logs job", "what it has written so far"},
    {"session", "wait", "banger session wait job", "end with its exit status"},
    {"session", "stop", "banger session stop job", "TERM, and KILL where that does not end it"},
    {"session", "kill", "banger session kill job", "with all that it has started"},
    {"session", "signal", "banger session signal job HUP", "to its process group"},
    {"session", "send", "echo more | banger session send job", "to a command that still reads"},
    {"session", "delete", "banger session delete job", "its record and its output"},
    {"image", "build", "banger image build", "the default image"},
    {"image", "build", "banger image build tools --package git --package make --size 4G",
     "with two more packages"},
    {"image", "import", "banger image import --name mine disk.qcow2", "a root filesystem's file"},
    {"image", "list", "banger image list -q", "ids, for scripts"},
    {"image", "show", "banger image show debian-bookworm", "system, size, digest"},
    {"image", "delete", "banger image delete mine", "one that no VM uses"},
    {"kernel", "pull", "banger kernel pull", "the distribution's, as it is now"},
    {"kernel", "import",
     "banger kernel import --modules /lib/modules/6.1.0-1-amd64 /boot/vmlinuz-6.1.0-1-amd64",
     "a kernel of this machine"},
    {"kernel", "list", "banger kernel list", "which there are"},
    {"kernel", "show", "banger kernel show 426wdpepv8tw7tfc", "by the beginning of its id, too"},
    {"operation", "list", "banger operation list vm/box", "what was done to a VM"},
    {"operation", "show", "banger operation show jcdyy766wf1bvw45", "stages, and why it failed"},
    {"operation", "watch", "banger operation watch jcdyy766wf1bvw45", "ends with it"},
    {"operation", "cancel", "banger operation cancel jcdyy766wf1bvw45", "undo what it did so far"},
    {"event", "list", "banger event list vm/box -n 20", "the latest of a VM's"},
    {"event", "watch", "banger event watch -k vm.state", "VMs that start, stop and fail"},
    {"host", "connections", "banger host connections", "who, from where, since when"},
    {"host", "kick", "banger host kick 17", "the one of that number in connections"},
    {"host", "recover", "banger host recover --dry-run", "what the database does not have"},
    {"auth", "init", "banger auth init --listen 0.0.0.0:7443", "serve other hosts"},
    {"auth", "token", "banger auth token create alice --role operator", "let alice enroll, once"},
    {"auth", "enroll", "banger auth enroll box.example.org:7443", "asks for the token"},
    {"auth", "list", "banger auth list", "names, roles, certificates"},
    {"auth", "revoke", "banger auth revoke alice", "now, and what alice has open is cut"},
    {"auth", "rotate", "banger auth rotate box", "before ours ends"},
    {"auth", "audit", "banger auth audit --principal alice --since 1h", "what alice did"},
    {"context", "add",
     "banger context add box 192.0.2.1:7443 --ca ca.pem --certificate me.pem --key me.key",
     "with files of somebody else's making"},
    {"context", "use", "banger context use box", "commands go to that daemon from now on"},
    {"context", "remove", "banger context remove box", "its keys, too"},
    {"call", "", "banger call GetVM '{\"vm\": \"box\"}'", "a call and its answer"},
    {"call", "", "banger call GetVM --help", "what it takes and gives"},
    {"call", "", "banger call WatchEvents", "a stream: a document a line"},
    {"completion", "", "source <(banger completion bash)", "for this shell, bash or zsh"},
    {"completion", "", "banger completion fish | source", "the same for fish"},
    {"manual", "", "banger manual vm | man -l -", "read it where it is not installed"},
    {.line = NULL},
};

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

const struct example *example_next(const struct noun *noun, const struct command *command,
                                   const struct example *after)
{
    for (const struct example *e = after ? after + 1 : example_table; e->line; e++)
        if (same(e->noun, noun ? noun->name : NULL) &&
            same(e->command, command ? command->name : NULL))
            return e;
    return NULL;
}
