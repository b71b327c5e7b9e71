/* Everything that a daemon, or whoever holds its end, can send: frames, messages, their order.
 *
 * The first byte of the input chooses: even, the rest goes to the link as it is; odd, the rest is a
 * list of messages (length u16 little-endian, payload), each put into a proper frame behind a
 * hello, so that the fuzzer gets past framing. No process is started: sessions wait for a root that
 * never comes, or (bit 1) fail because there is none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES = 256 * 1024, ROUNDS = 4, MAX_MESSAGES = 256 };

static struct agent agent;
static int peer_fd;

static void turn(void)
{
    static uint8_t sink[64 * 1024];
    for (int i = 0; i < ROUNDS; i++) {
        agent_round(&agent, 0);
        while (recv(peer_fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
            continue;
    }
}

static void give(const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(peer_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        turn();
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void give_frame(uint32_t sequence, const uint8_t *payload, size_t len)
{
    static uint8_t frame[FRAME_HEADER_BYTES + UINT16_MAX + FRAME_TRAILER_BYTES];
    frame_put_header(frame, (uint32_t)len, sequence);
    memcpy(frame + FRAME_HEADER_BYTES, payload, len);
    frame_put_trailer(frame + FRAME_HEADER_BYTES + len, sequence);
    give(frame, FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
}

static void give_messages(const uint8_t *data, size_t size)
{
    static const uint8_t hello[] = {0x0a, 0x0b, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 1};
    uint32_t sequence = 0;
    give_frame(sequence++, hello, sizeof(hello));
    while (size >= 2 && sequence < MAX_MESSAGES) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        if (len > size - 2)
            len = size - 2;
        give_frame(sequence++, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size < 1 || size > INPUT_BYTES ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    peer_fd = ends[0];
    if (agent_init(&agent, NULL, NULL) < 0 || link_use_socket(&agent.link, ends[1]) < 0)
        abort();
    if (data[0] & 2)
        agent_set_root(&agent, "there is no root device");
    if (data[0] & 1)
        give_messages(data + 1, size - 1);
    else
        give(data + 1, size - 1);
    close(peer_fd);
    agent_round(&agent, 0);
    agent_done(&agent);
    return 0;
}
