/* What a monitor says on stderr: read from its FIFO as it comes, the tail kept to explain its end.
 */
#include "daemon/vmm/monitor.h"

#include <stdio.h>
#include <unistd.h>

void monitor_log_path(const struct vmm_config *c, char path[PATH_BYTES])
{
    if (snprintf(path, PATH_BYTES, "%s/monitor.log", c->vm_dir) >= PATH_BYTES)
        path[0] = '\0'; /* opening it then fails */
}

static void monitor_keep(struct monitor *mon, const char *text, size_t len)
{
    if (len > MONITOR_TAIL_BYTES) {
        text += len - MONITOR_TAIL_BYTES;
        len = MONITOR_TAIL_BYTES;
    }
    if (len > buf_room(&mon->tail))
        buf_consume(&mon->tail, len - buf_room(&mon->tail));
    buf_append(&mon->tail, text, len); /* out of memory: less to show */
}

bool monitor_read_log(struct monitor *mon)
{
    char text[MONITOR_TAIL_BYTES];
    ssize_t n = mon->log_fd < 0 ? 0 : read(mon->log_fd, text, sizeof(text));
    if (n <= 0)
        return false;
    monitor_keep(mon, text, (size_t)n);
    if (mon->ops->output)
        mon->ops->output(mon, text, (size_t)n);
    return true;
}

void monitor_tail(const struct monitor *mon, char *text, size_t size)
{
    const char *data = (const char *)buf_data(&mon->tail);
    size_t len = buf_len(&mon->tail);
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (len >= size) {
        data += len - (size - 1);
        len = size - 1;
    }
    for (size_t i = 0; i < len; i++) /* one line, nothing that a terminal would obey */
        text[i] = (unsigned char)data[i] < 0x20 || data[i] == 0x7f ? ' ' : data[i];
    text[len] = '\0';
}
