/* See priv_stop.h. */
#include "daemon/priv/priv_stop.h"

#ifdef BANGER_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"

void priv_stop(Banger__Priv__V1__Operation operation, const char *kind, const char *when)
{
    const char *path = getenv("BANGER_PRIV_STOP_AT");
    const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(
        &banger__priv__v1__operation__descriptor, (int)operation);
    auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char at[64] = "", here[64];
    if (fd < 0 || !name || read(fd, at, sizeof(at) - 1) < 0)
        return;
    snprintf(here, sizeof(here), "%s:%s:%s", name->name + strlen("OPERATION_"), kind, when);
    if (strcasecmp(at, here) == 0)
        kill(getpid(), SIGSTOP);
}

#else

/* A translation unit must not be empty. */
extern const int priv_stop_absent;
const int priv_stop_absent = 1;

#endif
