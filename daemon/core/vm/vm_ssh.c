/* VMs over SSH; see vm_ssh.h. */
#include "daemon/core/vm/vm_ssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/programs.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/record.h"
#include "daemon/core/vm/vm_agent.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/guest/channel.h"
#include "daemon/host/object.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"

enum { SSH_PORT = 22, PATIENCE = 6, TELL_EVERY_MS = 60000 };

/* Where the agent is in the guest; relative to the home of whom /var/lib is closed to. */
#define FOLDER_OF_ROOT   "/var/lib/banger"
#define FOLDER_OF_OTHERS "~/.banger"

struct vm_ssh_link {
    struct channel_ssh_config config;
    char program[PROGRAM_PATH_BYTES], key[PATH_BYTES], agent[PATH_BYTES];
    char offered[SSH_HOST_KEY_BYTES]; /* refused: it is not the record's; "" */
    int64_t told_ms;                  /* monotonic: when that was last told; 0: never */
};

/* What it may be */

static int ssh_invalid(struct err *err)
{
    return err_tag(err, "INVALID_SPEC", NULL);
}

static int ssh_check_texts(const struct vm_spec *spec, struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const struct vm_ssh *ssh = &spec->ssh;
    for (const char *c = spec->kernel_arguments; *c; c++)
        if (*c < ' ' || *c > '~')
            return err_set(err, ERR_INVALID, "kernel_arguments: printable ASCII, on one line");
    if (ssh->user[strspn(ssh->user, plain)] != '\0' || ssh->user[0] == '-')
        return err_set(err, ERR_INVALID, "\"%s\" cannot be a user's name in the guest", ssh->user);
    if (ssh->port > UINT16_MAX)
        return err_set(err, ERR_INVALID, "port %u is none", ssh->port);
    if (ssh->key[strspn(ssh->key, plain)] != '\0' || ssh->key[0] == '.')
        return err_set(err, ERR_INVALID,
                       "ssh key \"%s\" is no name of a file in the folder ssh_keys", ssh->key);
    return 0;
}

static bool ssh_key_path(const struct core *core, const char *vm_id, const struct vm_spec *spec,
                         char path[PATH_BYTES])
{
    char own[VM_PATH_BYTES];
    int n;
    if (spec->ssh.key[0]) {
        n = snprintf(path, PATH_BYTES, "%s/ssh_keys/%s", core->config.state_dir, spec->ssh.key);
        return n > 0 && n < PATH_BYTES;
    }
    if (object_ssh_key.derive_name(core->config.state_dir, vm_id, OBJECT_SSH_KEY, own, NULL) < 0)
        return false;
    snprintf(path, PATH_BYTES, "%s", own);
    return true;
}

static int ssh_check_parts(const struct core *core, const struct vm_spec *spec, struct err *err)
{
    const struct vmm_driver *driver = vmm_find_driver(spec->driver, err);
    char path[PATH_BYTES];
    if (!driver)
        return -1;
    if (!(driver->can.channels >> GUEST_CHANNEL_SSH & 1))
        return err_set(err, ERR_INVALID, "driver %s boots no kernel with an initrd of its own",
                       driver->name);
    if (spec->net != NET_USER)
        return err_set(err, ERR_INVALID,
                       "a guest that is reached over SSH needs a network: take \"user\"");
    if (!spec->run_init)
        return err_set(err, ERR_INVALID, "a kernel with an initrd of its own runs its own init");
    if (spec->work_disk_bytes > 0)
        return err_set(err, ERR_INVALID, "a guest that boots its own way mounts no work disk");
    if (!spec->ssh.key[0])
        return 0;
    if (!ssh_key_path(core, "", spec, path) || access(path, R_OK) < 0)
        return err_sys(err, errno, "the daemon cannot read the SSH key %s", path);
    return 0;
}

int vm_ssh_resolve(const struct core *core, struct vm_spec *spec, const struct kernel *kernel,
                   struct err *err)
{
    struct vm_ssh *ssh = &spec->ssh;
    bool asked = vm_is_over_ssh(spec) || spec->kernel_arguments[0];
    if (!kernel || !kernel->own_initrd) {
        if (!asked)
            return 0;
        err_set(err, ERR_INVALID,
                "SSH and arguments of the kernel are for guests that boot their own way: take a "
                "kernel with an initrd of its own (banger kernel import --initrd)");
        return ssh_invalid(err);
    }
    if (!ssh->user[0])
        snprintf(ssh->user, sizeof(ssh->user), "root");
    if (ssh->port == 0)
        ssh->port = SSH_PORT;
    if (ssh_check_texts(spec, err) < 0 || ssh_check_parts(core, spec, err) < 0)
        return err->code == ERR_INVALID ? ssh_invalid(err) : -1;
    return 0;
}

int vm_ssh_check_made(const struct vm_spec *spec, struct err *err)
{
    return ssh_check_texts(spec, err) < 0 ? ssh_invalid(err) : 0;
}

int vm_ssh_host_key_check(const char *host_key, struct err *err)
{
    const char *hash = strstr(host_key, " SHA256:");
    size_t len = strlen(host_key);
    bool plain = len < SSH_HOST_KEY_BYTES;
    for (const char *c = host_key; *c; c++)
        plain &= *c >= ' ' && *c <= '~';
    if (!*host_key || (plain && hash && hash > host_key && hash[8] && !strchr(hash + 1, ' ')))
        return 0;
    err_set(err, ERR_INVALID, "a host key is written as \"ssh-ed25519 SHA256:…\"");
    return ssh_invalid(err);
}

bool vm_ssh_has_own_key(const struct vm_spec *spec)
{
    return vm_is_over_ssh(spec) && !spec->ssh.key[0];
}

int64_t vm_ssh_patience(const struct vm_spec *spec, int64_t ms)
{
    return vm_is_over_ssh(spec) ? ms * PATIENCE : ms;
}

/* The machine */

void vm_ssh_config(const struct vm_entry *e, struct vmm_config *c)
{
    const struct vm *vm = &e->vm;
    char path[PATH_BYTES];
    if (!vm_is_over_ssh(&vm->spec))
        return;
    struct vmm_own_boot *own = &c->own_boot;
    c->is_own_boot = true;
    c->channel.kind = GUEST_CHANNEL_SSH;
    c->channel.port = vm->spec.ssh.port;
    snprintf(own->hostname, sizeof(own->hostname), "%s", vm->name);
    snprintf(own->arguments, sizeof(own->arguments), "%s", vm->spec.kernel_arguments);
    if (strcmp(vm->spec.ssh.user, "root") == 0 && ssh_key_path(e->core, vm->id, &vm->spec, path) &&
        strlen(path) < sizeof(own->key_path))
        memcpy(own->key_path, path, strlen(path) + 1);
}

/* The channel */

static void ssh_committed(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* what is seen of it waits for the disk; the channel need not */
}

static void ssh_pin(struct vm_entry *e, const char *host_key)
{
    struct store_txn *txn = store_txn_new();
    struct vm *vm = vm_edit(e);
    snprintf(vm->ssh_host_key, sizeof(vm->ssh_host_key), "%s", host_key);
    vm_save(e, txn);
    record_keep_vm_with(e->core, vm, txn);
    store_commit(e->core->store, txn, ssh_committed, NULL);
    vm_ssh_trusted(e);
}

/* A guest can show another key each time that it is asked. */
static bool ssh_tells_now(struct vm_ssh_link *l)
{
    int64_t now_ms = clock_mono_ms();
    if (l->told_ms && now_ms - l->told_ms < TELL_EVERY_MS)
        return false;
    l->told_ms = now_ms;
    return true;
}

static void ssh_refuse(struct vm_entry *e, const char *host_key)
{
    char why[TEXT_BYTES], resource[96];
    bool is_new = strcmp(e->ssh->offered, host_key) != 0;
    snprintf(e->ssh->offered, sizeof(e->ssh->offered), "%s", host_key);
    snprintf(why, sizeof(why),
             "its SSH host key has changed, to %s: another machine may be answering; if it was "
             "meant to change: banger vm trust %s",
             host_key, e->vm.name);
    if (is_new && ssh_tells_now(e->ssh)) {
        struct store_txn *txn = store_txn_new();
        vm_resource(e, resource);
        log_warn(e->vm.id, "%s", why);
        event_emit(e->core, txn, "vm.host_key_changed", resource, e->vm.id, host_key, NULL);
        store_commit(e->core->store, txn, ssh_committed, NULL);
    }
    vm_agent_refused(e, why);
}

static void ssh_saw_host_key(void *arg, const char *host_key, bool refused)
{
    struct vm_entry *e = arg;
    if (refused)
        ssh_refuse(e, host_key);
    else if (!e->vm.ssh_host_key[0])
        ssh_pin(e, host_key);
    else
        e->ssh->offered[0] = '\0';
}

static int ssh_dial(void *arg, channel_dialed_fn *done, void *done_arg, struct err *err)
{
    struct vm_entry *e = arg;
    if (!e->machine || !vm_has_vmm(e))
        return err_set(err, ERR_UNAVAILABLE, "the VM does not run");
    return vmm_dial(e->machine, e->vm.spec.ssh.port, done, done_arg, err);
}

static void ssh_hang_up(void *arg)
{
    struct vm_entry *e = arg;
    if (e->machine)
        vmm_hang_up(e->machine);
}

int vm_ssh_channel(struct vm_entry *e, struct channel_config *channel, struct err *err)
{
    struct vm_ssh_link *l = e->ssh ? e->ssh : calloc(1, sizeof(*l));
    if (!l)
        return err_set(err, ERR_LIMIT, "out of memory for a guest channel");
    e->ssh = l;
    if (!ssh_key_path(e->core, e->vm.id, &e->vm.spec, l->key))
        return err_set(err, ERR_INVALID, "the path of its SSH key is too long");
    if (program_find(PROGRAM_SSH, NULL, l->program, err) < 0)
        return err_wrap(err, "guests over SSH cannot be reached");
    snprintf(l->agent, sizeof(l->agent), "%s", e->core->config.guest_agent_path);
    bool is_root = strcmp(e->vm.spec.ssh.user, "root") == 0;
    l->config = (struct channel_ssh_config){
        .program = l->program,
        .user = e->vm.spec.ssh.user,
        .key = l->key,
        .agent = l->agent,
        .folder = is_root ? FOLDER_OF_ROOT : FOLDER_OF_OTHERS,
        .saw_host_key = ssh_saw_host_key,
        .dial = ssh_dial,
        .hang_up = ssh_hang_up,
        .arg = e,
    };
    vm_ssh_trusted(e);
    channel->ssh = &l->config;
    return 0;
}

void vm_ssh_trusted(struct vm_entry *e)
{
    if (e->ssh) {
        e->ssh->offered[0] = '\0';
        memcpy(e->ssh->config.host_key, e->vm.ssh_host_key, SSH_HOST_KEY_BYTES);
    }
    vm_agent_accepted(e);
}

const char *vm_offered_ssh_host_key(const struct vm_entry *e)
{
    return e->ssh ? e->ssh->offered : "";
}

void vm_ssh_free(struct vm_entry *e)
{
    free(e->ssh);
    e->ssh = NULL;
}
