/* One of the checks of `banger doctor`. */
#ifndef BANGER_DAEMON_CORE_HOST_HOST_CHECK_H
#define BANGER_DAEMON_CORE_HOST_HOST_CHECK_H

#include "daemon/model/model.h"

enum host_check_result { HOST_CHECK_OK = 1, HOST_CHECK_WARNING, HOST_CHECK_FAILED };

struct host_check {
    const char *name;
    enum host_check_result result;
    char message[TEXT_BYTES];
    char fix[TEXT_BYTES];
};

#endif
