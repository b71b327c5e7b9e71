/* What a VM may be asked to be, and what that comes to. */
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_capacity.h"
#include "daemon/core/vm/vm_spec.h"
#include "base/id.h"
#include "daemon/priv/priv_names.h"
#include "tests/unit/core/vm_world.h"

static void refuse(struct vm_spec spec, const char *part)
{
    struct err err = ERR_INIT;
    if (CHECK_INT(vm_spec_check(&core, &spec, NULL, &err), -1))
        CHECK_CONTAINS(err.message, part);
    CHECK(err.code == ERR_INVALID || err.code == ERR_NOT_FOUND || err.code == ERR_UNIMPLEMENTED);
}

static void test_spec(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_spec spec = {.cpus = 0};
    CHECK_INT(vm_spec_check(&core, &spec, NULL, &err), 0);
    CHECK_INT(spec.cpus, 1);
    CHECK_INT(spec.memory_bytes, 256 * MIB);
    CHECK_INT(spec.net, NET_USER);
    CHECK_STR(spec.driver, "sim");
    CHECK_INT(spec.restart, RESTART_NEVER);
    refuse((struct vm_spec){.cpus = 65}, "cpus");
    refuse((struct vm_spec){.memory_bytes = 1}, "memory");
    refuse((struct vm_spec){.memory_bytes = 64 * MIB + 1}, "memory");
    refuse((struct vm_spec){.memory_bytes = UINT64_MAX}, "memory");
    refuse((struct vm_spec){.limits = {.memory_max_bytes = 64 * MIB}}, "its guest has");
    refuse((struct vm_spec){.limits = {.memory_max_bytes = UINT64_MAX}}, "memory_max_bytes");
    refuse((struct vm_spec){.limits = {.cpu_quota_percent = 12801}}, "cpu_quota_percent");
    refuse((struct vm_spec){.limits = {.tasks_max = 15}}, "tasks_max");
    refuse((struct vm_spec){.work_disk_bytes = 1}, "work disk");
    refuse((struct vm_spec){.disk_bytes = 513 * MIB + 1}, "system disk");
    refuse((struct vm_spec){.disk_bytes = UINT64_MAX - 511}, "system disk");
    refuse((struct vm_spec){.driver = "none"}, "no driver");
    refuse((struct vm_spec){.image = "nothing"}, "no image nothing");
    refuse((struct vm_spec){.driver = "qemu"}, "banger image build");
    refuse((struct vm_spec){.net = NET_BRIDGE}, "\"bridge\" is not built");
    refuse((struct vm_spec){.expire_after_ms = 999}, "expiry");
    refuse((struct vm_spec){.expire_after_ms = UINT64_MAX}, "expiry");
    refuse((struct vm_spec){.idle_stop_after_ms = 1}, "idle stop");
    refuse((struct vm_spec){.restart = (enum restart_policy)4}, "restart policy");
    refuse((struct vm_spec){.ephemeral = true, .restart = RESTART_ALWAYS}, "no restart policy");
    refuse((struct vm_spec){.ephemeral = true, .autostart = true}, "no autostart");
    CHECK_INT(vm_name_check("Box", &err), -1);
    CHECK_STR(err.reason, "INVALID_NAME");
    CHECK_INT(vm_name_check("", &err), -1);
    CHECK_INT(vm_name_check("a-b", &err), 0);
    char name[NAME_BYTES];
    vm_name_make(&core, name);
    CHECK_INT(vm_name_check(name, &err), 0);
    struct labels labels = {.n = 2, .at = {{"a", "1"}, {"a", "2"}}};
    CHECK_INT(labels_check(&labels, &err), -1);
    snprintf(labels.at[1].key, sizeof(labels.at[1].key), "b");
    CHECK_INT(labels_check(&labels, &err), 0);
    struct labels some = {.n = 1, .at = {{"b", "2"}}}, other = {.n = 1, .at = {{"b", "3"}}};
    CHECK(labels_have(&labels, &some) && !labels_have(&labels, &other));
    close_core();
}

#define ENTRIES(text)                                                                              \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(text), sizeof(text)                                                 \
    }

static void refuse_egress(struct vm_spec spec, enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    if (CHECK_INT(vm_egress_check(&core, &spec, &err), -1))
        CHECK_CONTAINS(err.message, part);
    CHECK_INT(err.code, code);
    CHECK_STR(err.reason, code == ERR_INVALID ? "INVALID_SPEC" : "EGRESS_UNAVAILABLE");
}

static void test_egress(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    const struct vm_spec any = {.driver = "qemu", .net = NET_USER};
    struct vm_spec spec = any;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    CHECK_INT(spec.egress.mode, EGRESS_ALL);
    spec.egress.mode = EGRESS_LIST;
    refuse_egress(spec, ERR_INVALID, "without entries");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.1/24");
    refuse_egress(spec, ERR_INVALID, "egress: 192.0.2.1/24 has bits");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24:443\0localhost");
    refuse_egress(spec, ERR_INVALID, "\"localhost\": it has one label");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24:443\0*.example.com:443");
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24:443");
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    host.slirp = true;
    refuse_egress(spec, ERR_PRECONDITION, "needs passt");
    spec.net = NET_TAP;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    spec.net = NET_NONE;
    refuse_egress(spec, ERR_INVALID, "no network");
    spec = any;
    spec.egress.mode = EGRESS_NONE;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    host.slirp = false;
    snprintf(spec.driver, sizeof(spec.driver), "sim");
    refuse_egress(spec, ERR_PRECONDITION, "a process of this host");
    spec = any;
    spec.egress.mode = (enum egress_mode)4;
    refuse_egress(spec, ERR_INVALID, "no mode");
    spec.egress = (struct vm_egress){EGRESS_ALL, ENTRIES("192.0.2.1")};
    refuse_egress(spec, ERR_INVALID, "not LIST");
    close_core();
}

/* What it comes to for the guest: the resolver is open with a list, and not given with none. */
static void test_egress_of_a_guest(void)
{
    struct vm vm = {.spec = {.driver = "qemu", .net = NET_USER}};
    struct vm_allow allow;
    struct guest_network net;
    open_fresh();
    vm_net_of_guest(&vm, &net);
    CHECK_STR(net.dns, "10.0.2.3");
    CHECK_INT(net.window_bytes, 65535);
    vm.spec.egress.mode = EGRESS_NONE;
    vm_net_of_guest(&vm, &net);
    CHECK_STR(net.dns, "");
    CHECK_STR(net.address, "10.0.2.15");
    vm_egress_of(&vm, &allow);
    CHECK_INT(allow.list.n, 0);
    vm.spec.egress = (struct vm_egress){EGRESS_LIST, ENTRIES("192.0.2.0/24:443\0"
                                                             "192.0.2.1/32")};
    vm_egress_of(&vm, &allow);
    CHECK_INT(allow.list.n, 2);
    vm.spec.net = NET_TAP;
    snprintf(vm.runtime.guest_ip, sizeof(vm.runtime.guest_ip), "10.213.0.2");
    vm_net_of_guest(&vm, &net);
    vm_egress_of(&vm, &allow);
    struct egress_entry own;
    char text[EGRESS_TEXT_BYTES], want[EGRESS_TEXT_BYTES];
    snprintf(want, sizeof(want), "%s:53", net.dns);
    if (egress_entry_parse(want, &own, NULL) == 0 && CHECK_INT(allow.list.n, 3)) {
        egress_entry_text(&allow.list.at[2], text);
        CHECK_STR(text, want);
    }
    CHECK(!vm_egress_has_names(&vm));
    vm.spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24\0*.example.org:443");
    CHECK(vm_egress_has_names(&vm));
    vm_egress_of(&vm, &allow);
    CHECK_INT(allow.list.n, 1); /* no resolver but ours */
    CHECK(allow.list.names);
    CHECK_INT(allow.names.n, 1);
    vm_net_of_guest(&vm, &net);
    CHECK_STR(net.dns, "10.213.0.1");
    CHECK_INT(net.window_bytes, 0);
    close_core();
}

/* A limit that the VMMs' own memory is not counted against is none: a VM of 64 MiB under TCG
 * takes four times that. */
static void test_memory_of_monitors_is_promised_too(void)
{
    struct vm_spec spec = {.driver = "qemu", .memory_bytes = 64 * MIB};
    struct err err = ERR_INIT;
    open_fresh();
    CHECK_INT(vm_memory_promised(&core, &spec),
              (64 + 64 + 128 + 24) * MIB); /* as long as nobody knows */
    host.kvm_known = true;
    CHECK_INT(vm_memory_promised(&core, &spec), (64 + 64 + 128 + 24) * MIB);
    host.kvm_usable = true;
    CHECK_INT(vm_memory_promised(&core, &spec), (64 + 64 + 24) * MIB); /* with its passt */
    snprintf(spec.driver, sizeof(spec.driver), "sim");
    CHECK_INT(vm_memory_promised(&core, &spec), 64 * MIB);
    struct vm_entry *e = add("aaaa000000000001", "box");
    snprintf(vm_edit(e)->spec.driver, sizeof(vm_record(e)->spec.driver), "qemu");
    vm_edit(e)->spec.memory_bytes = 64 * MIB;
    core.config.max_memory_bytes = 127 * MIB;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    CHECK_CONTAINS(err.message, "152 MiB are asked for");
    close_core();
}

static void set(struct vm_entry *e, enum vm_state state)
{
    struct store_txn *txn = store_txn_new();
    CHECK_INT(vm_set_state(e, state, NULL, NULL, txn), 0);
    commit_now(core.loop, core.store, txn);
}

static void check_use(uint32_t want_cpus, uint64_t want_bytes)
{
    uint32_t cpus;
    uint64_t bytes;
    vm_count_use(&core, &cpus, &bytes);
    CHECK_INT(cpus, want_cpus);
    CHECK_INT(bytes, want_bytes);
}

/* What is counted is what a walk over all would find, whatever becomes of one. */
static void test_use_follows_the_vms(void)
{
    open_fresh();
    check_use(0, 0);
    struct vm_entry *a = add("aaaa000000000001", "a"), *b = add("bbbb000000000001", "b");
    check_use(0, 0); /* both are stopped */
    set(a, VM_STARTING);
    set(b, VM_STARTING);
    check_use(0, 2 * 256 * MIB);
    set(a, VM_RUNNING); /* still one */
    check_use(0, 2 * 256 * MIB);
    struct vm_spec *spec = &vm_edit(b)->spec;
    spec->cpus = 3;
    spec->memory_bytes = 64 * MIB;
    snprintf(spec->driver, sizeof(spec->driver), "qemu");
    struct store_txn *txn = store_txn_new();
    vm_save(b, txn);
    commit_now(core.loop, core.store, txn);
    check_use(3, 256 * MIB + vm_memory_promised(&core, spec));
    host.kvm_known = host.kvm_usable = true; /* of one that counts already */
    check_use(3, (256 + 64 + 64 + 24) * MIB);
    close_core();
    open_core(); /* from the store */
    check_use(3, (256 + 64 + 64 + 24 + 128) * MIB);
    b = vm_find(&core, "b", NULL);
    CHECK(b != NULL);
    set(b, VM_FAILED);
    check_use(0, 256 * MIB);
    vm_withdraw(vm_find(&core, "a", NULL));
    check_use(0, 0);
    close_core();
}

static struct vm_entry *make_tap(const char *name)
{
    struct err err = ERR_INIT;
    struct vm vm = {.runtime.state = VM_STOPPED,
                    .spec = {.driver = "sim", .memory_bytes = 64 * MIB, .net = NET_TAP}};
    id_make(vm.id);
    snprintf(vm.name, sizeof(vm.name), "%s", name);
    struct vm_entry *e = vm_paths_make(&core, &vm, &err) < 0 ? NULL : vm_add(&core, &vm, &err);
    if (!e) {
        CHECK_STR(err.reason, "ADDRESSES_USED");
        return NULL;
    }
    struct store_txn *txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
    CHECK(vm_net_find(&core, vm_net_address(vm_record(e))) == e);
    return e;
}

/* Each has its own, a row keeps it over a restart, and it is free again behind its VM. */
static void test_addresses_of_taps(void)
{
    open_fresh();
    priv_pool_read("10.9.8.0/29", &core.config.guest_network);
    struct vm_entry *a = make_tap("a"), *b = make_tap("b");
    uint32_t of_a = vm_net_address(vm_record(a)), of_b = vm_net_address(vm_record(b));
    CHECK(of_a != of_b);
    CHECK(make_tap("c") == NULL);
    close_core();
    open_core();
    priv_pool_read("10.9.8.0/29", &core.config.guest_network);
    CHECK(vm_net_find(&core, of_a) == vm_find(&core, "a", NULL));
    CHECK(make_tap("c") == NULL);
    vm_withdraw(vm_find(&core, "b", NULL));
    CHECK(vm_net_find(&core, of_b) == NULL);
    struct vm_entry *c = make_tap("c");
    CHECK(c && vm_net_address(vm_record(c)) == of_b);
    close_core();
}

static void test_bad_requests(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_entry *e = add("aaaa000000000001", "box");
    struct vm_create_request taken = {.name = "box"}, bad = {.name = "no_good"};
    struct vm_create_request fine = {.name = "fresh"};
    CHECK(vm_ask_create(&core, &taken, NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_NAME_TAKEN");
    CHECK(vm_ask_create(&core, &bad, NULL, &err) == NULL);
    CHECK_STR(err.reason, "INVALID_NAME");
    struct vm made;
    CHECK_INT(vm_create_check(&core, &fine, &made, &err), 0);
    CHECK_STR(made.name, "fresh");
    vm_done(&made);
    CHECK_INT(vm_count(&core), 1); /* a dry run makes nothing */
    CHECK(vm_ask_pause(&core, "box", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_WRONG_STATE");
    CHECK(vm_ask_kill(&core, "nobody", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_NOT_FOUND");
    core.settings.draining = true;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "HOST_DRAINING");
    core.settings.draining = false;
    core.config.max_files = DAEMON_FILES + VM_FILES - 1;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "FILES_LIMIT");
    CHECK_CONTAINS(err.message, "LimitNOFILE");
    core.config.max_files++;
    CHECK_INT(vm_files_fit(&core, 0), 1);
    CHECK_INT(vm_files_fit(&core, 1), 0);
    core.config.max_memory_bytes = 100 * MIB;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    core.config.max_vms = 1;
    CHECK_INT(vm_create_check(&core, &fine, NULL, &err), -1);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    close_core();
}

int main(void)
{
    vm_world_begin();
    RUN(test_spec);
    RUN(test_egress);
    RUN(test_egress_of_a_guest);
    RUN(test_memory_of_monitors_is_promised_too);
    RUN(test_use_follows_the_vms);
    RUN(test_addresses_of_taps);
    RUN(test_bad_requests);
    vm_world_end();
    return check_end();
}
