/* A machine of its own for the end of a process; see stray.h. */
#include "daemon/core/supervise/stray.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/vmm/vmm.h"

struct stray {
    struct vmm_machine *machine; /* owned */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void stray_killed(void *arg, const struct err *err)
{
    struct stray *s = arg;
    vmm_close(s->machine);
    s->done(s->arg, err);
    free(s);
}

static void stray_adopted(void *arg, const struct err *err)
{
    struct stray *s = arg;
    if (!err)
        vmm_kill(s->machine, stray_killed, s);
    else
        stray_killed(s, err->code == ERR_NOT_FOUND ? NULL : err);
}

static void stray_exited(void *arg, const struct vmm_exit *exit)
{
    (void)arg, (void)exit; /* stray_killed says it */
}

int stray_end(struct core *core, const struct vmm_driver *driver, const char *vm_id,
              void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    static const struct vmm_events events = {.exited = stray_exited};
    struct vm vm = {.id = ""};
    struct vmm_config c = {.cpus = 1};
    snprintf(vm.id, sizeof(vm.id), "%s", vm_id);
    if (vm_paths_make(core, &vm, err) < 0)
        return -1;
    snprintf(c.vm_id, sizeof(c.vm_id), "%s", vm.id);
    snprintf(c.vm_dir, sizeof(c.vm_dir), "%s", vm.runtime.vm_dir);
    snprintf(c.api_sock_path, sizeof(c.api_sock_path), "%s", vm.runtime.api_sock_path);
    snprintf(c.channel.path, sizeof(c.channel.path), "%s", vm.runtime.agent_sock_path);
    snprintf(c.console.log_path, sizeof(c.console.log_path), "%s", vm.runtime.log_path);
    struct stray *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_LIMIT, "out of memory");
    *s = (struct stray){.done = done, .arg = arg};
    s->machine = vmm_open(driver, core->vmm_host, &c, &events, s, err);
    if (!s->machine) {
        free(s);
        return -1;
    }
    struct vm_handles none = {0};
    vmm_adopt(s->machine, &none, stray_adopted, s);
    return 0;
}
