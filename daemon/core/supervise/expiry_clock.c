/* A clock that doubts jumps; see expiry_clock.h. */
#include "daemon/core/supervise/expiry_clock.h"

static bool expiry_clock_is_near(int64_t a, int64_t b)
{
    return a - b <= EXPIRY_JUMP_NS && b - a <= EXPIRY_JUMP_NS;
}

static void expiry_clock_doubt(struct expiry_clock *c, int64_t offset, int64_t boot_ns)
{
    c->doubted = true;
    c->doubt_offset_ns = offset;
    c->believe_boot_ns = boot_ns + EXPIRY_SETTLE_NS;
}

void expiry_clock_seed(struct expiry_clock *c, int64_t known_ns, int64_t real_ns, int64_t boot_ns)
{
    if (known_ns <= 0 || real_ns - known_ns <= EXPIRY_UNSEEN_NS)
        return;
    c->known = true;
    c->offset_ns = known_ns - boot_ns;
    expiry_clock_doubt(c, real_ns - boot_ns, boot_ns);
}

int64_t expiry_clock_now(struct expiry_clock *c, int64_t real_ns, int64_t boot_ns)
{
    int64_t offset = real_ns - boot_ns;
    bool forward = c->known && offset - c->offset_ns > EXPIRY_JUMP_NS;
    if (forward && !(c->doubted && expiry_clock_is_near(offset, c->doubt_offset_ns)))
        expiry_clock_doubt(c, offset, boot_ns);
    if (forward && boot_ns < c->believe_boot_ns)
        return boot_ns + c->offset_ns;
    c->known = true;
    c->doubted = false;
    c->offset_ns = offset;
    return real_ns;
}
