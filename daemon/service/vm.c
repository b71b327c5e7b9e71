/* VMService: what changes VMs. What only looks is in vm_read.c. */
#include "daemon/service/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/supervise/supervise.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/model/egress.h"
#include "daemon/model/vm_publish.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/strings.h"
#include "daemon/service/view.h"

static int fill_hook(struct vm_hook *hook, const Banger__V1__VMHook *m, struct err *err)
{
    if (!m)
        return 0;
    if (m->n_argv > VM_HOOK_ARGS_MAX)
        return err_set(err, ERR_INVALID, "stop_hook.argv has %zu strings, at most %d are allowed",
                       m->n_argv, VM_HOOK_ARGS_MAX);
    hook->timeout_ms = m->timeout_ms;
    return strings_join(&hook->argv, m->argv, m->n_argv, VM_HOOK_BYTES, "stop_hook.argv", err);
}

/* What a newcomer's VM is, where the request leaves it open, is vm_spec_check's business. */
static int fill_ssh(struct vm_ssh *ssh, const Banger__V1__GuestSSH *m, struct err *err)
{
    if (!m)
        return 0;
    ssh->port = m->port;
    if (request_copy(ssh->user, sizeof(ssh->user), *m->user ? m->user : "root", "ssh.user", err) <
        0)
        return -1;
    return request_copy(ssh->key, sizeof(ssh->key), m->key, "ssh.key", err);
}

static int fill_publish(struct blob *blob, Banger__V1__Publish *const *list, size_t n,
                        struct err *err)
{
    struct vm_publish publish[VM_PUBLISH_MAX] = {{.host_port = 0}};
    if (n > VM_PUBLISH_MAX)
        return err_set(err, ERR_INVALID, "%zu ports to publish, at most %d are allowed", n,
                       VM_PUBLISH_MAX);
    for (size_t i = 0; i < n; i++) {
        publish[i].host_port = list[i]->host_port;
        publish[i].guest_port = list[i]->guest_port;
        if (request_copy(publish[i].address, sizeof(publish[i].address), list[i]->address,
                         "publish.address", err) < 0)
            return -1;
    }
    return vm_publish_write(blob, publish, n, err);
}

/* What the network would take for the host's own service is an admin's to give away. */
static int check_publish(const struct rpc_call *call, const struct blob *blob, struct err *err)
{
    struct vm_publish list[VM_PUBLISH_MAX];
    char text[VM_PUBLISH_TEXT_BYTES];
    size_t n = vm_publish_read(blob, list);
    for (size_t i = 0; i < n; i++) {
        if (rpc_call_peer(call)->role >= RPC_ROLE_ADMIN || !vm_publish_is_wide(&list[i]))
            continue;
        err_set(err, ERR_DENIED,
                "publish: %s is for admins: operators have loopback addresses (127.0.0.1), from "
                "port 1024 on",
                vm_publish_text(&list[i], text));
        return err_tag(err, "ROLE_TOO_LOW", NULL);
    }
    return 0;
}

/* What is in it is vm_egress_check's business. */
static int fill_egress(struct vm_egress *egress, const Banger__V1__Egress *m, struct err *err)
{
    if (!m)
        return 0;
    if (m->n_allow > EGRESS_ENTRIES_MAX)
        return err_set(err, ERR_INVALID, "egress.allow has %zu entries, at most %d are allowed",
                       m->n_allow, EGRESS_ENTRIES_MAX);
    egress->mode = (enum egress_mode)m->mode;
    return strings_join(&egress->allow, m->allow, m->n_allow, VM_EGRESS_BYTES, "egress.allow", err);
}

int vm_service_fill_spec(struct vm_spec *spec, const Banger__V1__VMSpec *m, struct err *err)
{
    memset(spec, 0, sizeof(*spec));
    spec->run_init = true;
    if (!m)
        return 0;
    if (m->n_volumes > 0)
        return err_set(err, ERR_UNIMPLEMENTED, "volumes are not built yet");
    if (m->network < 0 || m->network > (Banger__V1__NetworkMode)NET_TAP)
        return err_set(err, ERR_INVALID, "network %d is not a mode", (int)m->network);
    spec->cpus = m->cpus;
    spec->memory_bytes = m->memory_bytes;
    spec->disk_bytes = m->disk_bytes;
    spec->work_disk_bytes = m->work_disk_bytes;
    spec->net = (enum net_mode)m->network;
    spec->run_init = !m->no_init;
    spec->ephemeral = m->ephemeral;
    spec->expire_after_ms = m->expire_after_ms;
    spec->idle_stop_after_ms = m->idle_stop_after_ms;
    spec->restart = (enum restart_policy)m->restart_policy;
    spec->autostart = m->autostart;
    spec->lease_ms = m->lease_ms;
    spec->storage = (enum storage)m->storage;
    if (m->limits)
        spec->limits = (struct vm_limits){.memory_max_bytes = m->limits->memory_max_bytes,
                                          .cpu_quota_percent = m->limits->cpu_quota_percent,
                                          .tasks_max = m->limits->tasks_max};
    if (fill_ssh(&spec->ssh, m->ssh, err) < 0 ||
        request_copy(spec->kernel_arguments, sizeof(spec->kernel_arguments), m->kernel_arguments,
                     "kernel_arguments", err) < 0)
        return -1;
    if (request_copy(spec->image, sizeof(spec->image), m->image, "image", err) < 0 ||
        request_copy(spec->driver, sizeof(spec->driver), m->driver, "driver", err) < 0)
        return -1;
    if (fill_publish(&spec->publish, m->publish, m->n_publish, err) < 0 ||
        fill_egress(&spec->egress, m->egress, err) < 0)
        return -1;
    return fill_hook(&spec->stop_hook, m->stop_hook, err);
}

/* What the VM would be, with all that was left open filled in. */
static char *dry_run_text(struct core *core, const struct vm *vm, char text[TEXT_BYTES])
{
    static const char *const nets[] = {"", "none", "user", "bridge", "tap"};
    const struct image *image = image_find_id(core, vm->spec.image_id);
    const struct kernel *kernel = kernel_find_id(core, vm->spec.kernel_id);
    uint64_t disk = vm->spec.disk_bytes ? vm->spec.disk_bytes : image ? image->virtual_bytes : 0;
    char work[48] = "";
    if (vm->spec.work_disk_bytes)
        snprintf(work, sizeof(work), ", work disk %llu MiB",
                 (unsigned long long)(vm->spec.work_disk_bytes >> 20));
    snprintf(text, TEXT_BYTES,
             "VM %s would be made: image %s, kernel %s, driver %s, %u CPU%s, memory %llu MiB, disk "
             "%llu MiB%s, network %s; nothing was changed",
             vm->name, image ? image->name : "none", kernel ? kernel->name : "none",
             vm->spec.driver, vm->spec.cpus, vm->spec.cpus == 1 ? "" : "s",
             (unsigned long long)(vm->spec.memory_bytes >> 20), (unsigned long long)(disk >> 20),
             work, vm->spec.net <= NET_TAP ? nets[vm->spec.net] : "");
    return text;
}

/* Checks everything, changes nothing; answers with an operation that never was, already ended. */
static void dry_run(struct core *core, struct rpc_call *call,
                    const struct vm_create_request *create)
{
    struct err err = ERR_INIT;
    struct vm vm;
    char message[TEXT_BYTES];
    if (vm_create_check(core, create, &vm, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    Banger__V1__Operation operation = BANGER__V1__OPERATION__INIT;
    operation.kind = "vm.create";
    operation.state = BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED;
    operation.percent = 100;
    operation.message = dry_run_text(core, &vm, message);
    banger_v1_vm_service_create_vm_reply(call, &operation);
    vm_done(&vm);
}

static void handle_create(void *self, struct rpc_call *call,
                          const Banger__V1__CreateVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct labels labels;
    struct vm_create_request create = {
        .name = request->name,
        .scope = request_scope(self, call),
        .kernel = request->spec ? request->spec->kernel : NULL,
        .labels = &labels,
        .start =
            request->_start_case != BANGER__V1__CREATE_VMREQUEST___START_START || request->start,
    };
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        vm_service_fill_spec(&create.spec, request->spec, &err) < 0 ||
        check_publish(call, &create.spec.publish, &err) < 0 ||
        request_labels(&labels, request->labels, request->n_labels, &err) < 0)
        rpc_call_finish(call, &err);
    else if (request->dry_run)
        dry_run(self, call, &create);
    else
        service_reply_operation(call, vm_ask_create(self, &create, &meta, &err), &err);
    vm_spec_done(&create.spec);
}

static void fill_policies(struct vm_update_request *update, const Banger__V1__UpdateVMRequest *m,
                          bool *autostart)
{
#define GIVEN(field, NAME) (m->_##field##_case == BANGER__V1__UPDATE_VMREQUEST___##NAME)
    if (GIVEN(expire_after_ms, EXPIRE_AFTER_MS_EXPIRE_AFTER_MS))
        update->expire_after_ms = &m->expire_after_ms;
    if (GIVEN(idle_stop_after_ms, IDLE_STOP_AFTER_MS_IDLE_STOP_AFTER_MS))
        update->idle_stop_after_ms = &m->idle_stop_after_ms;
    if (GIVEN(restart_policy, RESTART_POLICY_RESTART_POLICY))
        update->restart =
            m->restart_policy ? (enum restart_policy)m->restart_policy : RESTART_NEVER;
    if (GIVEN(memory_max_bytes, MEMORY_MAX_BYTES_MEMORY_MAX_BYTES))
        update->memory_max_bytes = &m->memory_max_bytes;
    if (GIVEN(cpu_quota_percent, CPU_QUOTA_PERCENT_CPU_QUOTA_PERCENT))
        update->cpu_quota_percent = &m->cpu_quota_percent;
    if (GIVEN(tasks_max, TASKS_MAX_TASKS_MAX))
        update->tasks_max = &m->tasks_max;
    *autostart = m->autostart;
    if (GIVEN(autostart, AUTOSTART_AUTOSTART))
        update->autostart = autostart;
#undef GIVEN
}

static void handle_update(void *self, struct rpc_call *call,
                          const Banger__V1__UpdateVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct labels labels;
    struct vm_update_request update = {
        .vm = request->vm,
        .if_generation = request->if_generation,
        .set_labels = &labels,
        .remove_labels = (const char *const *)request->remove_labels,
        .n_remove_labels = request->n_remove_labels,
    };
    if (request->_name_case == BANGER__V1__UPDATE_VMREQUEST___NAME_NAME)
        update.name = request->name;
    if (request->_cpus_case == BANGER__V1__UPDATE_VMREQUEST___CPUS_CPUS)
        update.cpus = request->cpus;
    if (request->_memory_bytes_case == BANGER__V1__UPDATE_VMREQUEST___MEMORY_BYTES_MEMORY_BYTES)
        update.memory_bytes = request->memory_bytes;
    if (request->_ssh_host_key_case == BANGER__V1__UPDATE_VMREQUEST___SSH_HOST_KEY_SSH_HOST_KEY)
        update.ssh_host_key = request->ssh_host_key;
    bool autostart;
    struct vm_hook hook = {0};
    struct blob publish = {0};
    struct vm_egress egress = {0};
    fill_policies(&update, request, &autostart);
    if (request->publish)
        update.publish = &publish;
    if (request->stop_hook)
        update.stop_hook = &hook;
    if (request->egress)
        update.egress = &egress;
    if (request->_disk_bytes_case == BANGER__V1__UPDATE_VMREQUEST___DISK_BYTES_DISK_BYTES)
        err_set(&err, ERR_UNIMPLEMENTED, "disk_bytes cannot be changed yet");
    else if (request->n_remove_labels > LABELS_MAX)
        err_set(&err, ERR_INVALID, "%zu labels to remove, at most %d are allowed",
                request->n_remove_labels, LABELS_MAX);
    if (err.code != ERR_NONE || fill_egress(&egress, request->egress, &err) < 0 ||
        fill_hook(&hook, request->stop_hook, &err) < 0 ||
        (request->publish && fill_publish(&publish, request->publish->publish,
                                          request->publish->n_publish, &err) < 0) ||
        check_publish(call, &publish, &err) < 0 ||
        request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        request_labels(&labels, request->set_labels, request->n_set_labels, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_update(self, &update, &meta, &err), &err);
    free(hook.argv.data);
    free(publish.data);
    free(egress.allow.data);
}

static void handle_start(void *self, struct rpc_call *call,
                         const Banger__V1__StartVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct vm_start_request start = {.vm = request->vm};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_start(self, &start, &meta, &err), &err);
}

static void handle_stop(void *self, struct rpc_call *call, const Banger__V1__StopVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    bool given = request->_grace_ms_case == BANGER__V1__STOP_VMREQUEST___GRACE_MS_GRACE_MS;
    struct vm_stop_request stop = {request->vm, given ? (int64_t)request->grace_ms : -1};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_stop(self, &stop, &meta, &err), &err);
}

static void handle_restart(void *self, struct rpc_call *call,
                           const Banger__V1__RestartVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    bool given = request->_grace_ms_case == BANGER__V1__RESTART_VMREQUEST___GRACE_MS_GRACE_MS;
    struct vm_stop_request stop = {request->vm, given ? (int64_t)request->grace_ms : -1};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_restart(self, &stop, &meta, &err), &err);
}

static void handle_delete(void *self, struct rpc_call *call,
                          const Banger__V1__DeleteVMRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct vm_delete_request delete = {request->vm, request->force};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_delete(self, &delete, &meta, &err), &err);
}

static void handle_prune(void *self, struct rpc_call *call,
                         const Banger__V1__PruneVMsRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct labels labels = {0};
    struct vm_prune_request prune = {
        .selector = &labels, .scope = request_scope(self, call), .dry_run = request->dry_run};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        (request->selector &&
         request_labels(&labels, request->selector->match, request->selector->n_match, &err) < 0))
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, vm_ask_prune(self, &prune, &meta, &err), &err);
}

/* kill, pause, resume and recover take a VM and nothing else. */
typedef struct operation_entry *start_fn(struct core *core, const char *vm,
                                         const struct request_meta *meta, struct err *err);

static void start_plain(struct core *core, struct rpc_call *call, const ProtobufCMessage *request,
                        const char *request_id, const char *vm, start_fn *start)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    if (request_meta_fill(&meta, core, call, request, request_id, &err) < 0)
        rpc_call_finish(call, &err);
    else
        service_reply_operation(call, start(core, vm, &meta, &err), &err);
}

static void handle_kill(void *self, struct rpc_call *call, const Banger__V1__KillVMRequest *request)
{
    start_plain(self, call, &request->base, request->request_id, request->vm, vm_ask_kill);
}

static void handle_pause(void *self, struct rpc_call *call,
                         const Banger__V1__PauseVMRequest *request)
{
    start_plain(self, call, &request->base, request->request_id, request->vm, vm_ask_pause);
}

static void handle_resume(void *self, struct rpc_call *call,
                          const Banger__V1__ResumeVMRequest *request)
{
    start_plain(self, call, &request->base, request->request_id, request->vm, vm_ask_resume);
}

static void handle_recover(void *self, struct rpc_call *call,
                           const Banger__V1__RecoverVMRequest *request)
{
    start_plain(self, call, &request->base, request->request_id, request->vm, vm_ask_recover);
}

static void handle_renew_lease(void *self, struct rpc_call *call,
                               const Banger__V1__RenewVMLeaseRequest *request)
{
    struct err err = ERR_INIT;
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    struct vm_entry *e = request_find_vm(self, call, request->vm);
    if (!e)
        return;
    if (lease_renew(e, rpc_call_peer(call)->principal, &err) < 0)
        rpc_call_finish(call, &err);
    else
        banger_v1_vm_service_renew_vm_lease_reply(call, &empty);
}

int vm_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_vm_service_handlers handlers = {
        .create_vm = handle_create,
        .get_vm = vm_service_get,
        .list_vms = vm_service_list,
        .update_vm = handle_update,
        .start_vm = handle_start,
        .stop_vm = handle_stop,
        .restart_vm = handle_restart,
        .kill_vm = handle_kill,
        .delete_vm = handle_delete,
        .pause_vm = handle_pause,
        .resume_vm = handle_resume,
        .recover_vm = handle_recover,
        .prune_vms = handle_prune,
        .renew_vm_lease = handle_renew_lease,
        .get_vm_handles = vm_service_get_handles,
        .get_vm_stats = vm_service_get_stats,
        .check_vm_health = vm_service_check_health,
        .list_vm_ports = vm_service_list_ports,
        .watch_vm_ports = vm_service_watch_ports,
        .read_console = vm_service_read_console,
        .attach_console = vm_service_attach_console,
    };
    return banger_v1_vm_service_register(server, &handlers, core, err);
}
