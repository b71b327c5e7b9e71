/* Written by protoc-gen-banger-rpc from proto/; do not edit. */
/* The contract's messages, as protoc-c makes them. They have unnamed unions, which strict C99 has
 * not: said to the compiler here, so that -std=c99 -pedantic is quiet about what is not its user's.
 */
#ifndef BANGER_CLIENT_MESSAGES_H
#define BANGER_CLIENT_MESSAGES_H

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include "banger/v1/auth.pb-c.h"
#include "banger/v1/event.pb-c.h"
#include "banger/v1/file.pb-c.h"
#include "banger/v1/forward.pb-c.h"
#include "banger/v1/guest_service.pb-c.h"
#include "banger/v1/guest_session.pb-c.h"
#include "banger/v1/host.pb-c.h"
#include "banger/v1/image.pb-c.h"
#include "banger/v1/operation.pb-c.h"
#include "banger/v1/snapshot.pb-c.h"
#include "banger/v1/vm.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
