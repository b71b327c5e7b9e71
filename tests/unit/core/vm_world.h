/* A core with a store and without any machine, for tests of what VMs are. */
#ifndef BANGER_TESTS_UNIT_CORE_VM_WORLD_H
#define BANGER_TESTS_UNIT_CORE_VM_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

#define MIB ((uint64_t)1 << 20)

static char dir[64];
static struct core core;
static struct vmm_host host;

static inline void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.config = {.max_vms = 4, .stop_grace_ms = 1000}};
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "%s", dir);
    snprintf(core.config.default_driver, sizeof(core.config.default_driver), "sim");
    core.loop = loop_new(&err);
    core.quick = workers_new(core.loop, "work", 1, 100, &err);
    core.slow = workers_new(core.loop, "slow", 1, 100, &err);
    core.store = store_open(core.loop, path, &err);
    host = (struct vmm_host){.loop = core.loop, .quick = core.quick};
    core.vmm_host = &host;
    if (core_open(&core, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static inline void open_fresh(void)
{
    fs_remove_tree(dir, NULL);
    fs_make_dirs(dir, 0700, NULL);
    open_core();
}

static inline void close_core(void)
{
    workers_close(core.quick);
    workers_close(core.slow);
    core_close(&core);
    store_close(core.store);
    loop_free(core.loop);
}

static inline struct vm_entry *add(const char *id, const char *name)
{
    struct err err = ERR_INIT;
    struct vm vm = {.runtime.state = VM_STOPPED,
                    .spec = {.memory_bytes = 256 * MIB, .restart = RESTART_NEVER}};
    snprintf(vm.id, sizeof(vm.id), "%s", id);
    snprintf(vm.name, sizeof(vm.name), "%s", name);
    struct vm_entry *e = vm_add(&core, &vm, &err);
    if (!e) {
        fprintf(stderr, "%s\n", err.message);
        return NULL;
    }
    CHECK(vm_shown(e) == NULL && vm_find(&core, id, &err) == NULL); /* not before it is on disk */
    struct store_txn *txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
    CHECK(vm_shown(e) == vm_record(e));
    return e;
}

static inline void vm_world_begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-vm-XXXXXX");
    if (!mkdtemp(dir))
        exit(1);
    log_set_level(LOG_LEVEL_ERROR);
}

static inline void vm_world_end(void)
{
    fs_remove_tree(dir, NULL);
}

#endif
