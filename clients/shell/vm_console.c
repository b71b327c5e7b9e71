/* banger vm console: a VM's serial console on our terminal. */
#include "vm.h"

#include <stdio.h>

#include "session.h"
#include "stream.h"
#include "terminal.h"

enum { CONSOLE_TAIL_BYTES = 16 << 10 };

struct vm_console_options {
    bool view, takeover;
    struct opt_number tail_bytes;
    const char *detach_keys;
};

static int vm_console_on(struct cli *cli, const struct vm_console_options *o, const char *vm,
                         struct stream_signals *signals)
{
    struct detach_keys keys;
    const char *named = session_detach_keys(&keys, o->detach_keys);
    if (!named)
        return EXIT_BANGER;
    bool terminal = terminal_is_ours() && !o->view;
    bool types = terminal || (stream_stdin_is_piped() && !o->view);
    struct stream_options stream = {
        .session = vm,
        .console = true,
        .label = vm,
        .role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER,
        .start = {BANGER_START_TAIL,
                  o->tail_bytes.given ? o->tail_bytes.value : CONSOLE_TAIL_BYTES},
        .forward_stdin = types,
        .terminal = terminal,
        .keys = terminal ? &keys : NULL,
        .signals = signals,
    };
    if (o->takeover)
        stream.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER;
    else if (types)
        stream.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER;
    if (terminal && keys.n > 0 && !cli->options.quiet)
        cli_say(stderr, "banger: %s leaves the console", named);
    int status;
    if (stream_session(cli, &stream, &status) == STREAM_DETACHED && status == 0) {
        fputc('\n', stderr); /* the guest's line was not ours */
        if (!cli->options.quiet)
            cli_say(stderr, "banger: detached; \"banger vm console %s\" comes back to it", vm);
    }
    return status;
}

static int vm_console(struct cli *cli, const void *values, const struct opt_args *args)
{
    struct stream_signals signals;
    if (cli_connect(cli) < 0 || stream_signals_init(&signals) != 0)
        return EXIT_BANGER;
    int status = vm_console_on(cli, values, args->refs[0], &signals);
    stream_signals_done(&signals);
    return status;
}

static const struct opt console_opts[] = {
    {"view", 0, OPT_FLAG, offsetof(struct vm_console_options, view), NULL, "only watch", NULL,
     NAMES_NONE},
    {"takeover", 0, OPT_FLAG, offsetof(struct vm_console_options, takeover), NULL,
     "become the writer even if there is one", NULL, NAMES_NONE},
    {"tail-bytes", 0, OPT_SIZE, offsetof(struct vm_console_options, tail_bytes), "BYTES",
     "begin with so much of what it said before (default 16KiB)", NULL, NAMES_NONE},
    SESSION_DETACH_KEYS_OPT(offsetof(struct vm_console_options, detach_keys)),
    {.name = NULL},
};

const struct command vm_console_command = {
    "console",
    NULL,
    "VM",
    "type into a VM's serial console, and see what it says",
    "Reaches a guest whose agent does not answer, as far as something in it reads its console: a\n"
    "getty, a boot loader, a shell. One types at a time, any number may watch. The VM may stop "
    "and\n"
    "start meanwhile.",
    console_opts,
    sizeof(struct vm_console_options),
    1,
    1,
    false,
    NAMES_VM,
    vm_console};
