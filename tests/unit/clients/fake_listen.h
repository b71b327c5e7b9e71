/* Where the server of fake_server.h listens. */
#ifndef BANGER_TESTS_FAKE_LISTEN_H
#define BANGER_TESTS_FAKE_LISTEN_H

struct err;
struct fake;

/* Fills in the targets, and for TLS makes certificates. */
int fake_listen(struct fake *f, struct err *err);

#endif
