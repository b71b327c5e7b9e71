/* Intrusive doubly linked list. A `struct list` is a head or a member; an unlinked member points at
 * itself, so removing twice does no harm. */
#ifndef BANGER_BASE_LIST_H
#define BANGER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *member)
{
    member->prev = head->prev;
    member->next = head;
    head->prev->next = member;
    head->prev = member;
}

static inline void list_remove(struct list *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    list_init(member);
}

/* First member, or NULL. */
static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

/* Moves all members of from behind those of to. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* A walk in which any member may leave by what is done with another, or be freed; those that come
 * meanwhile are not met. The members are moved to turn, an own head, and each goes back to the end
 * of head as it is met: for (list_turn_begin(&turn, head); (l = list_turn_next(&turn, head));) */
static inline void list_turn_begin(struct list *turn, struct list *head)
{
    list_init(turn);
    list_move_all(turn, head);
}

static inline struct list *list_turn_next(struct list *turn, struct list *head)
{
    struct list *l = list_first(turn);
    if (l) {
        list_remove(l);
        list_add_tail(head, l);
    }
    return l;
}

/* The loop variable is a struct list *; the body may remove the current member. */
#define list_foreach(pos, head)                                                                    \
    for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);                  \
         pos = pos##_next, pos##_next = pos->next)

#endif
