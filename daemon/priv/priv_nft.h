/* The nftables table `inet banger`, by libnftables: fixed chains, and sets and maps that are keyed
 * by tap. Shared by all who use the helper on this host; an element bears its owner's label. */
#ifndef BANGER_DAEMON_PRIV_PRIV_NFT_H
#define BANGER_DAEMON_PRIV_PRIV_NFT_H

#include <jansson.h>
#include <stdbool.h>

#include "banger/priv/v1/priv.pb-c.h"
#include "daemon/model/egress.h"
#include "daemon/priv/priv_names.h"

struct err;

/* Runs commands of nft(8) as one transaction; none of their text is a caller's. */
int nft_run(const char *commands, struct err *err);
/* 1: the table has a chain of that name; 0: not, or there is no table. -1. */
int nft_has_chain(const char *name, struct err *err);
/* Whose chain that is, where a verdict leads to; UNSPECIFIED: nobody's. */
Banger__Priv__V1__Egress nft_egress_named(const char *chain);
/* What a command lists, as JSON (libnftables-json(5)); owned. NULL: err. */
json_t *nft_read(const char *command, struct err *err);
/* All chains and their rules; of sets, which may have a hundred thousand elements, the names alone.
 */
json_t *nft_read_rules(struct err *err);
/* Elements of what a command of nft lists, a set or a map, as JSON: borrowed from *answer, which is
 * the caller's. NULL: there are none, or *answer is NULL, too, with an error. */
json_t *nft_elements(const char *command, const char *what, json_t **answer, struct err *err);
/* Makes the table as this program wants it, or brings it up to that; elements stay. */
int nft_table(struct err *err);

struct nft_guest {
    char tap[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES];
    Banger__Priv__V1__Egress egress; /* UNSPECIFIED: it has no verdict */
};

/* One tap; guest->tap is "" where the table does not know it, which may have a verdict for it. */
int nft_find(const char *tap, struct nft_guest *guest, struct err *err);
/* Each tap that the table knows. No table: none. */
int nft_each(void (*fn)(void *arg, const char *tap, const char *label), void *arg, struct err *err);

/* What names have led to, of all taps: elements of `pinned`. */
struct nft_pinned {
    char tap[PRIV_TAP_BYTES];
    uint32_t address;
    struct egress_entry ports; /* without an address */
    uint32_t left_s;
};

typedef void nft_pinned_fn(void *arg, const struct nft_pinned *p);

/* Each of them. What changes meanwhile is read again, from begin on. */
int nft_each_pinned(nft_pinned_fn *fn, void (*begin)(void *arg), void *arg, struct err *err);

#endif
