/* vm run and vm exec: the front door. See docs/cli.md for exit statuses and signals.
 *
 * vm run has three parts: boot (an operation, cancelled by a signal), the session (signals go to
 * it), and the end, where --rm deletes the VM whatever happened. A workspace (workspace.h) is built
 * before the first and sent before the second. Signals are taken by a signalfd
 * from before the boot until after the end, so that none slips through between the parts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"
#include "session.h"
#include "terminal.h"
#include "vm.h"
#include "workspace.h"

enum { RUN_CLEANUP_MS = 60000, RUN_ID_BYTES = 64 };

struct vm_run_options {
    struct vm_spec_options spec;
    struct session_options session;
    struct workspace_options workspace;
    bool rm, detach, keep;
    struct opt_number lease;
    bool image_is_word; /* the image was given before the command */
};

/* Deletes the VM; one that is gone already is fine. */
static void run_delete(struct cli *cli, const char *id)
{
    char request_id[REQUEST_ID_BYTES];
    struct banger_error error;
    Banger__V1__DeleteVMRequest request = BANGER__V1__DELETE_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(request_id);
    request.vm = (char *)id;
    request.force = true;
    Banger__V1__Operation *op = banger_delete_vm(cli->client, &request, NULL, &error);
    Banger__V1__Operation *ended = NULL;
    if (op)
        ended = banger_operation_follow(cli->client, op->id, RUN_CLEANUP_MS, NULL, NULL, &error);
    bool failed = ended ? banger_operation_error(ended, &error) < 0 : true;
    if (failed && error.code != BANGER_NOT_FOUND)
        cli_fail(&error, "delete VM %s", id);
    FREE_MESSAGE(op);
    FREE_MESSAGE(ended);
}

/* Cancels the creation and waits until it is undone; a second signal does not wait. */
static void run_cancel(struct cli *cli, const char *operation, struct stream_signals *signals)
{
    struct banger_error error;
    Banger__V1__CancelOperationRequest request = BANGER__V1__CANCEL_OPERATION_REQUEST__INIT;
    request.operation = (char *)operation;
    Banger__V1__Operation *op = banger_cancel_operation(cli->client, &request, NULL, &error);
    FREE_MESSAGE(op);
    banger_set_interrupt_fd(cli->client, signals->fd);
    op = banger_operation_follow(cli->client, operation, RUN_CLEANUP_MS, NULL, NULL, &error);
    banger_set_interrupt_fd(cli->client, -1);
    FREE_MESSAGE(op);
}

/* The image that the word before the command names is not there: perhaps it was meant otherwise. */
static int run_fail_image(const struct banger_error *error, const struct vm_run_options *o)
{
    const char *word = o->spec.image;
    if (strcmp(error->reason, "IMAGE_NOT_FOUND") != 0 || !o->image_is_word)
        return cli_fail(error, "create %s", o->spec.name ? o->spec.name : "vm");
    if (strpbrk(word, "/."))
        return cli_fail_with(EXIT_BANGER, "IMAGE_NOT_FOUND",
                             "vm run: there is no image \"%.60s\"; a folder is taken along as "
                             "./DIR, a command goes behind --: banger vm run -- %.60s",
                             word, word);
    return cli_fail_with(EXIT_BANGER, "IMAGE_NOT_FOUND",
                         "vm run: there is no image \"%.60s\" (banger image list); a command goes "
                         "behind --: banger vm run -- %.60s",
                         word, word);
}

/* Says that the VM is still there, once its command has ended. */
static void run_tell_it_stays(struct cli *cli, const char *id)
{
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)id;
    Banger__V1__VM *vm = cli->options.quiet ? NULL : banger_get_vm(cli->client, &get, NULL, NULL);
    if (vm)
        cli_say(stderr,
                "banger: VM %s stays; \"banger vm delete %s\" ends it (run --rm does by itself)",
                vm->name, vm->name);
    FREE_MESSAGE(vm);
}

/* Boots a VM. id: its id as soon as there is one, else "". 0, or the exit status. */
static int run_boot(struct cli *cli, const struct vm_request *request,
                    const struct vm_run_options *o, struct stream_signals *signals,
                    struct lease *lease, char id[RUN_ID_BYTES])
{
    struct banger_error error;
    const char *label = o->spec.name ? o->spec.name : "vm";
    id[0] = '\0';
    Banger__V1__Operation *op = banger_create_vm(cli->client, &request->message, NULL, &error);
    if (!op)
        return run_fail_image(&error, o);
    char operation[RUN_ID_BYTES];
    snprintf(operation, sizeof(operation), "%s", op->id);
    snprintf(id, RUN_ID_BYTES, "%s", resource_id(op->resource));
    if (request->spec.lease_ms > 0) {
        lease_begin(lease, cli->client, id, (int64_t)request->spec.lease_ms);
        cli->lease = lease;
    }
    banger_set_interrupt_fd(cli->client, signals->fd);
    Banger__V1__Operation *ended = cli_follow(cli, label, op, &error);
    banger_set_interrupt_fd(cli->client, -1);
    if (ended) {
        snprintf(id, RUN_ID_BYTES, "%s", resource_id(ended->resource));
        FREE_MESSAGE(ended);
        return 0;
    }
    if (strcmp(error.reason, "INTERRUPTED") != 0)
        return cli_fail(&error, "create %s", label);
    int signo = stream_signals_take(signals);
    run_cancel(cli, operation, signals);
    run_delete(cli, id);
    id[0] = '\0';
    return 128 + (signo ? signo : SIGINT);
}

/* -d: prints the VM, after starting the command if there is one. */
static int run_detached(struct cli *cli, const struct vm_run_options *o, const char *id, int argc,
                        char **argv, struct stream_signals *signals)
{
    int status = 0;
    if (argc > 0) {
        struct session_request request;
        Banger__V1__GuestSession *session = NULL;
        status = session_request_init(&request, &o->session, id, argc, argv, false);
        if (status == 0)
            session = session_start(cli, &request, signals, &status, false);
        session_request_done(&request);
        FREE_MESSAGE(session);
    }
    if (status != 0)
        return status;
    if (cli->options.quiet || (o->spec.name && cli_is_table(cli))) {
        cli_say(stdout, "%s", cli->options.quiet ? id : o->spec.name);
        return cli_end_output(cli);
    }
    struct banger_error error;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)id;
    Banger__V1__VM *vm = banger_get_vm(cli->client, &get, NULL, &error);
    if (!vm)
        return cli_fail(&error, "show the new VM %s", id);
    if (cli_is_table(cli))
        cli_say(stdout, "%s", vm->name);
    else
        status = cli_print_message(cli, &vm->base);
    FREE_MESSAGE(vm);
    return status ? status : cli_end_output(cli);
}

/* Without a command: a login on our terminal where we have one, else a shell on our input. */
static void run_take_shell(struct session_options *session, struct opt_args *args)
{
    static char *shell[] = {(char *)"/bin/sh"};
    if (args->n_rest > 0)
        return;
    session->interactive = true;
    session->tty |= terminal_is_ours() && !session->no_stdin;
    args->rest = session->tty ? (char **)session_login : shell;
    args->n_rest = session->tty ? SESSION_LOGIN_ARGS : 1;
}

/* The session, once the VM has booted and has its workspace, if there is one. */
static int run_session(struct cli *cli, const struct vm_run_options *o, const char *id,
                       const struct opt_args *args, const char *cwd, struct stream_signals *signals)
{
    struct vm_run_options options = *o;
    struct session_options *session = &options.session;
    struct opt_args command = *args;
    if (o->rm) /* nobody would come back to it: it goes with us */
        session->detach_keys = "none";
    if (!session->cwd)
        session->cwd = cwd;
    run_take_shell(session, &command);
    if (o->detach)
        return run_detached(cli, &options, id, args->n_rest, args->rest, signals);
    return session_run_attached(cli, id, session, command.n_rest, command.rest, o->keep || o->rm,
                                signals);
}

/* w: NULL, or the workspace, which comes to be at place. */
static int run_with_signals(struct cli *cli, const struct vm_run_options *o,
                            const struct opt_args *args, struct workspace *w, const char *place,
                            struct stream_signals *signals)
{
    struct vm_spec_options spec = o->spec;
    spec.ephemeral = o->rm;
    struct vm_request request;
    char id[RUN_ID_BYTES] = "", cwd[PATH_MAX];
    int status = EXIT_BANGER;
    struct lease lease = {0};
    if (vm_request_init(&request, &spec) == 0) {
        if (o->rm && !o->detach)
            request.spec.lease_ms = o->lease.given ? o->lease.value : LEASE_MS;
        status = run_boot(cli, &request, o, signals, &lease, id);
    }
    vm_request_done(&request);
    bool booted = status == 0;
    if (booted && w)
        status = workspace_send(cli, w, id, o->session.user, place, signals);
    if (status == 0)
        status = run_session(cli, o, id, args, w ? workspace_cwd(w, place, cwd) : NULL, signals);
    if (booted && !o->rm && !(o->detach && status == 0))
        run_tell_it_stays(cli, id);
    if (o->rm && id[0] && !(o->detach && status == 0))
        run_delete(cli, id);
    cli->lease = NULL;
    lease_end(&lease);
    return status;
}

/* Builds the workspace first: what is wrong with it is said before there is a VM. */
static int run_with_workspace(struct cli *cli, const struct vm_run_options *o,
                              const struct opt_args *args, struct stream_signals *signals)
{
    struct workspace w;
    char place[PATH_MAX];
    int status = workspace_init(&w, &o->workspace);
    if (status == 0)
        status = workspace_place(&w, o->session.user, place);
    if (status == 0)
        workspace_tell_omitted(cli, &w);
    int signo = stream_signals_take(signals);
    if (signo)
        status = 128 + signo;
    if (status == 0 && o->workspace.dry_run)
        status = workspace_print(cli, &w, place);
    else if (status == 0)
        status = cli_connect(cli) == 0 ? run_with_signals(cli, o, args, &w, place, signals)
                                       : EXIT_BANGER;
    workspace_done(&w);
    return status;
}

static bool run_is_path(const char *word)
{
    return word[0] == '/' || word[0] == '~' || strcmp(word, ".") == 0 || strcmp(word, "..") == 0 ||
           strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0;
}

/* The word before the command: an image, or a folder, which begins as paths do. 0, or the exit
 * status. */
static int run_take_word(struct vm_run_options *o, const struct opt_args *args)
{
    const char *word = args->n_refs > 0 ? args->refs[0] : NULL;
    const struct workspace_options *w = &o->workspace;
    bool path = word && run_is_path(word);
    if (path && w->path)
        return cli_usage(
            "vm run: the workspace is given twice, as \"%.60s\" and with --workspace; a "
            "command goes behind --",
            word);
    if (word && !path && o->spec.image)
        return cli_usage("vm run: the image is given twice, as \"%.60s\" and with --image; a "
                         "command goes behind --",
                         word);
    if (path)
        o->workspace.path = word;
    else if (word)
        o->spec.image = word;
    if (!w->path && (w->mode || w->branch || w->from || w->workdir || w->untracked ||
                     w->read_only || w->dry_run))
        return cli_usage("vm run: options of a workspace, and none is given; as in: banger vm run "
                         "--dry-run .");
    return 0;
}

static int vm_run(struct cli *cli, const void *values, const struct opt_args *args)
{
    struct vm_run_options o = *(const struct vm_run_options *)values;
    if (run_take_word(&o, args) != 0)
        return EXIT_BANGER;
    o.image_is_word = args->n_refs > 0 && o.spec.image == args->refs[0];
    struct stream_signals signals;
    if ((!o.workspace.path && cli_connect(cli) < 0) || stream_signals_init(&signals) != 0)
        return EXIT_BANGER;
    cli->has_signals = true;
    int status = o.workspace.path ? run_with_workspace(cli, &o, args, &signals)
                                  : run_with_signals(cli, &o, args, NULL, NULL, &signals);
    stream_signals_done(&signals);
    return status;
}

struct vm_exec_options {
    struct session_options session;
    bool keep;
};

static int vm_exec(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_exec_options *o = values;
    struct session_options session = o->session;
    struct opt_args command = *args;
    if (args->n_rest == 0 && !session.tty && !terminal_is_ours())
        return cli_usage("vm exec: which command? (banger vm exec %s -- COMMAND)", args->refs[0]);
    run_take_shell(&session, &command);
    struct stream_signals signals;
    if (cli_connect(cli) < 0 || stream_signals_init(&signals) != 0)
        return EXIT_BANGER;
    int status = session_run_attached(cli, args->refs[0], &session, command.n_rest, command.rest,
                                      o->keep, &signals);
    stream_signals_done(&signals);
    return status;
}

static const struct opt run_opts[] = {
    VM_SPEC_OPTS,
    SESSION_OPTS(offsetof(struct vm_run_options, session)),
    SESSION_DETACH_KEYS_OPT(offsetof(struct vm_run_options, session.detach_keys)),
    SESSION_NO_WAIT_OPT(offsetof(struct vm_run_options, session)),
    {"workspace", 0, OPT_STRING, offsetof(struct vm_run_options, workspace.path), "PATH",
     "take the git repository around PATH along; as PATH before the command", NULL, NAMES_FILE},
    WORKSPACE_OPTS(offsetof(struct vm_run_options, workspace)),
    {"rm", 0, OPT_FLAG, offsetof(struct vm_run_options, rm), NULL,
     "delete the VM afterwards, whatever happens; with -d when it stops", NULL, NAMES_NONE},
    {"lease", 0, OPT_DURATION, offsetof(struct vm_run_options, lease), "TIME",
     "with --rm: the daemon deletes the VM when banger was gone for so long (2m)", NULL,
     NAMES_NONE},
    {"detach", 'd', OPT_FLAG, offsetof(struct vm_run_options, detach), NULL,
     "leave it running and print its name", NULL, NAMES_NONE},
    {"keep", 0, OPT_FLAG, offsetof(struct vm_run_options, keep), NULL,
     "keep the session's record and output", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt exec_opts[] = {
    SESSION_OPTS(offsetof(struct vm_exec_options, session)),
    SESSION_DETACH_KEYS_OPT(offsetof(struct vm_exec_options, session.detach_keys)),
    SESSION_NO_WAIT_OPT(offsetof(struct vm_exec_options, session)),
    {"keep", 0, OPT_FLAG, offsetof(struct vm_exec_options, keep), NULL,
     "keep the session's record and output", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_run_command = {
    "run",
    NULL,
    "[IMAGE|PATH] [--] [COMMAND [ARG...]]",
    "boot a new VM and run a command in it",
    "The first word names an image, or a folder if it is ., .. or begins with ./ ../ / or ~: the\n"
    "git repository around it goes along, and is where the command runs. Without either, a "
    "command\n"
    "goes behind --.\n"
    "The VM stays when the command has ended, unless --rm is given.\n\n"
    "Ends with the command's exit status: 128+n if signal n ended it, 127 if there is no such\n"
    "command, 126 if it cannot be executed, 125 for an error of banger itself. Without a command\n"
    "it logs in on our terminal, else runs /bin/sh on our standard input. Interrupt, terminate and "
    "hangup signals go to the\n"
    "command; a second interrupt within two seconds kills it. A signal during the boot undoes it.",
    run_opts,
    sizeof(struct vm_run_options),
    0,
    1,
    true,
    NAMES_IMAGE,
    vm_run,
};

const struct command vm_exec_command = {
    "exec",
    NULL,
    "VM [--] [COMMAND [ARG...]]",
    "run a command in a running VM, or log in",
    "Exit status and signals are as with vm run.",
    exec_opts,
    sizeof(struct vm_exec_options),
    1,
    1,
    true,
    NAMES_VM,
    vm_exec,
};
