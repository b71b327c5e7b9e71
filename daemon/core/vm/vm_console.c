/* What a guest said last before it failed to boot, for the operation's error: a VM whose creation
 * fails is removed, its console with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_run.h"

enum { CONSOLE_TAIL_BYTES = 300 };

/* Printable text of one line: controls and escapes of a terminal are not for an error message. */
static void vm_console_clean(const char *from, size_t n, char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c == '\n' && used > 0 && to[used - 1] != '|')
            to[used++] = '|';
        else if (c >= ' ' && c < 0x7f)
            to[used++] = (char)c;
    }
    while (used > 0 && (to[used - 1] == '|' || to[used - 1] == ' '))
        used--;
    to[used] = '\0';
}

static void vm_console_read(struct job *job)
{
    struct vm_run *run = container_of(job, struct vm_run, job);
    char tail[CONSOLE_TAIL_BYTES], clean[CONSOLE_TAIL_BYTES + 1];
    auto_fd int fd = fs_open_own(run->job_path, O_RDONLY, 0, NULL);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end <= 0)
        return;
    off_t from = end > CONSOLE_TAIL_BYTES ? end - CONSOLE_TAIL_BYTES : 0;
    ssize_t n = pread(fd, tail, sizeof(tail), from);
    if (n <= 0)
        return;
    vm_console_clean(tail, (size_t)n, clean);
    size_t used = strlen(run->job_err.message);
    if (clean[0] && used < sizeof(run->job_err.message))
        snprintf(run->job_err.message + used, sizeof(run->job_err.message) - used,
                 "; its console ends with: %s", clean);
}

static void vm_console_done(struct job *job)
{
    struct vm_run *run = container_of(job, struct vm_run, job);
    struct operation_entry *op = run->op;
    run->calling = false;
    if (operation_core(op)->operations)
        operation_step_done(op, &run->job_err);
    operation_unref(op);
}

void vm_run_fail_at_boot(struct vm_run *run, const struct err *err)
{
    run->job = (struct job){.run = vm_console_read, .done = vm_console_done};
    run->job_err = *err;
    snprintf(run->job_path, sizeof(run->job_path), "%s", run->vm->vm.runtime.log_path);
    if (workers_submit(operation_core(run->op)->quick, &run->job, NULL) < 0) {
        operation_step_done(run->op, &run->job_err);
        return;
    }
    run->calling = true;
    operation_ref(run->op); /* the job lives in its data */
}
