/* What the files of GuestSessionService share. */
#ifndef BANGER_DAEMON_SERVICE_GUEST_SESSION_H
#define BANGER_DAEMON_SERVICE_GUEST_SESSION_H

#include "banger/v1/guest_session.server.rpc.h"

struct core;
struct rpc_call;
struct session;
struct session_entry;
struct session_spec;
struct session_view;

/* By reference, within vm where one is named; ends the call and returns NULL where there is none.
 */
struct session_entry *session_service_find(struct core *core, struct rpc_call *call, const char *vm,
                                           const char *session);
/* The entry as a message; -1 and the call is ended when out of memory. */
int session_service_view(struct session_view *view, struct rpc_call *call,
                         const struct session_entry *e);
void session_service_reply(struct rpc_call *call, const struct session_entry *e);
/* SessionSpec -> model; what it allocates goes with session_spec_done. spec may be NULL: refused.
 */
int session_service_fill_spec(struct session_spec *s, const Banger__V1__SessionSpec *spec,
                              struct err *err);
/* StartSessionRequest -> model; what it allocates goes with session_done. */
int session_service_spec(struct session *s, const Banger__V1__StartSessionRequest *request,
                         struct err *err);

void session_service_attach(void *self, struct rpc_call *call);
void session_service_list_viewers(void *self, struct rpc_call *call,
                                  const Banger__V1__ListViewersRequest *request);
void session_service_kick_viewer(void *self, struct rpc_call *call,
                                 const Banger__V1__KickViewerRequest *request);
void session_service_send_stdin(void *self, struct rpc_call *call,
                                const Banger__V1__SendStdinRequest *request);
void session_service_read_logs(void *self, struct rpc_call *call,
                               const Banger__V1__ReadLogsRequest *request);

#endif
