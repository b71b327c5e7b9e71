/* Written by protoc-gen-banger-rpc from proto/; do not edit. */
#ifndef BANGER_CONTRACT_RPC_H
#define BANGER_CONTRACT_RPC_H

#include "rpc/wire/method.h"

/* Every service of proto/; ends with NULL. */
extern const struct rpc_service *const contract_services[];

#endif
