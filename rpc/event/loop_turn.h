/* How long the loop's callbacks take, and whether one blocked: a check for tests and for those who
 * look for a daemon's hiccups.
 *
 * Off, and free, unless BANGER_LOOP_LIMIT_MS is in the environment when the loop is made. Then a
 * turn (one callback) is reported when it slept longer than the limit, by its thread's own account:
 * time on the clock, less time on a CPU, less time in the queue for one, so that a busy machine is
 * nobody's fault; or when it took more CPU than the limit (times five under a sanitizer). */
#ifndef BANGER_RPC_EVENT_LOOP_TURN_H
#define BANGER_RPC_EVENT_LOOP_TURN_H

#include <stdint.h>

struct loop;
struct loop_turns;

struct loop_turn {
    struct loop_turns *turns; /* NULL: nobody measures */
    int64_t clock_ns, cpu_ns, queue_ns;
};

/* NULL when nothing is to be measured, or out of memory. */
struct loop_turns *loop_turns_new(void);
void loop_turns_free(struct loop_turns *turns);
uint64_t loop_turns_late(const struct loop_turns *turns);

/* Around a callback, on the loop's thread. */
struct loop_turn loop_turn_begin(struct loop *loop);
/* Its inside, for loop.c. */
void loop_turn_measure(struct loop_turns *turns, struct loop_turn *turn);
void loop_turn_judge(struct loop_turn *turn, const char *what, void (*callback)(void));
/* what: the kind of event; callback: any function, for the report. */
static inline void loop_turn_end(struct loop_turn *turn, const char *what, void (*callback)(void))
{
    if (turn->turns)
        loop_turn_judge(turn, what, callback);
}

/* For callbacks of any type. */
#define LOOP_CALLBACK(fn) ((void (*)(void))(fn))

#endif
