/* See corpus_rows.h. What corpus_test.c looks at is said here; all else is the sample's, so that a
 * new column is in the next database too. */
#include "tests/unit/store/corpus_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/model.h"
#include "daemon/store/store.h"
#include "tests/support/sample.h"

#define VM_ID             "0123456789abcdef"
#define TEXT(field, text) snprintf(field, sizeof(field), "%s", text)

static void set_label(struct labels *labels, const char *key, const char *value)
{
    memset(labels, 0, sizeof(*labels));
    labels->n = 1;
    TEXT(labels->at[0].key, key);
    TEXT(labels->at[0].value, value);
}

static void put_vm(struct store_txn *txn)
{
    struct vm vm = {.id = ""};
    static const struct labels labels = {.n = 2, .at = {{"colour", "red"}, {"team", "a"}}};
    sample_fill(&vm_table, &vm);
    TEXT(vm.id, VM_ID);
    TEXT(vm.name, "box");
    TEXT(vm.spec.image, "debian-bookworm");
    TEXT(vm.spec.image_id, "1123456789abcdef");
    TEXT(vm.spec.kernel_id, "2123456789abcdef");
    TEXT(vm.spec.driver, "qemu");
    vm.spec.cpus = 3;
    vm.spec.memory_bytes = 805306368;
    vm.spec.disk_bytes = UINT64_C(5368709120);
    vm.spec.work_disk_bytes = 1073741824;
    vm.spec.net = NET_USER;
    vm.spec.storage = STORAGE_COPY;
    vm.spec.ephemeral = false;
    vm.spec.restart = RESTART_ON_FAILURE;
    vm.spec.expire_after_ms = 3600000;
    vm.spec.limits.memory_max_bytes = 1610612736;
    static const char allow[] = "192.0.2.0/24:443\0"
                                "192.168.1.1";
    vm.spec.egress.mode = EGRESS_LIST;
    if (blob_set(&vm.spec.egress.allow, allow, sizeof(allow)) < 0)
        abort();
    vm.runtime.state = VM_FAILED;
    TEXT(vm.runtime.failed_stage, "boot");
    TEXT(vm.runtime.last_error, "it said \xc3\xa4");
    TEXT(vm.runtime.system_overlay, "/state/vms/" VM_ID "/system.qcow2");
    if (label_list_set(&vm.labels, &labels) < 0)
        abort();
    vm.generation = 7;
    vm.created_ns = 11;
    vm.stopped_ns = 14;
    vm.wanted = VM_WANTED_RUNNING;
    vm.expires_ns = 71;
    store_put_vm(txn, &vm);
    vm_done(&vm);
}

static void put_session(struct store_txn *txn)
{
    struct session s = {.id = ""};
    sample_fill(&session_table, &s);
    TEXT(s.id, "3123456789abcdef");
    TEXT(s.vm_id, VM_ID);
    TEXT(s.name, "job");
    if (blob_set(&s.spec.argv, "sh\0-c\0exit 7", 13) < 0)
        abort();
    s.spec.output_policy = OUTPUT_HOLD;
    s.state = SESSION_EXITED;
    s.exit_kind = SESSION_EXIT_CODE;
    s.exit_code = 7;
    s.stdout_total = 1234;
    s.writer_generation = 2;
    store_put_session(txn, &s);
    session_done(&s);
    struct guest_service service = {.id = ""};
    sample_fill(&guest_service_table, &service);
    TEXT(service.id, "7123456789abcdef");
    TEXT(service.vm_id, VM_ID);
    TEXT(service.name, "web");
    store_put_guest_service(txn, &service);
    guest_service_done(&service);
    struct session_deletion deletion = {.session_id = "6123456789abcdef", .vm_id = VM_ID};
    store_put_session_deletion(txn, &deletion);
}

static void put_operation(struct store_txn *txn)
{
    struct operation op = {.id = ""};
    struct vm_update_labels update = {.operation_id = ""};
    sample_fill(&operation_table, &op);
    TEXT(op.id, "4123456789abcdef");
    TEXT(op.kind, "vm.create");
    TEXT(op.request_id, "req-1");
    TEXT(op.principal, "local:0");
    op.state = OP_SUCCEEDED;
    TEXT(op.result, "vm/" VM_ID);
    op.ended_ns = 33;
    store_put_operation(txn, &op);
    operation_done(&op);
    sample_fill(&vm_update_table, &update);
    TEXT(update.operation_id, "5123456789abcdef");
    set_label(&update.set, "colour", "blue");
    store_put_vm_update(txn, &update);
}

static void put_image(struct store_txn *txn)
{
    struct kernel kernel = {.id = ""};
    struct image image = {.id = ""};
    sample_fill(&kernel_table, &kernel);
    sample_fill(&image_table, &image);
    TEXT(kernel.id, "2123456789abcdef");
    TEXT(kernel.version, "6.1.0");
    TEXT(image.id, "1123456789abcdef");
    image.format = IMAGE_RAW;
    image.virtual_bytes = 2147483648;
    TEXT(image.kernel_id, kernel.id);
    store_put_kernel(txn, &kernel);
    store_put_image(txn, &image);
}

static void put_access(struct store_txn *txn)
{
    struct identity identity = {.principal = ""};
    struct token token = {.key = ""};
    struct audit_entry entry = {.seq = 0};
    sample_fill(&identity_table, &identity);
    sample_fill(&token_table, &token);
    sample_fill(&audit_table, &entry);
    TEXT(identity.principal, "alice");
    TEXT(identity.previous_serial, "09");
    identity.expires_ns = 52;
    TEXT(token.key, "ee");
    TEXT(token.principal, "bob");
    entry.seq = 9;
    store_put_identity(txn, &identity);
    store_put_token(txn, &token);
    store_add_audit(txn, &entry);
}

static void put_what_happened(struct store_txn *txn)
{
    struct event event = {.seq = 0};
    struct store_request request = {.request_id = ""};
    struct host_settings settings = {.id = 0};
    sample_fill(&event_table, &event);
    sample_fill(&request_table, &request);
    sample_fill(&host_settings_table, &settings);
    TEXT(event.kind, "vm.state");
    TEXT(event.detail, "FAILED");
    TEXT(event.vm_id, VM_ID);
    TEXT(request.request_id, "req-2");
    TEXT(request.method, "session.start local:0");
    TEXT(request.resource, "3123456789abcdef");
    settings.id = HOST_SETTINGS_ID;
    store_add_event(txn, &event);
    store_put_request(txn, &request);
    store_put_host_settings(txn, &settings);
}

void corpus_put_rows(struct store_txn *txn)
{
    put_image(txn);
    put_vm(txn);
    put_session(txn);
    put_operation(txn);
    put_access(txn);
    put_what_happened(txn);
}
