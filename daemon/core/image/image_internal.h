/* The registry of images and kernels from inside: image.c finds, image_change.c changes. */
#ifndef BANGER_DAEMON_CORE_IMAGE_IMAGE_INTERNAL_H
#define BANGER_DAEMON_CORE_IMAGE_IMAGE_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "daemon/core/image/image.h"

struct image_entry {
    struct list link;
    struct image image; /* as on disk: what everybody sees */
    struct image next;  /* with the changes that are on their way there */
    bool listed;        /* it has a row */
    bool leaving;       /* its deletion is on its way: nobody finds it */
    uint32_t writes;    /* of its row, on their way */
};

struct kernel_entry {
    struct list link;
    struct kernel kernel; /* never changes */
    bool listed, leaving; /* as above */
};

struct image_registry {
    const struct core *core;
    struct list images, kernels; /* by creation */
    struct map holds;            /* struct image_hold, by id, owned */
    struct list tags;            /* struct image_tagging: one after another */
    bool tagging;                /* the first is on its way to the disk */
};

/* Tells those whose turn has not come that it will not. */
void image_tags_done(struct image_registry *r);

#endif
