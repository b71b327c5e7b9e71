/* Requests of the tool for files: any bytes are refused or answered, at least once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/tool_files.h"
#include "tests/fuzz/agent_requests/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static PB(FileCall) call;
    if (size > FILES_CALL_MAX_BYTES || !files_decode(data, size, &call))
        return 0;
    names_written = 0;
    names_guard = true;
    files_answer(&call);
    names_guard = false;
    if (names_written == 0 && call.which_kind != PB_TAG(FileCall, list)) {
        fprintf(stderr, "broken promise: a request is answered\n");
        abort();
    }
    return 0;
}
