/* A message bus of a test's own, with stand_in.c on it as systemd; DBUS_SYSTEM_BUS_ADDRESS leads
 * there from then on. For root, who is whom the system's manager serves. */
#ifndef BANGER_TESTS_SUPPORT_SYSTEMD_BUS_H
#define BANGER_TESTS_SUPPORT_SYSTEMD_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct systemd_bus {
    char dir[32];
    pid_t daemon, stand_in;
    int daemon_fd, in_fd, out_fd; /* closing the first two ends them */
};

/* NULL where it may run here; else why not. */
const char *systemd_bus_lacks(void);
/* arguments: of the stand-in, NULL ends. False, and told, where it does not come up within 10 s. */
bool systemd_bus_open(struct systemd_bus *b, const char *const *arguments);
/* Its next line, without the newline; "" after 10 s, or at its end. */
const char *systemd_bus_line(struct systemd_bus *b, char *line, size_t size);
void systemd_bus_close(struct systemd_bus *b);

#endif
