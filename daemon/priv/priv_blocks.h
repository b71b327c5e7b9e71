/* Firewalls of others that are in the way of guests with taps. Only read here. */
#ifndef BANGER_DAEMON_PRIV_PRIV_BLOCKS_H
#define BANGER_DAEMON_PRIV_PRIV_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum { NFT_NAME_BYTES = 64, PRIV_BLOCKS_MAX = 16 };

/* A chain at the hook forward, or input, that is none of ours and drops what it does not know. At
 * input it is in the way of guests' questions alone, where their egress list has names. */
struct nft_block {
    bool input;
    char family[8], table[NFT_NAME_BYTES], chain[NFT_NAME_BYTES];
};

/* Those that let what comes from taps through are left out, whoever wrote that into them. (Whether
 * they let the answers through is not looked at.) *n: how many are in blocks; there may be more. */
int nft_find_blocks(struct nft_block blocks[PRIV_BLOCKS_MAX], size_t *n, struct err *err);

/* ERR_PRECONDITION (FORWARD_DROPPED) names them; names: those at input too. */
int priv_check_forward(bool names, struct err *err);

#endif
