/* banger-ssh-proxy: what "banger ssh-proxy" runs, a program apart so that nobody else waits for
 * libssh to be loaded.
 *
 *   banger-ssh-proxy TARGET VM     TARGET: a socket's path, a context's name, "": the local daemon
 *   banger-ssh-proxy --make-key    makes the host key, and prints its folder
 *
 * SSH is on stdin and stdout. What is wrong before the client is let in is said on stderr, which
 * ssh shows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/local.h>
#include <banger/methods.h>
#include <banger/remote.h>

#include "base/std_fds.h"
#include "key.h"
#include "server.h"

static int fail(const char *what, const struct banger_error *error)
{
    fprintf(stderr, "banger: %s: %s\n", what, error->message);
    if (error->code == BANGER_UNAUTHENTICATED || error->code == BANGER_PERMISSION_DENIED)
        fputs("banger: the identity that this user has with that daemon is not enough, or was "
              "revoked; see \"banger auth whoami\"\n",
              stderr);
    return EXIT_FAILURE;
}

static struct banger_client *connect_to(const char *target, struct banger_error *error)
{
    if (target[0] == '/')
        return banger_connect(target, error);
    return target[0] ? banger_connect_context(target, error) : banger_connect_local(NULL, error);
}

/* Its id, or NULL with the reason said. Caller frees. */
static char *find_vm(struct banger_client *client, const char *ref)
{
    struct banger_error error;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)ref;
    Banger__V1__VM *vm = banger_get_vm(client, &request, NULL, &error);
    if (!vm) {
        fail(ref, &error);
        return NULL;
    }
    char *id = NULL;
    if (vm->runtime && vm->runtime->state == BANGER__V1__VMSTATE__VM_STATE_RUNNING)
        id = strdup(vm->id);
    else if (vm->runtime && vm->runtime->state == BANGER__V1__VMSTATE__VM_STATE_PAUSED)
        fprintf(stderr, "banger: VM %s is paused; \"banger vm resume %s\" goes on with it\n", ref,
                ref);
    else
        fprintf(stderr, "banger: VM %s does not run; \"banger vm start %s\" starts it\n", ref, ref);
    banger_message_free(&vm->base);
    return id;
}

int main(int argc, char **argv)
{
    char key[KEY_PATH_BYTES];
    struct banger_error error;
    std_fds_open();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* ssh's last word to its proxy; the end of stdin is enough */
    if (argc != 3 && (argc != 2 || strcmp(argv[1], "--make-key") != 0)) {
        fputs("usage: banger-ssh-proxy TARGET VM | --make-key\n", stderr);
        return 2;
    }
    if (key_find(key, &error) < 0)
        return fail("ssh", &error);
    if (argc == 2) {
        *strrchr(key, '/') = '\0';
        return puts(key) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    struct banger_client *client = connect_to(argv[1], &error);
    if (!client)
        return fail("no daemon", &error);
    char *vm = find_vm(client, argv[2]);
    int status = vm ? server_run(client, vm, key) : EXIT_FAILURE;
    free(vm);
    banger_close(client);
    return status;
}
