/* VMs, operations, images and kernels as messages; see view.h. */
#include "daemon/service/view.h"

#include <stdio.h>

#include "base/err.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/strings.h"
#include "daemon/store/store.h"

Google__Protobuf__Timestamp *view_time(Google__Protobuf__Timestamp *stamp, int64_t unix_ns)
{
    if (unix_ns == 0)
        return NULL;
    google__protobuf__timestamp__init(stamp);
    stamp->seconds = unix_ns / 1000000000;
    stamp->nanos = (int32_t)(unix_ns % 1000000000);
    return stamp;
}

static Banger__V1__GuestSSH *fill_ssh(Banger__V1__GuestSSH *m, const struct vm_ssh *ssh)
{
    if (!ssh->user[0])
        return NULL;
    banger__v1__guest_ssh__init(m);
    m->user = (char *)ssh->user;
    m->port = ssh->port;
    m->key = (char *)ssh->key;
    return m;
}

static Banger__V1__VMHook *fill_hook(Banger__V1__VMHook *m, char *argv[VM_HOOK_ARGS_MAX],
                                     const struct vm_hook *hook)
{
    size_t n = strings_count(&hook->argv);
    if (n == 0 || n > VM_HOOK_ARGS_MAX)
        return NULL;
    banger__v1__vmhook__init(m);
    strings_list(&hook->argv, argv);
    m->argv = argv;
    m->n_argv = n;
    m->timeout_ms = hook->timeout_ms;
    return m;
}

static Banger__V1__VMLimits *fill_limits(Banger__V1__VMLimits *m, const struct vm_limits *limits)
{
    if (!limits->memory_max_bytes && !limits->cpu_quota_percent && !limits->tasks_max)
        return NULL;
    banger__v1__vmlimits__init(m);
    m->memory_max_bytes = limits->memory_max_bytes;
    m->cpu_quota_percent = limits->cpu_quota_percent;
    m->tasks_max = limits->tasks_max;
    return m;
}

static size_t fill_publish(struct publish_view *view, const struct blob *blob)
{
    size_t n = vm_publish_read(blob, view->at);
    for (size_t i = 0; i < n; i++) {
        Banger__V1__Publish *m = &view->messages[i];
        banger__v1__publish__init(m);
        m->address = view->at[i].address;
        m->host_port = view->at[i].host_port;
        m->guest_port = view->at[i].guest_port;
        view->pointers[i] = m;
    }
    return n;
}

static Banger__V1__Egress *fill_egress(Banger__V1__Egress *m, char *allow[EGRESS_ENTRIES_MAX],
                                       const struct vm_egress *egress)
{
    size_t n = strings_count(&egress->allow);
    if (n > EGRESS_ENTRIES_MAX)
        return NULL;
    banger__v1__egress__init(m);
    strings_list(&egress->allow, allow);
    m->mode = (Banger__V1__EgressMode)egress->mode;
    m->allow = allow;
    m->n_allow = n;
    return m;
}

static void fill_spec(struct vm_view *view, const struct vm_spec *spec)
{
    Banger__V1__VMSpec *m = &view->spec;
    banger__v1__vmspec__init(m);
    m->stop_hook = fill_hook(&view->stop_hook, view->stop_hook_argv, &spec->stop_hook);
    m->limits = fill_limits(&view->limits, &spec->limits);
    m->egress = fill_egress(&view->egress, view->egress_allow, &spec->egress);
    m->image = (char *)spec->image;
    m->kernel = (char *)spec->kernel_id;
    m->driver = (char *)spec->driver;
    m->cpus = spec->cpus;
    m->memory_bytes = spec->memory_bytes;
    m->disk_bytes = spec->disk_bytes;
    m->work_disk_bytes = spec->work_disk_bytes;
    m->network = (Banger__V1__NetworkMode)spec->net;
    m->no_init = !spec->run_init;
    m->ephemeral = spec->ephemeral;
    m->expire_after_ms = spec->expire_after_ms;
    m->idle_stop_after_ms = spec->idle_stop_after_ms;
    m->restart_policy = (Banger__V1__RestartPolicy)spec->restart;
    m->autostart = spec->autostart;
    m->lease_ms = spec->lease_ms;
    m->storage = (Banger__V1__Storage)spec->storage;
    m->kernel_arguments = (char *)spec->kernel_arguments;
    m->n_publish = fill_publish(&view->publish, &spec->publish);
    m->publish = view->publish.pointers;
}

static void fill_runtime(Banger__V1__VMRuntime *m, const struct vm_runtime *runtime)
{
    banger__v1__vmruntime__init(m);
    m->state = (Banger__V1__VMState)runtime->state;
    m->guest_ip = (char *)runtime->guest_ip;
    m->api_sock_path = (char *)runtime->api_sock_path;
    m->vsock_path = (char *)runtime->agent_sock_path;
    m->vsock_cid = runtime->vsock_cid;
    m->log_path = (char *)runtime->log_path;
    m->metrics_path = (char *)runtime->metrics_path;
    m->dns_name = (char *)runtime->dns_name;
    m->vm_dir = (char *)runtime->vm_dir;
    m->system_overlay = (char *)runtime->system_overlay;
    m->work_disk_path = (char *)runtime->work_disk_path;
    m->last_error = (char *)runtime->last_error;
    m->failed_stage = (char *)runtime->failed_stage;
    m->restarts = runtime->restarts;
    m->last_restart_reason = (char *)runtime->restart_reason;
}

Banger__V1__StoreStatus *view_store(struct store_view *view, const struct store_health *health)
{
    static const Banger__V1__StoreStatus__State states[] = {
        [STORE_WRITABLE] = BANGER__V1__STORE_STATUS__STATE__STATE_WRITABLE,
        [STORE_RETRYING] = BANGER__V1__STORE_STATUS__STATE__STATE_RETRYING,
        [STORE_BROKEN] = BANGER__V1__STORE_STATUS__STATE__STATE_BROKEN,
    };
    banger__v1__store_status__init(&view->status);
    view->status.state = states[health->state];
    view->status.message = (char *)health->err.message;
    view->status.since = view_time(&view->since, health->since_ns);
    view->status.tries = health->tries;
    view->status.waiting = (uint32_t)health->waiting;
    return &view->status;
}

size_t labels_view_fill(struct labels_view *view, const struct label *labels, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        banger__v1__label__init(&view->labels[i]);
        view->labels[i].key = (char *)labels[i].key;
        view->labels[i].value = (char *)labels[i].value;
        view->pointers[i] = &view->labels[i];
    }
    return n;
}

static Banger__V1__KeptOutput *fill_kept(Banger__V1__KeptOutput *m, const struct kept_output *kept)
{
    if (!kept->known)
        return NULL;
    banger__v1__kept_output__init(m);
    m->ended_bytes = kept->ended_bytes;
    m->ended_limit_bytes = kept->ended_limit_bytes;
    m->live_bytes = kept->live_bytes;
    return m;
}

void vm_view_fill(struct vm_view *view, const struct vm *vm, const struct vm_condition *conditions,
                  size_t n_conditions, const struct kept_output *kept,
                  const char *offered_ssh_host_key)
{
    Banger__V1__VM *m = &view->vm;
    banger__v1__vm__init(m);
    m->id = (char *)vm->id;
    m->name = (char *)vm->name;
    m->generation = vm->generation;
    m->boot_id = (char *)vm->boot_id;
    m->image_id = (char *)vm->spec.image_id;
    m->kernel_id = (char *)vm->spec.kernel_id;
    m->created = view_time(&view->created, vm->created_ns);
    m->updated = view_time(&view->updated, vm->updated_ns);
    m->started = view_time(&view->started, vm->started_ns);
    m->stopped = view_time(&view->stopped, vm->stopped_ns);
    m->expires = view_time(&view->expires, vm->expires_ns);
    fill_spec(view, &vm->spec);
    view->spec.ssh = fill_ssh(&view->ssh, &vm->spec.ssh);
    m->spec = &view->spec;
    m->ssh_host_key = (char *)vm->ssh_host_key;
    m->offered_ssh_host_key = (char *)offered_ssh_host_key;
    fill_runtime(&view->runtime, &vm->runtime);
    view->runtime.n_published = fill_publish(&view->published, &vm->runtime.published);
    view->runtime.published = view->published.pointers;
    m->runtime = &view->runtime;
    m->kept_output = fill_kept(&view->kept, kept);
    m->n_labels = labels_view_fill(&view->labels, vm->labels.at, vm->labels.n);
    m->labels = view->labels.pointers;
    for (size_t i = 0; i < n_conditions && i < VM_CONDITIONS_MAX; i++) {
        Banger__V1__Condition *c = &view->conditions[i];
        banger__v1__condition__init(c);
        c->type = (char *)conditions[i].type;
        c->status = conditions[i].status;
        c->reason = (char *)conditions[i].reason;
        c->message = (char *)conditions[i].message;
        c->changed = view_time(&view->condition_changed[i], conditions[i].changed_ns);
        view->condition_pointers[i] = c;
        m->n_conditions = i + 1;
    }
    m->conditions = view->condition_pointers;
}

void operation_view_fill(struct operation_view *view, const struct operation *op)
{
    Banger__V1__Operation *m = &view->operation;
    banger__v1__operation__init(m);
    m->id = (char *)op->id;
    m->kind = (char *)op->kind;
    m->resource = (char *)op->resource;
    m->state = (Banger__V1__OperationState)op->state;
    m->stage = (char *)op->stage;
    m->percent = op->percent;
    m->message = (char *)text_get(op->message);
    m->cancel_requested = op->cancel_asked;
    m->result = op->state == OP_SUCCEEDED ? (char *)op->result : m->result;
    m->request_id = (char *)op->request_id;
    m->principal = (char *)op->principal;
    m->created = view_time(&view->created, op->created_ns);
    m->updated = view_time(&view->updated, op->updated_ns);
    m->ended = view_time(&view->ended, op->ended_ns);
    if (op->error_code == 0)
        return;
    banger__v1__error_info__init(&view->info);
    view->info.reason = (char *)op->error_reason;
    view->info.resource = (char *)op->resource;
    view->info.stage = (char *)op->error_stage;
    view->info.retryable = err_retryable(&(struct err){.code = (enum err_code)op->error_code});
    view->info.operation_id = (char *)op->id;
    banger__v1__operation_error__init(&view->error);
    view->error.code = op->error_code;
    view->error.message = (char *)text_get(op->error_message);
    view->error.info = &view->info;
    m->error = &view->error;
}

void image_view_fill(struct image_view *view, const struct image *image, uint32_t n_vms)
{
    Banger__V1__Image *m = &view->image;
    banger__v1__image__init(m);
    m->id = (char *)image->id;
    m->name = (char *)image->name;
    m->digest = (char *)image->digest;
    m->format = (Banger__V1__ImageFormat)image->format;
    m->file_bytes = image->file_bytes;
    m->virtual_bytes = image->virtual_bytes;
    m->os = (char *)image->os;
    m->kernel_id = (char *)image->kernel_id;
    m->path = (char *)image->path;
    m->vms = n_vms;
    m->created = view_time(&view->created, image->created_ns);
}

void kernel_view_fill(struct kernel_view *view, const struct kernel *kernel)
{
    Banger__V1__Kernel *m = &view->kernel;
    banger__v1__kernel__init(m);
    m->id = (char *)kernel->id;
    m->name = (char *)kernel->name;
    m->digest = (char *)kernel->digest;
    m->version = (char *)kernel->version;
    m->own_initrd = kernel->own_initrd;
    m->created = view_time(&view->created, kernel->created_ns);
}
