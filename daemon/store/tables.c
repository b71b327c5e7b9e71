/* The tables, column by column. A new field: a migration, a line here, a field in the model.
 *
 * Handles of the kernel (struct vm_handles) have no table: they are found again, never remembered.
 */
#include "daemon/store/column.h"

#include "daemon/model/model.h"
#include "daemon/store/store.h"

#define COLUMN(type, field, kind)                                                                  \
    {                                                                                              \
#field, kind, offsetof(struct type, field), sizeof(((struct type *)0)->field)              \
    }
/* A field of a nested struct under a name of its own. */
#define NESTED(type, name, field, kind)                                                            \
    {                                                                                              \
        name, kind, offsetof(struct type, field), sizeof(((struct type *)0)->field)                \
    }
#define TABLE(name, columns, order)                                                                \
    {                                                                                              \
        name, columns, sizeof(columns) / sizeof((columns)[0]), order, NULL                         \
    }

static const struct column vm_columns[] = {
    COLUMN(vm, id, COLUMN_TEXT),
    COLUMN(vm, name, COLUMN_TEXT),
    NESTED(vm, "image", spec.image, COLUMN_TEXT),
    NESTED(vm, "image_id", spec.image_id, COLUMN_TEXT),
    NESTED(vm, "kernel_id", spec.kernel_id, COLUMN_TEXT),
    NESTED(vm, "driver", spec.driver, COLUMN_TEXT),
    NESTED(vm, "cpus", spec.cpus, COLUMN_INT),
    NESTED(vm, "memory_bytes", spec.memory_bytes, COLUMN_LONG),
    NESTED(vm, "disk_bytes", spec.disk_bytes, COLUMN_LONG),
    NESTED(vm, "work_disk_bytes", spec.work_disk_bytes, COLUMN_LONG),
    NESTED(vm, "net", spec.net, COLUMN_INT),
    NESTED(vm, "run_init", spec.run_init, COLUMN_BOOL),
    NESTED(vm, "ephemeral", spec.ephemeral, COLUMN_BOOL),
    NESTED(vm, "state", runtime.state, COLUMN_INT),
    NESTED(vm, "failed_stage", runtime.failed_stage, COLUMN_TEXT),
    NESTED(vm, "last_error", runtime.last_error, COLUMN_TEXT),
    NESTED(vm, "guest_ip", runtime.guest_ip, COLUMN_TEXT),
    NESTED(vm, "dns_name", runtime.dns_name, COLUMN_TEXT),
    NESTED(vm, "vm_dir", runtime.vm_dir, COLUMN_TEXT),
    NESTED(vm, "api_sock_path", runtime.api_sock_path, COLUMN_TEXT),
    NESTED(vm, "agent_sock_path", runtime.agent_sock_path, COLUMN_TEXT),
    NESTED(vm, "vsock_cid", runtime.vsock_cid, COLUMN_INT),
    NESTED(vm, "log_path", runtime.log_path, COLUMN_TEXT),
    NESTED(vm, "metrics_path", runtime.metrics_path, COLUMN_TEXT),
    NESTED(vm, "system_overlay", runtime.system_overlay, COLUMN_TEXT),
    NESTED(vm, "work_disk_path", runtime.work_disk_path, COLUMN_TEXT),
    COLUMN(vm, labels, COLUMN_LABEL_LIST),
    COLUMN(vm, generation, COLUMN_LONG),
    COLUMN(vm, boot_id, COLUMN_TEXT),
    COLUMN(vm, created_ns, COLUMN_LONG),
    COLUMN(vm, updated_ns, COLUMN_LONG),
    COLUMN(vm, started_ns, COLUMN_LONG),
    COLUMN(vm, stopped_ns, COLUMN_LONG),
    NESTED(vm, "expire_after_ms", spec.expire_after_ms, COLUMN_LONG),
    NESTED(vm, "idle_stop_after_ms", spec.idle_stop_after_ms, COLUMN_LONG),
    NESTED(vm, "restart_policy", spec.restart, COLUMN_INT),
    NESTED(vm, "autostart", spec.autostart, COLUMN_BOOL),
    NESTED(vm, "restarts", runtime.restarts, COLUMN_INT),
    NESTED(vm, "restart_streak", runtime.restart_streak, COLUMN_INT),
    NESTED(vm, "restart_reason", runtime.restart_reason, COLUMN_TEXT),
    COLUMN(vm, wanted, COLUMN_INT),
    COLUMN(vm, expires_ns, COLUMN_LONG),
    NESTED(vm, "lease_ms", spec.lease_ms, COLUMN_LONG),
    COLUMN(vm, lease_holder, COLUMN_TEXT),
    NESTED(vm, "storage", spec.storage, COLUMN_INT),
    NESTED(vm, "stop_hook", spec.stop_hook.argv, COLUMN_BLOB),
    NESTED(vm, "stop_hook_ms", spec.stop_hook.timeout_ms, COLUMN_INT),
    NESTED(vm, "ssh_user", spec.ssh.user, COLUMN_TEXT),
    NESTED(vm, "ssh_port", spec.ssh.port, COLUMN_INT),
    NESTED(vm, "ssh_key", spec.ssh.key, COLUMN_TEXT),
    NESTED(vm, "kernel_arguments", spec.kernel_arguments, COLUMN_TEXT),
    COLUMN(vm, ssh_host_key, COLUMN_TEXT),
    NESTED(vm, "memory_max_bytes", spec.limits.memory_max_bytes, COLUMN_LONG),
    NESTED(vm, "cpu_quota_percent", spec.limits.cpu_quota_percent, COLUMN_INT),
    NESTED(vm, "tasks_max", spec.limits.tasks_max, COLUMN_INT),
    NESTED(vm, "egress", spec.egress.mode, COLUMN_INT),
    NESTED(vm, "egress_allow", spec.egress.allow, COLUMN_BLOB),
    NESTED(vm, "publish", spec.publish, COLUMN_BLOB),
    NESTED(vm, "published", runtime.published, COLUMN_BLOB),
};
const struct table vm_table = TABLE("vms", vm_columns, "created_ns, id");

static const struct column host_settings_columns[] = {
    COLUMN(host_settings, id, COLUMN_INT),
    COLUMN(host_settings, draining, COLUMN_BOOL),
    COLUMN(host_settings, boot_id, COLUMN_TEXT),
};
const struct table host_settings_table = TABLE("host_settings", host_settings_columns, "id");

static const struct column vm_update_columns[] = {
    COLUMN(vm_update_labels, operation_id, COLUMN_TEXT),
    NESTED(vm_update_labels, "set_labels", set, COLUMN_LABELS),
    NESTED(vm_update_labels, "remove_labels", remove, COLUMN_LABELS),
    COLUMN(vm_update_labels, scope, COLUMN_LABELS),
};
const struct table vm_update_table = TABLE("vm_updates", vm_update_columns, "operation_id");

static const struct column session_deletion_columns[] = {
    COLUMN(session_deletion, session_id, COLUMN_TEXT),
    COLUMN(session_deletion, vm_id, COLUMN_TEXT),
};
const struct table session_deletion_table =
    TABLE("session_deletions", session_deletion_columns, "rowid");

/* The command of a session: struct session_spec spec. */
#define SPEC_COLUMNS(type)                                                                         \
    NESTED(type, "argv", spec.argv, COLUMN_BLOB), NESTED(type, "env", spec.env, COLUMN_BLOB),      \
        NESTED(type, "tags", spec.tags, COLUMN_BLOB),                                              \
        NESTED(type, "required_commands", spec.required_commands, COLUMN_BLOB),                    \
        NESTED(type, "clear_env", spec.clear_env, COLUMN_BOOL),                                    \
        NESTED(type, "tty", spec.tty, COLUMN_BOOL),                                                \
        NESTED(type, "output_policy", spec.output_policy, COLUMN_INT),                             \
        NESTED(type, "drain_policy", spec.drain_policy, COLUMN_INT),                               \
        NESTED(type, "tty_rows", spec.rows, COLUMN_INT),                                           \
        NESTED(type, "tty_columns", spec.columns, COLUMN_INT),                                     \
        NESTED(type, "cwd", spec.cwd, COLUMN_TEXT),                                                \
        NESTED(type, "user_name", spec.user, COLUMN_TEXT),                                         \
        NESTED(type, "group_name", spec.group, COLUMN_TEXT),                                       \
        NESTED(type, "stdin_mode", spec.stdin_mode, COLUMN_INT),                                   \
        NESTED(type, "spool_bytes", spec.spool_bytes, COLUMN_LONG),                                \
        NESTED(type, "drain_ms", spec.drain_ms, COLUMN_INT),                                       \
        NESTED(type, "timeout_ms", spec.timeout_ms, COLUMN_INT),                                   \
        NESTED(type, "umask", spec.umask, COLUMN_INT),                                             \
        NESTED(type, "merge_stderr", spec.merge_stderr, COLUMN_BOOL),                              \
        NESTED(type, "rlimits", spec.rlimits, COLUMN_BLOB),                                        \
        NESTED(type, "nice", spec.nice, COLUMN_INT),                                               \
        NESTED(type, "oom_score_adj", spec.oom_score_adj, COLUMN_INT),                             \
        NESTED(type, "stop_unwatched_ms", spec.stop_unwatched_ms, COLUMN_LONG),                    \
        NESTED(type, "stop_unwatched_from_start", spec.stop_unwatched_from_start, COLUMN_BOOL),    \
        NESTED(type, "delete_ended_ms", spec.delete_ended_ms, COLUMN_LONG)

static const struct column session_columns[] = {
    COLUMN(session, id, COLUMN_TEXT),
    COLUMN(session, vm_id, COLUMN_TEXT),
    COLUMN(session, name, COLUMN_TEXT),
    COLUMN(session, service_id, COLUMN_TEXT),
    COLUMN(session, hook, COLUMN_TEXT),
    SPEC_COLUMNS(session),
    COLUMN(session, state, COLUMN_INT),
    COLUMN(session, failed_stage, COLUMN_TEXT),
    COLUMN(session, lost_reason, COLUMN_TEXT),
    COLUMN(session, last_error, COLUMN_TEXT),
    COLUMN(session, failed_errno, COLUMN_INT),
    COLUMN(session, exit_kind, COLUMN_INT),
    COLUMN(session, exit_code, COLUMN_INT),
    COLUMN(session, exit_signo, COLUMN_INT),
    COLUMN(session, timed_out, COLUMN_BOOL),
    COLUMN(session, guest_pid, COLUMN_INT),
    COLUMN(session, stdout_total, COLUMN_LONG),
    COLUMN(session, stderr_total, COLUMN_LONG),
    COLUMN(session, stdin_acked, COLUMN_LONG),
    COLUMN(session, stdout_ended, COLUMN_BOOL),
    COLUMN(session, stderr_ended, COLUMN_BOOL),
    COLUMN(session, stdin_closed, COLUMN_BOOL),
    COLUMN(session, stdout_acked, COLUMN_LONG),
    COLUMN(session, stderr_acked, COLUMN_LONG),
    COLUMN(session, watched, COLUMN_BOOL),
    COLUMN(session, forget, COLUMN_BOOL),
    COLUMN(session, writer_generation, COLUMN_LONG),
    COLUMN(session, created_ns, COLUMN_LONG),
    COLUMN(session, started_ns, COLUMN_LONG),
    COLUMN(session, ended_ns, COLUMN_LONG),
    COLUMN(session, updated_ns, COLUMN_LONG),
};
const struct table session_table = TABLE("sessions", session_columns, "created_ns, id");

static const struct column guest_service_columns[] = {
    COLUMN(guest_service, id, COLUMN_TEXT),
    COLUMN(guest_service, vm_id, COLUMN_TEXT),
    COLUMN(guest_service, name, COLUMN_TEXT),
    SPEC_COLUMNS(guest_service),
    NESTED(guest_service, "restart_policy", policy.restart, COLUMN_INT),
    NESTED(guest_service, "restarts_max", policy.restarts_max, COLUMN_INT),
    NESTED(guest_service, "backoff_first_ms", policy.backoff_first_ms, COLUMN_LONG),
    NESTED(guest_service, "backoff_max_ms", policy.backoff_max_ms, COLUMN_LONG),
    NESTED(guest_service, "healthy_ms", policy.healthy_ms, COLUMN_LONG),
    NESTED(guest_service, "after_names", policy.after, COLUMN_BLOB),
    NESTED(guest_service, "ready_argv", policy.readiness.argv, COLUMN_BLOB),
    NESTED(guest_service, "ready_interval_ms", policy.readiness.interval_ms, COLUMN_INT),
    NESTED(guest_service, "ready_timeout_ms", policy.readiness.timeout_ms, COLUMN_INT),
    NESTED(guest_service, "ready_retries", policy.readiness.retries, COLUMN_INT),
    COLUMN(guest_service, wanted, COLUMN_BOOL),
    NESTED(guest_service, "runs", course.runs, COLUMN_INT),
    NESTED(guest_service, "restarts", course.restarts, COLUMN_INT),
    NESTED(guest_service, "judged", course.judged, COLUMN_TEXT),
    NESTED(guest_service, "settled_boot", course.settled_boot, COLUMN_TEXT),
    NESTED(guest_service, "failed", course.failed, COLUMN_BOOL),
    NESTED(guest_service, "last_error", course.last_error, COLUMN_TEXT),
    COLUMN(guest_service, created_ns, COLUMN_LONG),
    COLUMN(guest_service, updated_ns, COLUMN_LONG),
};
const struct table guest_service_table = TABLE("services", guest_service_columns, "created_ns, id");

static const struct column operation_columns[] = {
    COLUMN(operation, id, COLUMN_TEXT),
    COLUMN(operation, kind, COLUMN_TEXT),
    COLUMN(operation, resource, COLUMN_TEXT),
    COLUMN(operation, request_id, COLUMN_TEXT),
    COLUMN(operation, request_digest, COLUMN_TEXT),
    COLUMN(operation, principal, COLUMN_TEXT),
    COLUMN(operation, state, COLUMN_INT),
    COLUMN(operation, step, COLUMN_INT),
    COLUMN(operation, stage, COLUMN_TEXT),
    COLUMN(operation, percent, COLUMN_INT),
    COLUMN(operation, message, COLUMN_STRING),
    COLUMN(operation, cancel_asked, COLUMN_BOOL),
    COLUMN(operation, error_code, COLUMN_INT),
    COLUMN(operation, error_reason, COLUMN_TEXT),
    COLUMN(operation, error_stage, COLUMN_TEXT),
    COLUMN(operation, error_message, COLUMN_STRING),
    COLUMN(operation, result, COLUMN_TEXT),
    COLUMN(operation, params, COLUMN_STRING),
    COLUMN(operation, created_ns, COLUMN_LONG),
    COLUMN(operation, updated_ns, COLUMN_LONG),
    COLUMN(operation, ended_ns, COLUMN_LONG),
};
const struct table operation_table = TABLE("operations", operation_columns, "created_ns, id");

static const struct column image_columns[] = {
    COLUMN(image, id, COLUMN_TEXT),
    COLUMN(image, name, COLUMN_TEXT),
    COLUMN(image, digest, COLUMN_TEXT),
    COLUMN(image, format, COLUMN_INT),
    COLUMN(image, path, COLUMN_TEXT),
    COLUMN(image, file_bytes, COLUMN_LONG),
    COLUMN(image, virtual_bytes, COLUMN_LONG),
    COLUMN(image, os, COLUMN_TEXT),
    COLUMN(image, kernel_id, COLUMN_TEXT),
    COLUMN(image, created_ns, COLUMN_LONG),
};
const struct table image_table = TABLE("images", image_columns, "created_ns, id");

static const struct column kernel_columns[] = {
    COLUMN(kernel, id, COLUMN_TEXT),
    COLUMN(kernel, name, COLUMN_TEXT),
    COLUMN(kernel, digest, COLUMN_TEXT),
    COLUMN(kernel, vmlinux_path, COLUMN_TEXT),
    COLUMN(kernel, initramfs_path, COLUMN_TEXT),
    COLUMN(kernel, own_initrd, COLUMN_BOOL),
    COLUMN(kernel, version, COLUMN_TEXT),
    COLUMN(kernel, created_ns, COLUMN_LONG),
};
const struct table kernel_table = TABLE("kernels", kernel_columns, "created_ns, id");

static const struct column event_columns[] = {
    COLUMN(event, seq, COLUMN_LONG),    COLUMN(event, time_ns, COLUMN_LONG),
    COLUMN(event, kind, COLUMN_TEXT),   COLUMN(event, resource, COLUMN_TEXT),
    COLUMN(event, detail, COLUMN_TEXT), COLUMN(event, operation_id, COLUMN_TEXT),
    COLUMN(event, vm_id, COLUMN_TEXT),
};
const struct table event_table = TABLE("events", event_columns, "seq");

static const struct column request_columns[] = {
    COLUMN(store_request, request_id, COLUMN_TEXT), COLUMN(store_request, method, COLUMN_TEXT),
    COLUMN(store_request, digest, COLUMN_TEXT),     COLUMN(store_request, resource, COLUMN_TEXT),
    COLUMN(store_request, created_ns, COLUMN_LONG),
};
/* An id is the principal's own, whom the method names. */
const struct table request_table = {"requests", request_columns,
                                    sizeof(request_columns) / sizeof(request_columns[0]),
                                    "created_ns, request_id", "method, request_id"};

static const struct column identity_columns[] = {
    COLUMN(identity, principal, COLUMN_TEXT),  COLUMN(identity, role, COLUMN_INT),
    COLUMN(identity, serial, COLUMN_TEXT),     COLUMN(identity, previous_serial, COLUMN_TEXT),
    COLUMN(identity, revoked, COLUMN_BOOL),    COLUMN(identity, expires_ns, COLUMN_LONG),
    COLUMN(identity, created_ns, COLUMN_LONG), COLUMN(identity, scope, COLUMN_LABELS),
};
const struct table identity_table = TABLE("identities", identity_columns, "created_ns, principal");

static const struct column token_columns[] = {
    COLUMN(token, key, COLUMN_TEXT),        COLUMN(token, principal, COLUMN_TEXT),
    COLUMN(token, role, COLUMN_INT),        COLUMN(token, expires_ns, COLUMN_LONG),
    COLUMN(token, created_ns, COLUMN_LONG), COLUMN(token, scope, COLUMN_LABELS),
};
const struct table token_table = TABLE("tokens", token_columns, "created_ns, key");

static const struct column audit_columns[] = {
    COLUMN(audit_entry, seq, COLUMN_LONG),          COLUMN(audit_entry, time_ns, COLUMN_LONG),
    COLUMN(audit_entry, principal, COLUMN_TEXT),    COLUMN(audit_entry, role, COLUMN_INT),
    COLUMN(audit_entry, address, COLUMN_TEXT),      COLUMN(audit_entry, method, COLUMN_TEXT),
    COLUMN(audit_entry, resource, COLUMN_TEXT),     COLUMN(audit_entry, code, COLUMN_INT),
    COLUMN(audit_entry, operation_id, COLUMN_TEXT), COLUMN(audit_entry, suppressed, COLUMN_INT),
    COLUMN(audit_entry, begun, COLUMN_BOOL),
};
const struct table audit_table = TABLE("audit", audit_columns, "seq");
