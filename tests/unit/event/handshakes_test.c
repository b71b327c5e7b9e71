/* Whose handshake goes: counted over many choices of a fixed sequence. */
#include <string.h>

#include "rpc/event/handshakes.h"
#include "tests/support/check.h"

enum { CHOICES = 20000, N = HANDSHAKES_LOOKED_AT };

static struct handshake all[N];
static unsigned gone[N];

static void seat(size_t i, uint8_t source, bool silent)
{
    all[i] = (struct handshake){
        .source = {[0] = source}, .since_ns = (int64_t)(100 + i), .silent = silent};
}

static void choose(size_t n)
{
    uint64_t seed = 20;
    memset(gone, 0, sizeof(gone));
    for (int i = 0; i < CHOICES; i++) {
        size_t at = handshakes_choose(all, n, &seed);
        if (!CHECK(at < n))
            return;
        gone[at]++;
    }
}

static void test_one_alone_goes(void)
{
    seat(0, 1, false);
    choose(1);
    CHECK_INT(gone[0], CHOICES);
}

static void test_a_flood_of_silence_meets_itself(void)
{
    for (size_t i = 0; i < N; i++)
        seat(i, 1, true);
    seat(5, 2, false); /* from further away */
    seat(6, 1, false); /* from where the flood comes from, and has said hello */
    choose(N);
    CHECK(gone[5] < CHOICES / 1000);
    CHECK_INT(gone[6], 0);
    for (size_t i = 7; i < N; i++) /* of it the oldest quarter, each as much as the others */
        if (i < N / 4)
            CHECK(gone[i] > CHOICES / N * 2 && gone[i] < CHOICES / N * 8);
        else if (i > N / 4 + 2)
            CHECK_INT(gone[i], 0);
}

/* A flood that says half a hello, and somebody at the same address who has just connected. */
static void test_who_has_just_come_is_left_alone(void)
{
    for (size_t i = 0; i < N; i++)
        seat(i, 1, i == N - 1);
    choose(N);
    CHECK_INT(gone[N - 1], 0);
}

/* Who has just connected has not had the time to speak. */
static void test_a_flood_that_speaks_does_not_push_out_who_has_just_come(void)
{
    for (size_t i = 0; i < N; i++)
        seat(i, 1, false);
    seat(0, 2, true);
    choose(N);
    CHECK(gone[0] < CHOICES / 100);
}

/* Each of its own address: those who speak, and an office behind one address, stay rather. */
static void test_a_silent_flood_from_everywhere(void)
{
    enum { OFFICE = 4 };
    unsigned office = 0;
    for (size_t i = 0; i < N; i++)
        seat(i, (uint8_t)(10 + i), true);
    for (size_t i = 0; i < OFFICE; i++)
        seat(i, 1, false);
    seat(OFFICE, 2, false);
    choose(N);
    for (size_t i = 0; i < OFFICE; i++)
        office += gone[i];
    CHECK(office < CHOICES / 20);
    CHECK(gone[OFFICE] < CHOICES / 500);
}

static void test_nobody_is_safe_where_all_are_alike(void)
{
    for (size_t i = 0; i < N; i++)
        seat(i, (uint8_t)i, false);
    choose(N);
    for (size_t i = 0; i < N; i++)
        CHECK(gone[i] > CHOICES / N / 2 && gone[i] < CHOICES / N * 2);
}

static void test_the_sequence_is_of_its_seed(void)
{
    uint64_t a = 1, b = 1, c = 2;
    CHECK(handshakes_chance(&a) == handshakes_chance(&b));
    CHECK(handshakes_chance(&a) != handshakes_chance(&c));
}

int main(void)
{
    RUN(test_one_alone_goes);
    RUN(test_a_flood_of_silence_meets_itself);
    RUN(test_a_flood_that_speaks_does_not_push_out_who_has_just_come);
    RUN(test_who_has_just_come_is_left_alone);
    RUN(test_a_silent_flood_from_everywhere);
    RUN(test_nobody_is_safe_where_all_are_alike);
    RUN(test_the_sequence_is_of_its_seed);
    return check_end();
}
