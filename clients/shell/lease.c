/* See lease.h. A quarter of the lease is between two renewals, less after one that failed: a daemon
 * that restarts has time to come back. */
#include "lease.h"

#include <stdio.h>
#include <time.h>

enum { LEASE_AGAIN_MS = 1000 };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

void lease_begin(struct lease *lease, struct banger_client *client, const char *vm,
                 int64_t length_ms)
{
    *lease = (struct lease){
        .client = client, .length_ms = length_ms, .next_ms = now_ms() + length_ms / 4};
    snprintf(lease->vm, sizeof(lease->vm), "%s", vm);
}

static void lease_ask(struct lease *lease)
{
    Banger__V1__RenewVMLeaseRequest request = BANGER__V1__RENEW_VMLEASE_REQUEST__INIT;
    struct banger_call *call = banger_call_new();
    if (!call)
        return; /* the next turn comes */
    banger_call_set_timeout_ms(call, lease->length_ms / 2);
    request.vm = lease->vm;
    lease->call = banger_stream_open(lease->client, "/banger.v1.VMService/RenewVMLease",
                                     &request.base, call, NULL);
    banger_call_free(call);
}

void lease_turn(struct lease *lease)
{
    ProtobufCMessage *message = NULL;
    struct banger_error error;
    if (!lease || !lease->client)
        return;
    int64_t now = now_ms();
    if (!lease->call && now >= lease->next_ms) {
        lease_ask(lease);
        lease->next_ms = now + lease->length_ms / 4;
    }
    if (!lease->call)
        return;
    enum banger_next next;
    while ((next = banger_stream_next(lease->call, 0, &message, &error)) == BANGER_NEXT_MESSAGE)
        banger_message_free(message);
    if (next == BANGER_NEXT_NOTHING)
        return;
    banger_stream_close(lease->call);
    lease->call = NULL;
    if (next == BANGER_NEXT_END)
        return;
    if (error.code == BANGER_UNAVAILABLE || error.code == BANGER_DEADLINE_EXCEEDED)
        lease->next_ms = now + LEASE_AGAIN_MS;
    else
        lease->client = NULL; /* the VM is gone, or the daemon knows no leases */
}

int lease_wait_ms(const struct lease *lease)
{
    if (!lease || !lease->client || lease->call) /* an answer is the client's to wait for */
        return -1;
    int64_t left = lease->next_ms - now_ms();
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

void lease_end(struct lease *lease)
{
    if (lease->call)
        banger_stream_close(lease->call);
    *lease = (struct lease){0};
}
