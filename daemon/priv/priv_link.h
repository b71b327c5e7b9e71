/* Network interfaces by rtnetlink. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LINK_H
#define BANGER_DAEMON_PRIV_PRIV_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/priv/priv_names.h"

struct err;

struct link_info {
    unsigned index;
    char name[PRIV_TAP_BYTES];
    char label[PRIV_LABEL_BYTES]; /* its alias; "" where there is none, or it is no label of ours */
    bool up;
};

/* By name. ERR_NOT_FOUND. */
int link_find(const char *name, struct link_info *info, struct err *err);
/* All that there were at one moment; info is borrowed for the call. */
int link_each(void (*fn)(void *arg, const struct link_info *info), void *arg, struct err *err);
int link_label(unsigned index, const char *label, struct err *err);
int link_raise(unsigned index, struct err *err);
/* A missing one is fine. */
int link_remove(unsigned index, struct err *err);
/* It may have it already. */
int link_give_address(unsigned index, uint32_t address, unsigned prefix, struct err *err);

#endif
