/* What the daemon knows, as plain structs: no pointers into anything, no I/O, no protobuf, no SQL.
 *
 * Below store, vmm, guest, host and core, which all speak of the same things. Strings are fixed
 * arrays, so that a struct is copied by value to a worker and back; what is large and mostly empty
 * is owned, and then there is a …_copy and a …_done. Every array is a limit that the services check
 * at the door. Times are Unix nanoseconds, 0 where it has not happened. */
#ifndef BANGER_DAEMON_MODEL_MODEL_H
#define BANGER_DAEMON_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#include "base/id.h"

enum {
    NAME_BYTES = 64,         /* DNS label and NUL */
    PATH_BYTES = 512,        /* files under the state folder */
    VM_PATH_BYTES = 128,     /* those of a VM: its sockets' paths are bounded, and so are they */
    SOCKET_PATH_BYTES = 108, /* sun_path */
    TEXT_BYTES = 512,        /* error texts, reasons */
    DIGEST_BYTES = 72,       /* "sha256:" and 64 hex digits */
    PARAMS_BYTES = 1024,     /* an operation's parameters */
    LABELS_MAX = 32,
    LABEL_KEY_BYTES = 64,
    LABEL_VALUE_BYTES = 128,
};

struct label {
    char key[LABEL_KEY_BYTES], value[LABEL_VALUE_BYTES];
};

struct labels {
    uint32_t n;
    struct label at[LABELS_MAX];
};

/* Labels that a record owns: as many as there are, where struct labels has room for all that there
 * may be. */
struct label_list {
    uint32_t n;
    struct label *at;
};

enum vm_state { /* values of banger.v1.VMState */
                VM_STATE_UNSPECIFIED = 0,
                VM_PENDING = 1,
                VM_PREPARING = 2,
                VM_STARTING = 3,
                VM_RUNNING = 4,
                VM_PAUSED = 5,
                VM_STOPPING = 6,
                VM_STOPPED = 7,
                VM_FAILED = 8,
                VM_DELETING = 9,
                VM_UNKNOWN = 10, /* evidence is missing; never shown as STOPPED */
};

enum restart_policy { RESTART_NEVER = 1, RESTART_ON_FAILURE = 2, RESTART_ALWAYS = 3 };

/* What the VM is to be, as far as starting it without being asked goes. */
enum vm_wanted { VM_WANTED_STOPPED = 0, VM_WANTED_RUNNING = 1 };

enum net_mode { NET_NONE = 1, NET_USER = 2, NET_BRIDGE = 3, NET_TAP = 4 };

/* What a system disk is made as. */
enum storage { /* values of banger.v1.Storage */
               STORAGE_QCOW2 = 1,
               STORAGE_COPY = 2,
               STORAGE_REFLINK = 3,
               STORAGE_EMPTY = 4,
               STORAGE_DM_SNAPSHOT = 5,
               N_STORAGES,
};

/* Byte vector that a struct owns: for the few things too large for an array. */
struct blob {
    uint8_t *data;
    size_t len;
};

/* A command that runs in a guest before something is done to its VM. */
struct vm_hook {
    struct blob argv;    /* NUL-terminated strings, one after another; owned; empty: none */
    uint32_t timeout_ms; /* until it is killed, and not waited for any more */
};

enum { VM_HOOK_ARGS_MAX = 64, VM_HOOK_BYTES = 4096 };

enum {
    SSH_HOST_KEY_BYTES = 96, /* "ssh-ed25519 SHA256:…" */
    SSH_USER_BYTES = 33,
    KERNEL_ARGUMENTS_BYTES = 256,
};

/* How the daemon reaches a VM's agent; never on disk. Each has a table channel_NAME in
 * daemon/guest. */
#define GUEST_CHANNEL_KINDS(X)           X(UNIX, unix) X(VSOCK, vsock) X(SSH, ssh)
#define GUEST_CHANNEL_VALUE(value, name) GUEST_CHANNEL_##value,
enum guest_channel_kind { GUEST_CHANNEL_KINDS(GUEST_CHANNEL_VALUE) };
#undef GUEST_CHANNEL_VALUE

/* How a guest that boots its own way is reached. */
struct vm_ssh {
    char user[SSH_USER_BYTES]; /* "": it is not */
    uint32_t port;
    char key[NAME_BYTES]; /* in STATE/ssh_keys; "": the VM's own */
};

enum egress_mode { /* values of banger.v1.EgressMode; 0: ALL */
                   EGRESS_ALL = 1,
                   EGRESS_NONE = 2,
                   EGRESS_LIST = 3,
};

/* Where a guest may connect to; egress.h reads what is allowed. */
struct vm_egress {
    enum egress_mode mode;
    struct blob allow; /* of LIST: texts of entries, NUL-terminated; owned */
};

enum { VM_EGRESS_BYTES = 64 * 64 };

/* What a VM's processes on its host may use altogether; 0: as much as there is. */
struct vm_limits {
    uint64_t memory_max_bytes;
    uint32_t cpu_quota_percent; /* of one CPU */
    uint32_t tasks_max;         /* threads */
};

/* Intent: what the user asked for. */
/* A guest's network, IPv4; "": none of that. */
struct guest_network {
    char address[16], netmask[16], gateway[16], dns[16];
    unsigned prefix;       /* that netmask says */
    uint32_t window_bytes; /* of TCP over the gateway; 0: the guest's own */
};

struct vm_spec {
    char image[NAME_BYTES * 2]; /* reference as given */
    char image_id[ID_BYTES];    /* as resolved at creation */
    char kernel_id[ID_BYTES];
    char driver[16]; /* qemu, sim, … */
    uint32_t cpus;
    uint64_t memory_bytes;
    uint64_t disk_bytes;      /* virtual size of the system disk; 0: the image's */
    uint64_t work_disk_bytes; /* 0: none */
    enum storage storage;     /* as chosen at creation */
    enum net_mode net;
    bool run_init;               /* run the image's init where it has one */
    bool ephemeral;              /* deleted when it stops (--rm) */
    uint64_t expire_after_ms;    /* as last asked for; expires_ns has the time; 0: never */
    uint64_t idle_stop_after_ms; /* 0: never */
    enum restart_policy restart;
    bool autostart;    /* started with the daemon if wanted RUNNING */
    uint64_t lease_ms; /* deleted so long after its creator was last heard; 0: none */
    struct vm_hook stop_hook;
    struct vm_ssh ssh;
    char kernel_arguments[KERNEL_ARGUMENTS_BYTES];
    struct vm_limits limits;
    struct blob publish; /* owned; vm_publish.h */
    struct vm_egress egress;
};

/* Durable identity and deterministic paths. Nothing that a kernel hands out belongs here. */
struct vm_runtime {
    enum vm_state state;
    char failed_stage[32]; /* VM_FAILED: the step that failed */
    char last_error[TEXT_BYTES];
    char guest_ip[48];
    char dns_name[NAME_BYTES + 16];
    char vm_dir[VM_PATH_BYTES];
    char api_sock_path[SOCKET_PATH_BYTES];   /* QMP or Firecracker API */
    char agent_sock_path[SOCKET_PATH_BYTES]; /* guest channel: vsock_path in the contract */
    uint32_t vsock_cid;
    char log_path[VM_PATH_BYTES]; /* console */
    char metrics_path[VM_PATH_BYTES];
    char system_overlay[VM_PATH_BYTES];
    char work_disk_path[VM_PATH_BYTES];
    /* Restarts by policy, see supervise.h: since the last start that was asked for, and since it
     * last ran for long. */
    uint32_t restarts, restart_streak;
    char restart_reason[128]; /* of the latest */
    struct blob published;    /* spec.publish with the ports that it has or had; owned */
};

struct vm {
    char id[ID_BYTES];
    char name[NAME_BYTES];
    struct vm_spec spec;
    struct vm_runtime runtime;
    uint64_t generation; /* counts changes of spec, name and labels */
    char boot_id[40];    /* the guest's, of its latest boot */
    enum vm_wanted wanted;
    int64_t created_ns, updated_ns, started_ns, stopped_ns;
    int64_t expires_ns;                    /* deleted then */
    char lease_holder[128];                /* principal of its creator; "" without a lease */
    char ssh_host_key[SSH_HOST_KEY_BYTES]; /* that its guest has to show; "": not seen yet */
    struct label_list labels;              /* owned: see vm_copy, vm_done */
};

/* What the host as a whole was told, and what the last daemon saw of it: one row. */
struct host_settings {
    int id;           /* HOST_SETTINGS_ID */
    bool draining;    /* takes nothing new */
    char boot_id[40]; /* the host's, when a daemon last started */
};

enum { HOST_SETTINGS_ID = 1 };

/* The labels of a vm.update that waits for its turn; the rest is in the operation's params. */
struct vm_update_labels {
    char operation_id[ID_BYTES];
    struct labels set, remove; /* of remove the keys count */
    struct labels scope;       /* of who asked; none: for everything */
};

/* A session that was deleted, as long as its VM's agent may have it. */
struct session_deletion {
    char session_id[ID_BYTES];
    char vm_id[ID_BYTES];
};

/* What is true now; in memory and in handles.json, never in SQLite. */
struct vm_handles {
    pid_t pid;               /* 0: no process */
    uint64_t pid_start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
    char host_boot_id[40];   /* the boot in which the pid means anything */
    char tap_device[16];
    char base_loop[32], cow_loop[32];
    char dm_name[64], dm_dev[32];
};

/* Output that can still be read in a guest, as its agent said last. */
struct kept_output {
    bool known;
    uint64_t ended_bytes, ended_limit_bytes; /* of ended sessions, and what that may be */
    uint64_t live_bytes;                     /* of the others */
};

enum session_state { /* values of banger.v1.SessionState */
                     SESSION_STATE_UNSPECIFIED = 0,
                     SESSION_PENDING = 1,
                     SESSION_STARTING = 2,
                     SESSION_RUNNING = 3,
                     SESSION_STOPPING = 4,
                     SESSION_EXITED = 5,
                     SESSION_FAILED = 6,
                     SESSION_LOST = 7,
};

enum session_exit_kind {
    SESSION_EXIT_NONE = 0,
    SESSION_EXIT_CODE,
    SESSION_EXIT_SIGNAL,
    SESSION_EXIT_OOM
};

enum session_stdin { SESSION_STDIN_NONE = 0, SESSION_STDIN_PIPE = 1 };

enum {
    SESSION_ARGV_BYTES = 65536, /* NUL-terminated strings, one after another */
    SESSION_ENV_BYTES = 32768,
    SESSION_TAGS_BYTES = 4096,
    SESSION_COMMANDS_BYTES = 4096,
    SESSION_RLIMITS_BYTES = 1024,
    SERVICE_AFTER_BYTES = 1024,
};

enum output_policy { /* values of banger.v1.OutputPolicy */
                     OUTPUT_DROP_OLDEST = 1,
                     OUTPUT_HOLD = 2,
                     OUTPUT_BLOCK = 3,
                     OUTPUT_UNTIL_ACKNOWLEDGED = 4,
                     /* HOLD, with drop_taken; no value of it */
                     OUTPUT_HOLD_DROP_TAKEN = 64,
};

static inline bool output_is_held(enum output_policy policy)
{
    return policy == OUTPUT_HOLD || policy == OUTPUT_BLOCK || policy == OUTPUT_HOLD_DROP_TAKEN;
}

enum drain_policy { /* values of banger.v1.DrainPolicy */
                    DRAIN_AFTER_QUIET = 1,
                    DRAIN_UNTIL_CLOSED = 2,
                    DRAIN_CUT = 3,
};

/* A command and what it runs in, as it was asked for. Its blobs are owned. */
struct session_spec {
    struct blob argv, env, tags, required_commands;
    struct blob rlimits; /* texts of base/rlimit.h */
    bool clear_env, tty, merge_stderr;
    enum output_policy output_policy; /* whom the process waits for */
    enum drain_policy drain_policy;
    uint32_t rows, columns;
    char cwd[1024], user[64], group[64];
    enum session_stdin stdin_mode;
    uint64_t spool_bytes; /* per stream; 0: default */
    uint32_t drain_ms, timeout_ms, umask;
    int nice, oom_score_adj;
    uint64_t stop_unwatched_ms, delete_ended_ms; /* 0: never */
    bool stop_unwatched_from_start;
};

struct session {
    char id[ID_BYTES];
    char vm_id[ID_BYTES];
    char name[NAME_BYTES];     /* unique among the VM's sessions; "" allowed */
    char service_id[ID_BYTES]; /* of the service whose run it is; "": none's */
    char hook[16];             /* of its VM, before this: "stop"; "": none of its hooks */
    struct session_spec spec;
    enum session_state state;
    char failed_stage[32]; /* SESSION_FAILED */
    char lost_reason[32];  /* SESSION_LOST: vm_stopped, vm_lost, guest_panic, agent_lost */
    char last_error[TEXT_BYTES];
    int failed_errno;
    enum session_exit_kind exit_kind;
    int exit_code, exit_signo;
    bool timed_out;
    uint32_t guest_pid;
    uint64_t stdout_total, stderr_total, stdin_acked;
    uint64_t stdout_acked, stderr_acked; /* stored elsewhere, as somebody has said */
    bool stdout_ended, stderr_ended, stdin_closed;
    bool watched; /* it had an attach; kept where stop_unwatched_ms is set */
    bool forget;  /* is deleted when nothing of it is left in the guest */
    uint64_t writer_generation;
    int64_t created_ns, started_ns, ended_ns, updated_ns;
};

/* A command that says whether a service is ready. Its blob is owned. */
struct guest_service_readiness {
    struct blob argv; /* NUL-terminated strings; empty: it is ready when it runs */
    uint32_t interval_ms, timeout_ms;
    uint32_t retries; /* failures in a row after which it is not ready any more */
};

enum { READINESS_ARGS_MAX = 31, READINESS_BYTES = 4096 };

/* When a service is started again, and after what. Its blobs are owned. */
struct guest_service_policy {
    enum restart_policy restart;
    uint32_t restarts_max; /* in a row; 0: no bound */
    uint64_t backoff_first_ms, backoff_max_ms;
    uint64_t healthy_ms; /* a run of so long ends the row */
    struct blob after;   /* names of services of the VM, NUL-terminated */
    struct guest_service_readiness readiness;
};

/* How a service does: what has to be known of it to the next daemon. */
struct guest_service_course {
    uint32_t runs, restarts; /* restarts: in a row */
    char judged[ID_BYTES];   /* the latest run whose end was counted */
    char settled_boot[40];   /* boot of the guest in which it is not started again; "": none */
    bool failed;             /* because it has failed */
    char last_error[TEXT_BYTES];
};

/* A command that runs whenever its VM does; see daemon/core/supervise/guest_service.h. */
struct guest_service {
    char id[ID_BYTES];
    char vm_id[ID_BYTES];
    char name[NAME_BYTES]; /* unique among the VM's services */
    struct session_spec spec;
    struct guest_service_policy policy;
    bool wanted;
    struct guest_service_course course;
    int64_t created_ns, updated_ns;
};

enum image_format { IMAGE_RAW = 1, IMAGE_QCOW2 = 2 };

struct image {
    char id[ID_BYTES];
    char name[NAME_BYTES * 2]; /* "debian-bookworm" */
    char digest[DIGEST_BYTES]; /* of the file */
    enum image_format format;
    char path[PATH_BYTES];
    uint64_t file_bytes, virtual_bytes;
    char os[128];             /* PRETTY_NAME of the root filesystem */
    char kernel_id[ID_BYTES]; /* default kernel for it */
    int64_t created_ns;
};

struct kernel {
    char id[ID_BYTES];
    char name[NAME_BYTES * 2]; /* "debian-6.1.0-40-cloud-amd64" */
    char digest[DIGEST_BYTES]; /* of vmlinux */
    char vmlinux_path[PATH_BYTES];
    char initramfs_path[PATH_BYTES]; /* agent and modules; or the guest's own initrd */
    bool own_initrd;
    char version[128];
    int64_t created_ns;
};

enum {
    PRINCIPAL_BYTES = 128,
    SERIAL_BYTES = 44,   /* of a certificate, in hex */
    KEY_HASH_BYTES = 72, /* SHA-256 of a key in hex, and NUL */
};

/* Who may come over TLS. Only certificates with one of the two serials count: those before are
 * worth nothing, whoever holds them. */
struct identity {
    char principal[PRINCIPAL_BYTES];
    int role;                           /* of banger.v1.Role */
    char serial[SERIAL_BYTES];          /* of the newest certificate */
    char previous_serial[SERIAL_BYTES]; /* of the one before, after a rotation; "" */
    bool revoked;
    struct labels scope; /* of the VMs that its role holds for; none: for everything */
    int64_t expires_ns;  /* of the newest certificate */
    int64_t created_ns;
};

/* A one-time token that has not been used. */
struct token {
    char key[KEY_HASH_BYTES]; /* hash of the key that it stands for, in hex */
    char principal[PRINCIPAL_BYTES];
    int role;
    struct labels scope;
    int64_t expires_ns, created_ns;
};

/* One line of the audit log. */
struct audit_entry {
    uint64_t seq;
    int64_t time_ns;
    char principal[PRINCIPAL_BYTES];
    int role;          /* of banger.v1.Role, as it was then */
    char address[64];  /* where the caller was */
    char method[96];   /* its path */
    char resource[96]; /* vm/ID; or as the caller named it */
    int code;          /* enum err_code */
    char operation_id[ID_BYTES];
    uint32_t suppressed; /* denied calls before this one that were not written */
    bool begun;          /* of a call that goes on */
};

enum op_state { /* values of banger.v1.OperationState */
                OP_STATE_UNSPECIFIED = 0,
                OP_PENDING = 1,
                OP_RUNNING = 2,
                OP_UNDOING = 3,
                OP_SUCCEEDED = 4,
                OP_FAILED = 5,
                OP_CANCELLED = 6,
};

struct operation {
    char id[ID_BYTES];
    char kind[32];       /* vm.create, vm.start, image.build, … */
    char resource[96];   /* vm/ID */
    char request_id[64]; /* the client's; "" without */
    char request_digest[DIGEST_BYTES];
    char principal[128];
    enum op_state state;
    uint32_t step;  /* index into the kind's step table: the one under way or next */
    char stage[32]; /* its name */
    uint32_t percent;
    char *message; /* this one and the next two are owned; NULL for "" */
    bool cancel_asked;
    int error_code; /* enum err_code of the failure */
    char error_reason[40], error_stage[32], *error_message;
    char result[96]; /* resource that came of it: vm/ID */
    char *params;    /* JSON: what the steps need besides the resource */
    int64_t created_ns, updated_ns, ended_ns;
};

struct event {
    uint64_t seq;
    int64_t time_ns;
    char kind[48]; /* vm.state, session.state, operation.state, image.created, … */
    char resource[96];
    char detail[TEXT_BYTES]; /* "RUNNING", or a reason */
    char operation_id[ID_BYTES];
    char vm_id[ID_BYTES]; /* of the VM that the resource is or belongs to; "": none */
};

/* Names for logs, handles and tests: "RUNNING". Never NULL. */
const char *vm_state_name(enum vm_state state);
const char *session_state_name(enum session_state state);
const char *op_state_name(enum op_state state);

static inline bool op_is_terminal(enum op_state s)
{
    return s == OP_SUCCEEDED || s == OP_FAILED || s == OP_CANCELLED;
}

static inline bool session_is_terminal(enum session_state s)
{
    return s == SESSION_EXITED || s == SESSION_FAILED || s == SESSION_LOST;
}

/* Whether there is each of the selector's labels; an empty selector matches everything. */
bool labels_have(const struct labels *labels, const struct labels *selector);
bool label_list_have(const struct label_list *list, const struct labels *selector);
/* Keys are of 1 to 63 characters of a-z 0-9 . _ / -, each given once. ERR_INVALID (INVALID_LABEL).
 */
int labels_check(const struct labels *labels, struct err *err);
/* Copies; of the first -1 out of memory, which leaves the list. */
int label_list_set(struct label_list *list, const struct labels *labels);
void label_list_get(const struct label_list *list, struct labels *labels);
/* Deep copy (0 / -1 out of memory) and release; that of NULL is fine. */
int vm_copy(struct vm *to, const struct vm *from);
void vm_done(struct vm *vm);
void vm_spec_done(struct vm_spec *spec);
/* Owned blobs: deep copy (0 / -1 out of memory) and release. */
int session_spec_copy(struct session_spec *to, const struct session_spec *from);
void session_spec_done(struct session_spec *spec);
int session_copy(struct session *to, const struct session *from);
void session_done(struct session *s);
int guest_service_copy(struct guest_service *to, const struct guest_service *from);
void guest_service_done(struct guest_service *s);
int blob_set(struct blob *b, const void *data, size_t len);
/* The same for texts of operations, which are kept by the thousand and mostly empty. */
int operation_copy(struct operation *to, const struct operation *from);
void operation_done(struct operation *op);
/* Makes an owned text a copy of the other (NULL, "": none); -1 out of memory, which leaves it. */
int text_set(char **to, const char *from);
static inline const char *text_get(const char *text)
{
    return text ? text : "";
}

#endif
