/* Extent by extent; see copy.h. */
#include "daemon/host/copy.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/err.h"

enum { COPY_PIECE_BYTES = 16 << 20 };

/* Like copy_file_range, which file systems of different kinds refuse one another. */
static ssize_t copy_piece(int from, loff_t *in, int to, loff_t *out, size_t want)
{
    ssize_t n = copy_file_range(from, in, to, out, want, 0);
    if (n >= 0 || (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS))
        return n;
    if (lseek(to, *out, SEEK_SET) < 0)
        return -1;
    n = sendfile(to, from, in, want);
    if (n > 0)
        *out += n;
    return n;
}

int copy_sparse(int from, int to, uint64_t bytes, const char *source, bool (*cancelled)(void *arg),
                void *arg, struct err *err)
{
    for (off_t at = 0, size = (off_t)bytes; at < size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            return err_sys(err, errno, "cannot read %s", source);
        loff_t in = data, out = data;
        while (in < hole) {
            if (cancelled(arg))
                return err_set(err, ERR_CANCELLED, "cancelled");
            size_t want = (size_t)(hole - in) < COPY_PIECE_BYTES ? (size_t)(hole - in)
                                                                 : (size_t)COPY_PIECE_BYTES;
            ssize_t n = copy_piece(from, &in, to, &out, want);
            if (n <= 0)
                return err_sys(err, n < 0 ? errno : EIO, "cannot copy %s", source);
        }
        at = hole;
    }
    return ftruncate(to, (off_t)bytes) < 0 ? err_sys(err, errno, "cannot size a copy of %s", source)
                                           : 0;
}
