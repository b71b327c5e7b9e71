/* Images and kernels: registry, references, building, deletion. On the loop's thread.
 *
 * What is found here is on disk: what is on its way there or away from there is not seen. Borrowed
 * pointers are good until the next return to the loop. */
#ifndef BANGER_DAEMON_CORE_IMAGE_IMAGE_H
#define BANGER_DAEMON_CORE_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/operation/operation.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct image_registry;

struct image_registry *image_registry_new(struct core *core, struct err *err);
void image_registry_free(struct image_registry *r);

/* Exact id, exact name, digest ("sha256:…" or a prefix of it of 12 digits and more), or unique id
 * prefix. NULL with ERR_NOT_FOUND (IMAGE_NOT_FOUND, KERNEL_NOT_FOUND) or ERR_INVALID
 * (AMBIGUOUS_REFERENCE). */
const struct image *image_find(struct core *core, const char *ref, struct err *err);
const struct kernel *kernel_find(struct core *core, const char *ref, struct err *err);
const struct image *image_find_id(struct core *core, const char *id);
const struct kernel *kernel_find_id(struct core *core, const char *id);
/* The configured default by name, else the only one there is; the error says how to get one. */
const struct image *image_default(struct core *core, struct err *err);
/* The latest. */
const struct kernel *kernel_default(struct core *core, struct err *err);
/* In order of creation; NULL: the first. */
const struct image *image_next(struct core *core, const struct image *after);
const struct kernel *kernel_next(struct core *core, const struct kernel *after);
/* Whoever needs an image or a kernel, listed or not, holds it by its id ("": none) as long as that
 * is so. -1: ERR_LIMIT, out of memory. */
int image_hold(struct core *core, const char *id, struct err *err);
void image_release(struct core *core, const char *id);
/* VMs that hold it, those that are being made included; for a kernel, images too. */
uint32_t image_vm_count(const struct core *core, const char *image_id);
uint32_t kernel_user_count(struct core *core, const char *kernel_id);

/* Removes record and files; ERR_PRECONDITION (IMAGE_IN_USE, KERNEL_IN_USE). done comes once, later:
 * the record is gone from disk, or all is as before; 0, or -1 and it never comes. */
int image_delete(struct core *core, const char *ref, void (*done)(void *arg, const struct err *err),
                 void *arg, struct err *err);
int kernel_delete(struct core *core, const char *ref,
                  void (*done)(void *arg, const struct err *err), void *arg, struct err *err);
/* 1 to 127 of a-z 0-9 . _ : / -. ERR_INVALID (INVALID_NAME). */
int image_name_check(const char *name, struct err *err);
/* The name moves to this image. done comes once, later: image (borrowed) has it on disk, or NULL
 * with err and all is as before; 0, or -1 and it never comes. */
int image_tag(struct core *core, const char *ref, const char *name,
              void (*done)(void *arg, const struct image *image, const struct err *err), void *arg,
              struct err *err);

struct image_build_request {
    char name[NAME_BYTES * 2];   /* "": debian-SUITE */
    char suite[64];              /* "": bookworm */
    const char *const *packages; /* NULL-terminated, or NULL; copied */
    uint64_t size_bytes;         /* 0: 2 GiB */
    enum image_format format;    /* 0: raw */
};

/* image.build: kernel where there is none, then the root filesystem. Operations as in vm_ops.h. */
struct operation_entry *image_ask_build(struct core *core, const struct image_build_request *req,
                                        const struct request_meta *meta, struct err *err);
/* kernel.pull: Debian's kernel, and the initramfs with our agent. */
struct operation_entry *kernel_ask_pull(struct core *core, const struct request_meta *meta,
                                        struct err *err);
extern const struct operation_kind image_build_kind, kernel_pull_kind;

/* Brings every kernel's initramfs up to date with the guest agent. done comes once, later; failures
 * are logged. */
void image_refresh(struct core *core, void (*done)(void *arg), void *arg);
/* Publishes what was made: rows and events in txn, found by others once that is on disk, and never
 * if it does not get there. Always 0. */
int image_publish(struct core *core, const struct image *image, struct store_txn *txn,
                  struct err *err);
int kernel_publish(struct core *core, const struct kernel *kernel, struct store_txn *txn,
                   struct err *err);

#endif
