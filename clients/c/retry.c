/* Backoff: 10 ms, doubling to 1 s, each a random part shorter so that many clients do not come at
 * once. */
#include "internal.h"

#include <sys/random.h>

#include "base/clock.h"

enum { RETRY_FIRST_MS = 10, RETRY_LAST_MS = 1000 };

void retry_reset(struct retry *retry)
{
    *retry = (struct retry){0};
}

int64_t retry_backoff_ms(unsigned attempt)
{
    int64_t delay = RETRY_FIRST_MS << (attempt < 7 ? attempt : 7);
    uint32_t random = 0;
    if (delay > RETRY_LAST_MS)
        delay = RETRY_LAST_MS;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return delay - (int64_t)(random % (uint32_t)(delay / 2));
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
    int64_t delay = retry_backoff_ms(retry->attempt++);
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
