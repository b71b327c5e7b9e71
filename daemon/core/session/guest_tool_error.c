/* What a tool says of its failure; see guest_tool.h. A guest's word: bounded, and valid UTF-8. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/session/guest_tool_internal.h"
#include "daemon/guest/agent_codec.h"

static const struct {
    int sys;
    enum err_code code;
    const char *reason;
} kinds[] = {
    {ENOENT, ERR_NOT_FOUND, "FILE_NOT_FOUND"},
    {EEXIST, ERR_EXISTS, "FILE_EXISTS"},
    {ENOTEMPTY, ERR_PRECONDITION, "FOLDER_NOT_EMPTY"},
    {EACCES, ERR_DENIED, "FILE_DENIED"},
    {EPERM, ERR_DENIED, "FILE_DENIED"},
    {ENOTDIR, ERR_PRECONDITION, "NOT_A_FOLDER"},
    {EISDIR, ERR_PRECONDITION, "IS_A_FOLDER"},
    {ELOOP, ERR_PRECONDITION, "LINK_IN_PATH"},
    {EXDEV, ERR_PRECONDITION, "LEAVES_ROOT"},
    {ENAMETOOLONG, ERR_INVALID, "NAME_TOO_LONG"},
    {EINVAL, ERR_INVALID, "FILE_INVALID"},
    {ENOSPC, ERR_LIMIT, "GUEST_DISK_FULL"},
    {EDQUOT, ERR_LIMIT, "GUEST_DISK_FULL"},
    {EROFS, ERR_PRECONDITION, "READ_ONLY"},
    {EFBIG, ERR_LIMIT, "FILE_TOO_LARGE"},
    {ESTALE, ERR_ABORTED, "FILE_CHANGED"},
    {EBADMSG, ERR_DATA_LOSS, "DIGEST_MISMATCH"},
    {EILSEQ, ERR_INVALID, "BAD_ARCHIVE"},
    {ENODATA, ERR_INVALID, "BAD_ARCHIVE"},
    {E2BIG, ERR_LIMIT, "BAD_ARCHIVE"},
    {ERANGE, ERR_RANGE, "PAST_END"},
    {ESRCH, ERR_NOT_FOUND, "USER_NOT_FOUND"},
    {ECONNREFUSED, ERR_PRECONDITION, "CONNECTION_REFUSED"},
    {EHOSTUNREACH, ERR_PRECONDITION, "UNREACHABLE"},
    {ENETUNREACH, ERR_PRECONDITION, "UNREACHABLE"},
    {ETIMEDOUT, ERR_DEADLINE, "CONNECT_TIMEOUT"},
    {EADDRINUSE, ERR_EXISTS, "PORT_TAKEN"},
    {ECONNRESET, ERR_ABORTED, "CONNECTION_RESET"},
    {ENOSYS, ERR_UNIMPLEMENTED, "AGENT_TOO_OLD"},
    {EOPNOTSUPP, ERR_UNIMPLEMENTED, "NOT_SUPPORTED"},
};

void guest_tool_error(struct err *err, const char *words)
{
    char *text, line[GUEST_TOOL_WORDS_BYTES], clean[GUEST_TOOL_WORDS_BYTES];
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\n"), words);
    words = line;
    long sys = strtol(words, &text, 10);
    if (text == words || *text != ' ') {
        agent_codec_text(clean, sizeof(clean), words);
        err_set(err, ERR_UNKNOWN, "it failed in the guest%s%s", *clean ? ": " : "", clean);
        return;
    }
    agent_codec_text(clean, sizeof(clean), text + 1);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].sys == sys) {
            err_set(err, kinds[i].code, "%s", clean);
            err_tag(err, kinds[i].reason, NULL);
            return;
        }
    err_set(err, ERR_UNKNOWN, "%s", clean);
}
