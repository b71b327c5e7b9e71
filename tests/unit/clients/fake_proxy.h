/* The proxy of fake_server.h. */
#ifndef BANGER_TESTS_FAKE_PROXY_H
#define BANGER_TESTS_FAKE_PROXY_H

struct fake;

void fake_proxy_start(struct fake *f);
void fake_proxy_stop(struct fake *f);

#endif
