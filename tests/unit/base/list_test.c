/* Walks in which members leave, end others, and come. */
#include "base/list.h"

#include "tests/support/check.h"

enum { N = 5 };

struct member {
    struct list link;
    int met;
};

static struct list head;
static struct member members[N], late;

static void fill(void)
{
    list_init(&head);
    for (int i = 0; i < N; i++) {
        members[i].met = 0;
        list_init(&members[i].link);
        list_add_tail(&head, &members[i].link);
    }
    late.met = 0;
    list_init(&late.link);
}

static int count(const struct list *of)
{
    int n = 0;
    for (const struct list *l = of->next; l != of; l = l->next) {
        CHECK(l->next->prev == l && l->prev->next == l);
        n++;
    }
    return n;
}

static void test_all_members_move_behind_those_that_are_there(void)
{
    struct list to;
    fill();
    list_init(&to);
    list_move_all(&to, &head);
    CHECK(list_empty(&head));
    CHECK_INT(count(&to), N);
    list_move_all(&to, &head); /* nothing */
    CHECK_INT(count(&to), N);
    list_add_tail(&head, &late.link);
    list_move_all(&to, &head);
    CHECK(to.next == &members[0].link && to.prev == &late.link);
    CHECK_INT(count(&to), N + 1);
}

static void test_a_turn_meets_each_once_in_order(void)
{
    struct list turn;
    int n = 0;
    fill();
    list_turn_begin(&turn, &head);
    for (struct list *l; (l = list_turn_next(&turn, &head)); n++)
        CHECK(l == &members[n].link);
    CHECK_INT(n, N);
    CHECK_INT(count(&head), N);
    CHECK(list_empty(&turn));
}

/* The second ends itself and the third, the fourth makes one that comes. */
static void test_members_leave_and_come_during_a_turn(void)
{
    struct list turn;
    fill();
    list_turn_begin(&turn, &head);
    for (struct list *l; (l = list_turn_next(&turn, &head));) {
        struct member *m = container_of(l, struct member, link);
        m->met++;
        if (m == &members[1]) {
            list_remove(&m->link);
            list_remove(&members[2].link);
        }
        if (m == &members[3])
            list_add_tail(&head, &late.link);
    }
    static const int met[N] = {1, 1, 0, 1, 1};
    for (int i = 0; i < N; i++)
        CHECK_INT(members[i].met, met[i]);
    CHECK_INT(late.met, 0);
    CHECK_INT(count(&head), N - 2 + 1);
}

int main(void)
{
    RUN(test_all_members_move_behind_those_that_are_there);
    RUN(test_a_turn_meets_each_once_in_order);
    RUN(test_members_leave_and_come_during_a_turn);
    return check_end();
}
