/* Connections on which something else than the server of fake_server.h answers. */
#ifndef BANGER_TESTS_FAKE_SCRIPT_H
#define BANGER_TESTS_FAKE_SCRIPT_H

struct fake;

/* Plays f->script to the client on fd until that leaves or the test ends. */
void fake_script_run(struct fake *f, int fd);

#endif
