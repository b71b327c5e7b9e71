/* The real clock, as far as it may be acted on: where it is set forward while we look, the time
 * goes on as before until the new one has stood for EXPIRY_SETTLE_NS, so that a wrong clock deletes
 * nothing. Set back, it is believed at once: that only deletes later. While no daemon looked, what
 * the database knows of is the time before. No I/O, no allocation. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_EXPIRY_CLOCK_H
#define BANGER_DAEMON_CORE_SUPERVISE_EXPIRY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define EXPIRY_JUMP_NS   ((int64_t)60 * 1000000000)
#define EXPIRY_SETTLE_NS ((int64_t)600 * 1000000000)
/* How long no daemon may have looked before the clock is doubted. */
#define EXPIRY_UNSEEN_NS ((int64_t)24 * 3600 * 1000000000)

struct expiry_clock { /* zeroed at first */
    bool known, doubted;
    int64_t offset_ns;       /* real minus boot time, as believed */
    int64_t doubt_offset_ns; /* as the clock has it since it jumped */
    int64_t believe_boot_ns; /* boot time from which on that is believed */
};

/* Before the first question: the newest time (Unix ns) that the database knows of, 0 for none. A
 * clock that is further ahead of it than EXPIRY_UNSEEN_NS is doubted as one that has jumped. */
void expiry_clock_seed(struct expiry_clock *c, int64_t known_ns, int64_t real_ns, int64_t boot_ns);
/* What time it is (Unix ns), of the real clock and of the time since boot, suspended or not. To be
 * asked often: a jump between two questions is seen by the second. */
int64_t expiry_clock_now(struct expiry_clock *c, int64_t real_ns, int64_t boot_ns);

#endif
