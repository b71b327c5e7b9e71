/* Backoff: 10 ms, doubling to 1 s, each a random part shorter so that many clients do not come at
 * once. */
#include "internal.h"

#include <sys/random.h>

#include "base/clock.h"
#include "rpc/wire/method.h"

enum { RETRY_FIRST_MS = 10, RETRY_LAST_MS = 1000 };

void retry_reset(struct retry *retry)
{
    *retry = (struct retry){0};
}

int64_t retry_delay(struct retry *retry, int64_t patience_ms)
{
    int64_t now = clock_mono_ms();
    if (patience_ms <= 0)
        return -1;
    if (retry->until_ms == 0)
        retry->until_ms = now + patience_ms;
    if (now >= retry->until_ms)
        return -1;
    int64_t delay = RETRY_FIRST_MS << (retry->attempt < 7 ? retry->attempt : 7);
    if (delay > RETRY_LAST_MS)
        delay = RETRY_LAST_MS;
    retry->attempt++;
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    delay -= (int64_t)(random % (uint32_t)(delay / 2));
    return delay < retry->until_ms - now ? delay : retry->until_ms - now;
}

int retry_wait(struct retry *retry, struct banger_client *client, int64_t patience_ms,
               int64_t deadline_ms, struct banger_error *error)
{
    int64_t delay = retry_delay(retry, patience_ms);
    if (delay < 0)
        return -1;
    int64_t until = clock_mono_ms() + delay;
    if (until >= deadline_ms)
        return -1;
    for (int64_t left = delay; left > 0; left = until - clock_mono_ms())
        if (client_wait(client, left, error) < 0)
            return -1;
    return 0;
}

int64_t retry_patience(const struct banger_client *client, const struct rpc_method *method,
                       bool reached)
{
    if (reached)
        return method->idempotent ? client->retry_ms : -1;
    if (client->wait_for_ready_ms)
        return client->wait_for_ready_ms;
    return client->ever_connected ? client->retry_ms : -1;
}
