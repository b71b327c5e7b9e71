/* The vm noun's commands live in several files; its table is in vm.c. */
#ifndef BANGER_SHELL_VM_H
#define BANGER_SHELL_VM_H

#include "cli.h"

/* What `vm create` and `vm run` have in common. */
struct vm_spec_options {
    const char *name, *image, *kernel, *driver, *net, *restart, *storage, *stop_hook;
    const char *ssh_user, *ssh_key, *kernel_arguments;
    struct opt_number cpus, memory, disk, work_disk, expire, idle_stop, stop_hook_limit, ssh_port;
    struct opt_number memory_max, cpu_quota, tasks_max;
    struct opt_list labels, publish, egress;
    bool no_init, ephemeral, autostart, isolated, nat;
};

/* Rows for a table whose struct begins with a struct vm_spec_options. */
#define VM_SPEC_OPTS                                                                               \
    {"name",     0,                                                                                \
     OPT_STRING, offsetof(struct vm_spec_options, name),                                           \
     "NAME",     "name of the VM (default: one is made up)",                                       \
     NULL,       NAMES_NONE},                                                                      \
        {"image",    0,                                                                            \
         OPT_STRING, offsetof(struct vm_spec_options, image),                                      \
         "IMAGE",    "root filesystem (default: the default image)",                               \
         NULL,       NAMES_IMAGE},                                                                 \
        {"kernel",   0,                                                                            \
         OPT_STRING, offsetof(struct vm_spec_options, kernel),                                     \
         "KERNEL",   "kernel (default: the image's)",                                              \
         NULL,       NAMES_KERNEL},                                                                \
        {"cpus",    'c',                                                                           \
         OPT_COUNT, offsetof(struct vm_spec_options, cpus),                                        \
         "N",       "virtual CPUs (default 1)",                                                    \
         NULL,      NAMES_NONE},                                                                   \
        {"memory", 'm',                                                                            \
         OPT_SIZE, offsetof(struct vm_spec_options, memory),                                       \
         "SIZE",   "memory (default 256M)",                                                        \
         NULL,     NAMES_NONE},                                                                    \
        {"memory-max", 0,                                                                          \
         OPT_SIZE,     offsetof(struct vm_spec_options, memory_max),                               \
         "SIZE",       "memory of all its processes on the host; beyond it the VM is killed",      \
         NULL,         NAMES_NONE},                                                                \
        {"cpu-quota", 0,                                                                           \
         OPT_COUNT,   offsetof(struct vm_spec_options, cpu_quota),                                 \
         "PERCENT",   "of one CPU of the host, for all its processes: 150 is one and a half",      \
         NULL,        NAMES_NONE},                                                                 \
        {"tasks-max", 0,                                                                           \
         OPT_COUNT,   offsetof(struct vm_spec_options, tasks_max),                                 \
         "N",         "threads of its processes on the host",                                      \
         NULL,        NAMES_NONE},                                                                 \
        {"disk",   0,                                                                              \
         OPT_SIZE, offsetof(struct vm_spec_options, disk),                                         \
         "SIZE",   "size of the system disk (default: the image's)",                               \
         NULL,     NAMES_NONE},                                                                    \
        {"work-disk", 0,                                                                           \
         OPT_SIZE,    offsetof(struct vm_spec_options, work_disk),                                 \
         "SIZE",      "an empty second disk of this size",                                         \
         NULL,        NAMES_NONE},                                                                 \
        {"storage",                                                                                \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         offsetof(struct vm_spec_options, storage),                                                \
         "KIND",                                                                                   \
         "what the system disk is made as: a layer over the image, a copy, a reflink, a snapshot", \
         "qcow2|copy|reflink|dm-snapshot",                                                         \
         NAMES_NONE},                                                                              \
        {"net",                                                                                    \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         offsetof(struct vm_spec_options, net),                                                    \
         "MODE",                                                                                   \
         "user (default): outgoing connections; tap: an address that the host reaches; none",      \
         "user|tap|none",                                                                          \
         NAMES_NONE},                                                                              \
        {"nat",    0,                                                                              \
         OPT_FLAG, offsetof(struct vm_spec_options, nat),                                          \
         NULL,     "as --net tap, whose outgoing connections have the host's address",             \
         NULL,     NAMES_NONE},                                                                    \
        {"publish",                                                                                \
         'p',                                                                                      \
         OPT_LIST,                                                                                 \
         offsetof(struct vm_spec_options, publish),                                                \
         "PORT:GUEST_PORT",                                                                        \
         "listen on this port of the daemon's machine for the guest's; may be repeated",           \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"egress",                                                                                 \
         0,                                                                                        \
         OPT_LIST,                                                                                 \
         offsetof(struct vm_spec_options, egress),                                                 \
         "all|none|CIDR|NAME[:PORT],...",                                                          \
         "where the guest may connect to (default all); may be repeated",                          \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"isolated", 0,                                                                            \
         OPT_FLAG,   offsetof(struct vm_spec_options, isolated),                                   \
         NULL,       "the guest connects to nothing but what --egress lists",                      \
         NULL,       NAMES_NONE},                                                                  \
        {"ssh-user", 0,                                                                            \
         OPT_STRING, offsetof(struct vm_spec_options, ssh_user),                                   \
         "USER",     "of a guest that boots its own way: who logs in (default: root)",             \
         NULL,       NAMES_NONE},                                                                  \
        {"ssh-port", 0,                                                                            \
         OPT_COUNT,  offsetof(struct vm_spec_options, ssh_port),                                   \
         "PORT",     "of its SSH server (default: 22)",                                            \
         NULL,       NAMES_NONE},                                                                  \
        {"ssh-key",  0,                                                                            \
         OPT_STRING, offsetof(struct vm_spec_options, ssh_key),                                    \
         "NAME",     "a key in the daemon's folder ssh_keys (default: one of the VM's own)",       \
         NULL,       NAMES_NONE},                                                                  \
        {"kernel-arguments",                                                                       \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         offsetof(struct vm_spec_options, kernel_arguments),                                       \
         "TEXT",                                                                                   \
         "more for the command line of its kernel",                                                \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"driver",   0,                                                                            \
         OPT_STRING, offsetof(struct vm_spec_options, driver),                                     \
         "DRIVER",   "VMM (default: the host's)",                                                  \
         NULL,       NAMES_NONE},                                                                  \
        {"label",     'l',                                                                         \
         OPT_LIST,    offsetof(struct vm_spec_options, labels),                                    \
         "KEY=VALUE", "attach a label; may be repeated",                                           \
         NULL,        NAMES_NONE},                                                                 \
        {"no-init", 0,                                                                             \
         OPT_FLAG,  offsetof(struct vm_spec_options, no_init),                                     \
         NULL,      "do not run the image's init",                                                 \
         NULL,      NAMES_NONE},                                                                   \
        {"expire",     0,                                                                          \
         OPT_DURATION, offsetof(struct vm_spec_options, expire),                                   \
         "TIME",       "stop and delete the VM so long after its creation",                        \
         NULL,         NAMES_NONE},                                                                \
        {"idle-stop",  0,                                                                          \
         OPT_DURATION, offsetof(struct vm_spec_options, idle_stop),                                \
         "TIME",       "stop it after so long without a session, viewer or console",               \
         NULL,         NAMES_NONE},                                                                \
        {"restart",                                                                                \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         offsetof(struct vm_spec_options, restart),                                                \
         "POLICY",                                                                                 \
         "start it again: never (default), on-failure or always",                                  \
         "never|on-failure|always",                                                                \
         NAMES_NONE},                                                                              \
        {"stop-hook", 0,                                                                           \
         OPT_STRING,  offsetof(struct vm_spec_options, stop_hook),                                 \
         "COMMAND",   "run this in the guest, by a shell, before the VM is stopped",               \
         NULL,        NAMES_NONE},                                                                 \
        {"stop-hook-limit",                                                                        \
         0,                                                                                        \
         OPT_DURATION,                                                                             \
         offsetof(struct vm_spec_options, stop_hook_limit),                                        \
         "TIME",                                                                                   \
         "kill it, and stop the VM all the same, after so long (default 30s)",                     \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
    {                                                                                              \
        "autostart", 0, OPT_FLAG, offsetof(struct vm_spec_options, autostart), NULL,               \
            "start it with the daemon unless it was stopped", NULL, NAMES_NONE                     \
    }

/* What does not fit is refused by the daemon as what it is: too much. */
static inline uint32_t cli_u32(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

struct vm_hook_message {
    Banger__V1__VMHook hook;
    char *argv[3];
};

/* 0, or a usage error that was told. */
int vm_hook_options_check(const char *command, const struct opt_number *limit);
/* command is borrowed; "": no hook. */
void vm_hook_fill(struct vm_hook_message *m, const char *command, const struct opt_number *limit);

/* The words of --egress as a message, which borrows from here. */
struct egress_words {
    Banger__V1__Egress message;
    bool given;
    char *text, **allow; /* owned */
};

/* 0, or EXIT_BANGER with the error printed and nothing to be freed. */
int egress_words_init(struct egress_words *e, const struct opt_list *words, bool isolated);
void egress_words_done(struct egress_words *e);

/* A request built of options; its strings are borrowed from them. */
struct vm_request {
    Banger__V1__CreateVMRequest message;
    Banger__V1__VMSpec spec;
    Banger__V1__VMLimits limits;
    struct vm_hook_message stop_hook;
    Banger__V1__GuestSSH ssh;
    struct egress_words egress;
    struct label_set *labels;
    struct publish_set *publish;
    char id[REQUEST_ID_BYTES];
};

/* "on-failure" as the enum; NULL: unspecified. */
Banger__V1__RestartPolicy vm_restart_policy(const char *word);
/* 0, or EXIT_BANGER with the error printed. */
int vm_request_init(struct vm_request *request, const struct vm_spec_options *o);
void vm_request_done(struct vm_request *request);

/* labels.c: "key=value" words as messages. */
struct label_set {
    Banger__V1__Label **list; /* owned */
    size_t n;
};
struct label_set *label_set_new(const char *option, const struct opt_list *words);
void label_set_free(struct label_set *set);

/* publish.c: "8080:80" words as messages; "none" alone: an empty list. NULL with the error printed.
 */
struct publish_set {
    Banger__V1__Publish *list;      /* owned, with their addresses */
    Banger__V1__Publish **pointers; /* owned */
    size_t n;
};
struct publish_set *publish_set_new(const struct opt_list *words);
void publish_set_free(struct publish_set *set);
/* "127.0.0.1:8080->80" */
enum { PUBLISH_TEXT_BYTES = 80 };
const char *publish_text(const Banger__V1__Publish *m, char text[PUBLISH_TEXT_BYTES]);

/* Rows of the noun's table, one or a few a file. */
extern const struct command vm_cp_command;
extern const struct command vm_create_command, vm_run_command, vm_exec_command, vm_list_command,
    vm_wait_command, vm_stats_command, vm_forward_command, vm_ports_command, vm_ssh_command;
extern const struct command vm_workspace_command, vm_sync_command;
enum { VM_STATE_COMMANDS = 10, VM_SHOW_COMMANDS = 5 };
extern const struct command vm_console_command;
extern const struct command vm_state_commands[VM_STATE_COMMANDS];
extern const struct command vm_show_commands[VM_SHOW_COMMANDS];

#endif
