/* Every kind of operation that the daemon has, as something to interrupt: what it is asked for,
 * what must be there before, what a success leaves, and what must be true whatever happened.
 *
 * The list is complete by construction: subjects_check_complete compares it with the daemon's own
 * table (core_operation_kinds), so that a new kind fails the tests until it has its row here. */
#ifndef BANGER_TESTS_FAULT_SUBJECTS_H
#define BANGER_TESTS_FAULT_SUBJECTS_H

#include "daemon/core/operation/operation.h"
#include "tests/support/vm_steps.h"

enum subject_what {
    SUBJECT_VM,     /* one of the verbs of vm_steps.h */
    SUBJECT_CREATE, /* the VM under test is made */
    SUBJECT_UPDATE,
    SUBJECT_PRUNE,
    SUBJECT_IMPORT_IMAGE,
    SUBJECT_IMPORT_KERNEL,
    SUBJECT_PULL_KERNEL, /* of a package made by us, by a stand-in for apt */
    SUBJECT_BUILD_IMAGE, /* of that kernel, and what a stand-in for mmdebstrap unpacks */
};

struct subject {
    const char *kind;
    enum subject_what what;
    enum steps_verb verb; /* SUBJECT_VM */
    int from;             /* state of the VM before; STEPS_GONE: none */
    int to[2];            /* after a success, one of them */
    bool cheap;           /* for qemu too */
};

struct subjects {
    struct harness *h;
    char box[STEPS_ID_BYTES];       /* the VM under test; "" where there is none */
    char neighbour[STEPS_ID_BYTES]; /* one that runs beside it all the time; "": none */
    int neighbour_pid;
    char file[64];   /* a file system to import */
    char kernel[64]; /* folder of a kernel package's tree */
};

/* h is prepared; makes what is imported. */
void subjects_init(struct subjects *s, struct harness *h);
/* From here on another VM runs, which nothing of all that is to touch. */
void subjects_add_neighbour(struct subjects *s);
void subjects_check_complete(void);
/* NULL behind the last. */
const struct subject *subjects_at(size_t i);
const struct operation_kind *subject_kind(const struct subjects *s, const struct subject *subject);
/* Makes what must be there before, and removes what must not. */
void subject_prepare(struct subjects *s, struct banger_client *client,
                     const struct subject *subject);
Banger__V1__Operation *subject_begin(struct subjects *s, struct banger_client *client,
                                     const struct subject *subject, const char *request_id,
                                     struct banger_error *error);
/* After all that: the same request finds its operation or is the first; it ends; no operation is
 * left, and what the daemon says is what the machine shows. may_fail: it may end FAILED. */
void subject_check_outcome(struct subjects *s, const struct subject *subject,
                           const char *request_id, bool may_fail);
/* No VM, image, kernel, process or file is left once all are deleted. */
void subjects_check_nothing_left(struct subjects *s);

#endif
