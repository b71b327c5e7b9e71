/* Follows a guest session in a loop of poll(2): prints what it writes, ends as it ends.
 *
 *   follow_poll TARGET SESSION [CA IDENTITY]
 *
 * TARGET is unix:/path/of/socket or tls:HOST:PORT; for the latter CA and IDENTITY are PEM files. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <banger/attach.h>

/* Takes what has come. -1: goes on; else the exit status. */
static int take_frames(struct banger_attach *attach)
{
    struct banger_frame frame;
    struct banger_error error;
    int result;
    while ((result = banger_attach_next(attach, 0, &frame, &error)) == 1) {
        if (frame.kind == BANGER_FRAME_DATA)
            fwrite(frame.data, 1, frame.len, frame.stream == 1 ? stdout : stderr);
        if (frame.kind == BANGER_FRAME_EXIT)
            return banger_exit_status(frame.exit);
        if (frame.kind == BANGER_FRAME_LOST)
            return 125;
    }
    if (result == 0)
        return -1;
    fprintf(stderr, "%s\n", error.message);
    return 125;
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (argc != 3 && argc != 5)
        return 125;
    struct banger_client *client = banger_connect(argv[1], &error);
    bool ready = client != NULL;
    if (ready && argc == 5)
        ready = banger_set_credential_files(client, argv[3], argv[4], argv[4], &error) == 0;
    struct banger_attach *attach = ready ? banger_attach_open(client, argv[2], &error) : NULL;
    if (!attach) {
        fprintf(stderr, "%s\n", error.message);
        banger_close(client);
        return 125;
    }
    int status;
    while ((status = take_frames(attach)) < 0) {
        struct pollfd fds[1] = {{.fd = banger_fd(client), .events = POLLIN}}; /* and yours */
        if (poll(fds, 1, -1) < 0 && errno != EINTR) {
            status = 125;
            break;
        }
        banger_process(client, NULL); /* a lost connection shows in the attach */
    }
    banger_attach_close(attach);
    banger_close(client);
    return status;
}
