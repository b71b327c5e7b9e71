/* An agent that says what a test tells it to, on the test's own loop. */
#ifndef BANGER_TESTS_FAKE_AGENT_H
#define BANGER_TESTS_FAKE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/guest/agent_codec.h"
#include "rpc/event/loop.h"

struct fake_agent {
    struct loop *loop;
    char dir[64], path[96];
    int listen_fd, fd;
    struct watch listen_watch, watch;
    struct buf in;
    uint32_t next_out;
    unsigned hellos, requests[32]; /* by tag of ToAgent */
    uint32_t subscription;         /* of the latest Subscribe */
    uint32_t credit;
    bool mute; /* takes no hello */
    bool no_pong;
    /* Before the reply to a hello; may change it. Returns false: no reply. */
    bool (*on_hello)(struct fake_agent *f, PB(HelloReply) * reply);
    /* After the link is up (asked: a Subscribe has come). */
    void (*on_up)(struct fake_agent *f);
    void (*on_subscribe)(struct fake_agent *f);
};

void fake_agent_open(struct fake_agent *f, struct loop *loop);
void fake_agent_close(struct fake_agent *f);
void fake_agent_hang_up(struct fake_agent *f);
void fake_agent_send_raw(struct fake_agent *f, const void *data, size_t len);
void fake_agent_send_payload(struct fake_agent *f, const void *payload, size_t len);
void fake_agent_send(struct fake_agent *f, const PB(FromAgent) * m);
void fake_agent_subscribed(struct fake_agent *f, uint64_t stdout_offset, uint64_t stderr_offset);
void fake_agent_data(struct fake_agent *f, uint32_t subscription, int stream, uint64_t offset,
                     size_t len);

#endif
