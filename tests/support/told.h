/* What tests tell libbanger, as plain structs and in one line: clients, calls and attaches. */
#ifndef BANGER_TESTS_TOLD_H
#define BANGER_TESTS_TOLD_H

#include <stdio.h>
#include <stdlib.h>

#include "banger/attach.h"
#include "banger/remote.h"

/* What is zero is not told. */
struct told_client {
    int64_t retry_ms, wait_for_ready_ms, alive_ms;
    const char *ca_file, *certificate_file, *key_file;
};

struct told_start {
    enum banger_start at;
    uint64_t value;
};

struct told_attach {
    Banger__V1__AttachRole role;
    struct told_start start_stdout, start_stderr;
    int64_t reattach_ms;
    bool hold;
};

/* NULL stays NULL; one that takes the files not is closed. */
static inline struct banger_client *told_client(struct banger_client *client,
                                                const struct told_client *told,
                                                struct banger_error *error)
{
    if (!client)
        return NULL;
    if (told->retry_ms)
        banger_set_retry_ms(client, told->retry_ms);
    if (told->wait_for_ready_ms)
        banger_set_wait_for_ready_ms(client, told->wait_for_ready_ms);
    if (told->alive_ms)
        banger_set_alive_ms(client, told->alive_ms);
    if (!told->ca_file || banger_set_credential_files(client, told->ca_file, told->certificate_file,
                                                      told->key_file, error) == 0)
        return client;
    banger_close(client);
    return NULL;
}

static inline struct banger_client *told_connect(const char *target, const struct told_client *told,
                                                 struct banger_error *error)
{
    return told_client(banger_connect(target, error), told, error);
}

static inline struct banger_client *
told_connect_context(const char *name, const struct told_client *told, struct banger_error *error)
{
    return told_client(banger_connect_context(name, error), told, error);
}

/* told may be NULL. */
static inline struct banger_attach *told_attach_open(struct banger_client *client,
                                                     const char *session,
                                                     const struct told_attach *told,
                                                     struct banger_error *error)
{
    struct banger_attach *attach = banger_attach_open(client, session, error);
    if (!attach || !told)
        return attach;
    banger_attach_set_role(attach, told->role);
    banger_attach_set_start(attach, 1, told->start_stdout.at, told->start_stdout.value);
    banger_attach_set_start(attach, 2, told->start_stderr.at, told->start_stderr.value);
    if (told->reattach_ms)
        banger_attach_set_reattach_ms(attach, told->reattach_ms);
    banger_attach_set_hold(attach, told->hold);
    return attach;
}

static inline void told_free_call(struct banger_call **call)
{
    banger_call_free(*call);
}
#define auto_call __attribute__((cleanup(told_free_call)))

static inline struct banger_call *call_within(int64_t timeout_ms)
{
    struct banger_call *call = banger_call_new();
    if (!call) {
        fprintf(stderr, "no memory for a call\n");
        abort();
    }
    banger_call_set_timeout_ms(call, timeout_ms);
    return call;
}

#endif
