/* Schema versions; see migrations.h. */
#include "daemon/store/migrations.h"

#include <stdio.h>

#include "base/err.h"
#include "base/id.h"
#include "daemon/store/column.h"

static const char version_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE kernels ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, vmlinux_path TEXT NOT NULL,"
    " initramfs_path TEXT NOT NULL, version TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE images ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, format INTEGER NOT NULL,"
    " path TEXT NOT NULL, file_bytes INTEGER NOT NULL, virtual_bytes INTEGER NOT NULL,"
    " os TEXT NOT NULL, kernel_id TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE vms ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image TEXT NOT NULL,"
    " image_id TEXT NOT NULL, kernel_id TEXT NOT NULL, driver TEXT NOT NULL,"
    " cpus INTEGER NOT NULL, memory_bytes INTEGER NOT NULL, disk_bytes INTEGER NOT NULL,"
    " work_disk_bytes INTEGER NOT NULL, net INTEGER NOT NULL, run_init INTEGER NOT NULL,"
    " ephemeral INTEGER NOT NULL, state INTEGER NOT NULL, failed_stage TEXT NOT NULL,"
    " last_error TEXT NOT NULL, guest_ip TEXT NOT NULL, dns_name TEXT NOT NULL,"
    " vm_dir TEXT NOT NULL, api_sock_path TEXT NOT NULL, agent_sock_path TEXT NOT NULL,"
    " vsock_cid INTEGER NOT NULL, log_path TEXT NOT NULL, metrics_path TEXT NOT NULL,"
    " system_overlay TEXT NOT NULL, work_disk_path TEXT NOT NULL, labels TEXT NOT NULL,"
    " generation INTEGER NOT NULL, boot_id TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " updated_ns INTEGER NOT NULL, started_ns INTEGER NOT NULL, stopped_ns INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE sessions ("
    " id TEXT PRIMARY KEY, vm_id TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL, argv BLOB NOT NULL, env BLOB NOT NULL, tags BLOB NOT NULL,"
    " required_commands BLOB NOT NULL, clear_env INTEGER NOT NULL, tty INTEGER NOT NULL,"
    " tty_rows INTEGER NOT NULL, tty_columns INTEGER NOT NULL, cwd TEXT NOT NULL,"
    " user_name TEXT NOT NULL, group_name TEXT NOT NULL, stdin_mode INTEGER NOT NULL,"
    " spool_bytes INTEGER NOT NULL, drain_ms INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,"
    " umask INTEGER NOT NULL, state INTEGER NOT NULL, failed_stage TEXT NOT NULL,"
    " lost_reason TEXT NOT NULL, last_error TEXT NOT NULL, failed_errno INTEGER NOT NULL,"
    " exit_kind INTEGER NOT NULL, exit_code INTEGER NOT NULL, exit_signo INTEGER NOT NULL,"
    " timed_out INTEGER NOT NULL, guest_pid INTEGER NOT NULL, stdout_total INTEGER NOT NULL,"
    " stderr_total INTEGER NOT NULL, stdin_acked INTEGER NOT NULL,"
    " stdout_ended INTEGER NOT NULL, stderr_ended INTEGER NOT NULL,"
    " stdin_closed INTEGER NOT NULL, writer_generation INTEGER NOT NULL,"
    " created_ns INTEGER NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL,"
    " updated_ns INTEGER NOT NULL) STRICT;"
    "CREATE INDEX sessions_by_vm ON sessions (vm_id);"
    "CREATE TABLE operations ("
    " id TEXT PRIMARY KEY, kind TEXT NOT NULL, resource TEXT NOT NULL, request_id TEXT NOT NULL,"
    " request_digest TEXT NOT NULL, principal TEXT NOT NULL, state INTEGER NOT NULL,"
    " step INTEGER NOT NULL, stage TEXT NOT NULL, percent INTEGER NOT NULL,"
    " message TEXT NOT NULL, cancel_asked INTEGER NOT NULL, error_code INTEGER NOT NULL,"
    " error_reason TEXT NOT NULL, error_stage TEXT NOT NULL, error_message TEXT NOT NULL,"
    " result TEXT NOT NULL, params TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " updated_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL) STRICT;"
    "CREATE INDEX operations_by_end ON operations (ended_ns);"
    "CREATE TABLE events ("
    " seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL,"
    " resource TEXT NOT NULL, detail TEXT NOT NULL, operation_id TEXT NOT NULL) STRICT;"
    "CREATE TABLE requests ("
    " request_id TEXT PRIMARY KEY, method TEXT NOT NULL, digest TEXT NOT NULL,"
    " resource TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;";

/* Who may come over TLS. */
static const char version_2[] =
    "CREATE TABLE identities ("
    " principal TEXT PRIMARY KEY, role INTEGER NOT NULL, serial TEXT NOT NULL,"
    " previous_serial TEXT NOT NULL, revoked INTEGER NOT NULL, expires_ns INTEGER NOT NULL,"
    " created_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE tokens ("
    " key TEXT PRIMARY KEY, principal TEXT NOT NULL, role INTEGER NOT NULL,"
    " expires_ns INTEGER NOT NULL, created_ns INTEGER NOT NULL) STRICT;";

/* Who did what. */
static const char version_3[] =
    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, principal TEXT NOT NULL,"
    " role INTEGER NOT NULL, address TEXT NOT NULL, method TEXT NOT NULL,"
    " resource TEXT NOT NULL, code INTEGER NOT NULL, operation_id TEXT NOT NULL,"
    " suppressed INTEGER NOT NULL) STRICT;";

/* Roles for a part of the VMs. */
static const char version_4[] =
    "ALTER TABLE identities ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE events ADD COLUMN vm_id TEXT NOT NULL DEFAULT '';";

/* Calls that go on for long are written as they begin, too. */
static const char version_5[] = "ALTER TABLE audit ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;";

/* Two principals may choose the same request id. */
static const char version_6[] =
    "ALTER TABLE requests RENAME TO requests_5;"
    "CREATE TABLE requests ("
    " request_id TEXT NOT NULL, method TEXT NOT NULL, digest TEXT NOT NULL,"
    " resource TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " PRIMARY KEY (method, request_id)) STRICT;"
    "INSERT INTO requests (request_id, method, digest, resource, created_ns)"
    " SELECT request_id, method, digest, resource, created_ns FROM requests_5;"
    "DROP TABLE requests_5;";

/* What the host was told; updates that wait for their turn. */
static const char version_7[] =
    "CREATE TABLE host_settings ("
    " id INTEGER PRIMARY KEY CHECK (id = 1), draining INTEGER NOT NULL, boot_id TEXT NOT NULL)"
    " STRICT;"
    "CREATE TABLE vm_updates ("
    " operation_id TEXT PRIMARY KEY, set_labels TEXT NOT NULL, remove_labels TEXT NOT NULL,"
    " scope TEXT NOT NULL) STRICT;";

/* Policies of VMs. What lives now is wanted alive. */
static const char version_8[] =
    "ALTER TABLE vms ADD COLUMN expire_after_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN idle_stop_after_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN restart_policy INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE vms ADD COLUMN autostart INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN restart_streak INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN restart_reason TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE vms ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN expires_ns INTEGER NOT NULL DEFAULT 0;"
    "UPDATE vms SET wanted = 1 WHERE state IN (3, 4, 5, 10);";

/* What a principal's request id stood for, when memory has forgotten it. */
static const char version_9[] =
    "CREATE INDEX operations_by_request ON operations (principal, request_id)"
    " WHERE request_id <> '';";

/* Sessions that were deleted and that an agent may still have. Until now the event log said which,
 * as far back as it goes. */
static const char version_10[] =
    "CREATE TABLE session_deletions ("
    " session_id TEXT PRIMARY KEY,"
    " vm_id TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE) STRICT;"
    "CREATE INDEX session_deletions_by_vm ON session_deletions (vm_id);"
    "INSERT OR IGNORE INTO session_deletions (session_id, vm_id)"
    " SELECT substr(resource, 9), vm_id FROM events WHERE kind = 'session.deleted'"
    " AND resource LIKE 'session/%' AND vm_id IN (SELECT id FROM vms);";

/* Output that waits for its reader; sessions that outlive their deletion by what they left. */
static const char version_11[] =
    "ALTER TABLE sessions ADD COLUMN hold_output INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN forget INTEGER NOT NULL DEFAULT 0;";

/* VMs that are their creator's only as long as it is heard of. */
static const char version_12[] =
    "ALTER TABLE vms ADD COLUMN lease_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN lease_holder TEXT NOT NULL DEFAULT '';";

/* What system disks are made as: qcow2 layers until now, and files of nothing for guests that are
 * processes. */
static const char version_13[] = "ALTER TABLE vms ADD COLUMN storage INTEGER NOT NULL DEFAULT 1;"
                                 "UPDATE vms SET storage = 4 WHERE driver = 'sim';";

/* Sessions whose specs say more: how their processes are bounded, whom they wait for, when they are
 * stopped and deleted by themselves. */
static const char version_14[] =
    "ALTER TABLE sessions ADD COLUMN merge_stderr INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN rlimits BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE sessions ADD COLUMN nice INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN oom_score_adj INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN output_policy INTEGER NOT NULL DEFAULT 1;"
    "UPDATE sessions SET output_policy = 2 WHERE hold_output = 1;"
    "ALTER TABLE sessions DROP COLUMN hold_output;"
    "ALTER TABLE sessions ADD COLUMN drain_policy INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE sessions ADD COLUMN stop_unwatched_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN stop_unwatched_from_start INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN delete_ended_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN stdout_acked INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN stderr_acked INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN watched INTEGER NOT NULL DEFAULT 0;";

/* Services, and whose runs sessions are. */
static const char version_15[] =
    "ALTER TABLE sessions ADD COLUMN service_id TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE services ("
    " id TEXT PRIMARY KEY, vm_id TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL, argv BLOB NOT NULL, env BLOB NOT NULL, tags BLOB NOT NULL,"
    " required_commands BLOB NOT NULL, clear_env INTEGER NOT NULL, tty INTEGER NOT NULL,"
    " output_policy INTEGER NOT NULL, drain_policy INTEGER NOT NULL, tty_rows INTEGER NOT NULL,"
    " tty_columns INTEGER NOT NULL, cwd TEXT NOT NULL, user_name TEXT NOT NULL,"
    " group_name TEXT NOT NULL, stdin_mode INTEGER NOT NULL, spool_bytes INTEGER NOT NULL,"
    " drain_ms INTEGER NOT NULL, timeout_ms INTEGER NOT NULL, umask INTEGER NOT NULL,"
    " merge_stderr INTEGER NOT NULL, rlimits BLOB NOT NULL, nice INTEGER NOT NULL,"
    " oom_score_adj INTEGER NOT NULL, stop_unwatched_ms INTEGER NOT NULL,"
    " stop_unwatched_from_start INTEGER NOT NULL, delete_ended_ms INTEGER NOT NULL,"
    " restart_policy INTEGER NOT NULL, restarts_max INTEGER NOT NULL,"
    " backoff_first_ms INTEGER NOT NULL, backoff_max_ms INTEGER NOT NULL,"
    " healthy_ms INTEGER NOT NULL, after_names BLOB NOT NULL, wanted INTEGER NOT NULL,"
    " runs INTEGER NOT NULL, restarts INTEGER NOT NULL, judged TEXT NOT NULL,"
    " settled_boot TEXT NOT NULL, failed INTEGER NOT NULL, last_error TEXT NOT NULL,"
    " created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, UNIQUE (vm_id, name)) STRICT;";

/* Guests that boot their own way and are reached over SSH. */
static const char version_16[] =
    "ALTER TABLE vms ADD COLUMN ssh_user TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE vms ADD COLUMN ssh_port INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN ssh_key TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE vms ADD COLUMN kernel_arguments TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE vms ADD COLUMN ssh_host_key TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE kernels ADD COLUMN own_initrd INTEGER NOT NULL DEFAULT 0;";

/* What runs in a guest before its VM is stopped, and what says whether a service is ready. */
static const char version_17[] =
    "ALTER TABLE vms ADD COLUMN stop_hook BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE vms ADD COLUMN stop_hook_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN hook TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE services ADD COLUMN ready_argv BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE services ADD COLUMN ready_interval_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN ready_timeout_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN ready_retries INTEGER NOT NULL DEFAULT 0;";

/* What a VM's processes on its host may use. */
static const char version_18[] =
    "ALTER TABLE vms ADD COLUMN memory_max_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN cpu_quota_percent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vms ADD COLUMN tasks_max INTEGER NOT NULL DEFAULT 0;";

/* Where guests may connect to. */
static const char version_19[] =
    "ALTER TABLE vms ADD COLUMN egress INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE vms ADD COLUMN egress_allow BLOB NOT NULL DEFAULT x'';";

/* Ports of VMs at addresses of their host, and names that are answered. */
static const char version_20[] = "ALTER TABLE vms ADD COLUMN publish BLOB NOT NULL DEFAULT x'';"
                                 "ALTER TABLE vms ADD COLUMN published BLOB NOT NULL DEFAULT x'';"
                                 "UPDATE vms SET dns_name = name || '.vm';";

static const char *const migrations[] = {
    version_1,  version_2,  version_3,  version_4,  version_5,  version_6,  version_7,
    version_8,  version_9,  version_10, version_11, version_12, version_13, version_14,
    version_15, version_16, version_17, version_18, version_19, version_20};

int migrations_newest(void)
{
    return (int)(sizeof(migrations) / sizeof(migrations[0]));
}

int migrations_version(sqlite3 *db, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    else
        store_sqlite_error(db, err, "cannot read the schema version");
    sqlite3_finalize(stmt);
    return version;
}

static int apply_one(sqlite3 *db, int version, struct err *err)
{
    char stamp[160];
    char epoch[ID_BYTES] = "";
    if (version == 1)
        id_make(epoch);
    snprintf(stamp, sizeof(stamp), "%s%s%s PRAGMA user_version = %d; COMMIT;",
             *epoch ? "INSERT INTO meta VALUES ('epoch', '" : "", epoch, *epoch ? "');" : "",
             version);
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, migrations[version - 1], NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, stamp, NULL, NULL, NULL) != SQLITE_OK) {
        store_sqlite_error(db, err, "migration failed");
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return err_wrap(err, "cannot bring the database to schema version %d", version);
    }
    return 0;
}

int migrations_apply(sqlite3 *db, int target, struct err *err)
{
    int newest = target ? target : migrations_newest();
    int version = migrations_version(db, err);
    if (version < 0)
        return -1;
    if (version > newest)
        return err_set(err, ERR_PRECONDITION,
                       "the database has schema version %d, this program knows %d: use the newer "
                       "program, or another state folder",
                       version, newest);
    while (version < newest)
        if (apply_one(db, ++version, err) < 0)
            return -1;
    return 0;
}
