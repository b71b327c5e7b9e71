/* As follow_poll.c, in a loop of libevent's: one event for the client's whole life.
 *
 *   follow_libevent TARGET SESSION [CA IDENTITY] */
#include <event2/event.h>
#include <stdio.h>

#include <banger/attach.h>

struct app {
    struct event_base *base;
    struct banger_client *client;
    struct banger_attach *attach;
    int status;
};

static void end(struct app *app, int status)
{
    app->status = status;
    event_base_loopbreak(app->base);
}

static void take_frames(struct app *app)
{
    struct banger_frame frame;
    struct banger_error error;
    int result;
    while ((result = banger_attach_next(app->attach, 0, &frame, &error)) == 1) {
        if (frame.kind == BANGER_FRAME_DATA)
            fwrite(frame.data, 1, frame.len, frame.stream == 1 ? stdout : stderr);
        if (frame.kind == BANGER_FRAME_EXIT) {
            end(app, banger_exit_status(frame.exit));
            return;
        }
    }
    if (result < 0) {
        fprintf(stderr, "%s\n", error.message);
        end(app, 125);
    }
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;
    (void)fd;
    (void)what;
    banger_process(app->client, NULL); /* a lost connection shows in the attach */
    take_frames(app);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    struct app app = {.status = 125};
    if (argc != 3 && argc != 5)
        return 125;
    app.base = event_base_new();
    app.client = banger_connect(argv[1], &error);
    bool ready = app.client != NULL;
    if (ready && argc == 5)
        ready = banger_set_credential_files(app.client, argv[3], argv[4], argv[4], &error) == 0;
    app.attach = ready ? banger_attach_open(app.client, argv[2], &error) : NULL;
    if (app.base && app.attach) {
        struct event *event =
            event_new(app.base, banger_fd(app.client), EV_READ | EV_PERSIST, on_client, &app);
        event_add(event, NULL);
        event_base_dispatch(app.base);
        event_free(event);
    } else {
        fprintf(stderr, "%s\n", error.message);
    }
    banger_attach_close(app.attach);
    banger_close(app.client);
    if (app.base)
        event_base_free(app.base);
    return app.status;
}
