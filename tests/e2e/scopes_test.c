/* A VM's processes are in its scope from their beginning, over an end of the daemon and restarts of
 * the VM, and the scope goes with the VM. By cgroups, and by a stand-in for systemd on a bus of the
 * test's own. scopes_test sim|qemu */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger/methods.h"
#include "base/cleanup.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/systemd/bus.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static const char *driver = "sim";
static struct harness h;
static struct banger_client *client;
static struct systemd_bus bus;

/* The process's group in cgroup v2. */
static void group_of(pid_t pid, char group[512])
{
    char path[32], line[512];
    group[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    auto_file FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0)
            snprintf(group, 512, "%s", line + 3);
    }
}

/* What the check "scopes" of doctor says. */
static void doctor(char text[512])
{
    struct banger_error error = {0};
    Banger__V1__DiagnoseRequest request = BANGER__V1__DIAGNOSE_REQUEST__INIT;
    Banger__V1__DiagnoseResponse *r = banger_diagnose(client, &request, NULL, &error);
    text[0] = '\0';
    for (size_t i = 0; r && i < r->n_checks; i++)
        if (strcmp(r->checks[i]->name, "scopes") == 0)
            snprintf(text, 512, "%s", r->checks[i]->message);
    banger_message_free(r ? &r->base : NULL);
}

static int create(const Banger__V1__VMLimits *limits, struct banger_error *error)
{
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec.driver = TEXT(h.driver);
    spec.limits = (Banger__V1__VMLimits *)(uintptr_t)limits;
    request.name = TEXT("box");
    request.spec = &spec;
    return steps_finish(client, banger_create_vm(client, &request, NULL, error), error);
}

static void begin(const char *how)
{
    memset(&h, 0, sizeof(h));
    harness_prepare(&h, driver);
    h.args[0] = "--scopes";
    h.args[1] = how;
    harness_start(&h, NULL);
    if (h.boots)
        harness_import_assets(&h);
    client = harness_connect(&h);
}

static void end(void)
{
    banger_close(client);
    CHECK(harness_close(&h));
}

/* cgroup */

static void check_in_its_group(char group[512])
{
    char before[512];
    snprintf(before, sizeof(before), "%s", group);
    group_of(steps_vm_pid(client, "box"), group);
    CHECK_CONTAINS(group, "/banger/");
    if (before[0])
        CHECK_STR(group, before);
}

/* The folder of a group, wherever cgroup v2 is mounted. */
static bool group_exists(const char *group)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char path[600];
    struct stat st;
    bool is = false;
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s%s", mounts[i], group);
        is |= stat(path, &st) == 0;
    }
    return is;
}

static void a_group_has_the_VMM_over_all_that_happens(void)
{
    struct banger_error error = {0};
    char group[512] = "";
    if (!CHECK_INT(create(NULL, &error), 0)) {
        fprintf(stderr, "%s\n", error.message);
        return;
    }
    check_in_its_group(group);
    CHECK(group_exists(group));
    harness_crash(&h);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(RUNNING), HARNESS_OP_MS));
    check_in_its_group(group);
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    CHECK(group_exists(group));
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    check_in_its_group(group);
    CHECK_INT(steps_do(client, STEPS_KILL, "box", &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    CHECK(!group_exists(group));
}

/* One that was lost while no daemon looked, as with a reboot, is made again. */
static void a_group_that_is_gone_is_made_again(void)
{
    struct banger_error error = {0};
    char group[512] = "", path[600];
    CHECK_INT(create(NULL, &error), 0);
    check_in_its_group(group);
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s", group);
    if (rmdir(path) < 0) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/unified%s", group);
        CHECK_INT(rmdir(path), 0);
    }
    harness_crash(&h);
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    check_in_its_group(group);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    CHECK(!group_exists(group));
}

/* Taken and kept, or refused with what is missing. */
static void limits_hold_or_are_refused(void)
{
    struct banger_error error = {0};
    char said[512];
    Banger__V1__VMLimits limits = BANGER__V1__VMLIMITS__INIT;
    limits.tasks_max = 200;
    doctor(said);
    CHECK_CONTAINS(said, "cgroup");
    bool can = strstr(said, "pids") == NULL;
    CHECK_INT(create(&limits, &error), can ? 0 : -1);
    if (!can) {
        CHECK_STR(error.reason, "LIMITS_UNAVAILABLE");
        CHECK_CONTAINS(error.message, "pids");
        return;
    }
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
}

/* systemd */

static void wait_for_line(const char *part)
{
    char line[1024];
    do
        systemd_bus_line(&bus, line, sizeof(line));
    while (line[0] && !strstr(line, part));
    CHECK_CONTAINS(line, part);
}

static void systemd_has_a_unit_for_each(void)
{
    struct banger_error error = {0};
    char said[512];
    Banger__V1__VMLimits limits = BANGER__V1__VMLIMITS__INIT;
    limits.memory_max_bytes = (uint64_t)4 << 30;
    limits.cpu_quota_percent = 50;
    limits.tasks_max = 500;
    doctor(said);
    CHECK_STR(said, "systemd");
    if (!CHECK_INT(create(&limits, &error), 0))
        fprintf(stderr, "%s\n", error.message);
    wait_for_line("MemoryMax=4294967296 CPUQuotaPerSecUSec=500000 TasksMax=500");
    wait_for_line("PIDs=one");
    harness_crash(&h);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(RUNNING), HARNESS_OP_MS));
    Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
    update.vm = TEXT("box");
    update._cpu_quota_percent_case =
        BANGER__V1__UPDATE_VMREQUEST___CPU_QUOTA_PERCENT_CPU_QUOTA_PERCENT;
    update.cpu_quota_percent = 75;
    CHECK_INT(steps_finish(client, banger_update_vm(client, &update, NULL, &error), &error), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    wait_for_line("gone ");
    wait_for_line("CPUQuotaPerSecUSec=750000");
    wait_for_line("PIDs=one");
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    wait_for_line("stop ");
}

static void systemd_that_goes_is_no_harm_to_what_runs(void)
{
    struct banger_error error = {0};
    CHECK_INT(create(NULL, &error), 0);
    systemd_bus_close(&bus);
    CHECK_INT(steps_vm_state(&h, client, "box"), VM_STATE(RUNNING));
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), -1);
    CHECK_CONTAINS(error.message, "bus");
    CHECK_INT(steps_vm_state(&h, client, "box"), VM_STATE(STOPPED));
}

int main(int argc, char **argv)
{
    driver = argc > 1 ? argv[1] : driver;
    if (systemd_bus_lacks())
        return check_skip(systemd_bus_lacks());
    if (access("/run/systemd/system", F_OK) < 0) {
        begin("cgroup");
        RUN(a_group_has_the_VMM_over_all_that_happens);
        RUN(a_group_that_is_gone_is_made_again);
        RUN(limits_hold_or_are_refused);
        end();
    }
    if (!CHECK(systemd_bus_open(&bus, NULL)))
        return check_end();
    begin("systemd");
    RUN(systemd_has_a_unit_for_each);
    RUN(systemd_that_goes_is_no_harm_to_what_runs);
    end();
    return check_end();
}
