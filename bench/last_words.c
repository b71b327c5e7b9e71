/* What the exit benchmark runs in a guest: writes its clock (CLOCK_REALTIME, 20 digits) for each
 * byte of stdin, and once more at its end, as the last thing before it exits. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int tell_time(void)
{
    char text[32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(text, sizeof(text), "%020lld",
                     (long long)now.tv_sec * 1000000000 + (long long)now.tv_nsec);
    return write(STDOUT_FILENO, text, (size_t)n) == n ? 0 : -1;
}

int main(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1)
        if (tell_time() < 0)
            _exit(1);
    _exit(tell_time() < 0);
}
