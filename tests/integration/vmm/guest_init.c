/* Process 1 of the guests in the conformance tests: says that it is up, then does what /mode says.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static void say(const char *text)
{
    ssize_t n = write(1, text, strlen(text));
    (void)n;
}

/* Answers what is typed into the console, line by line. */
static void answer(void)
{
    char line[256];
    ssize_t n;
    while ((n = read(0, line, sizeof(line))) > 0) {
        say("heard ");
        ssize_t done = write(1, line, (size_t)n);
        (void)done;
    }
}

int main(void)
{
    char mode[16] = "";
    int fd = open("/mode", O_RDONLY);
    if (fd >= 0 && read(fd, mode, sizeof(mode) - 1) < 0)
        mode[0] = '\0';
    say("guest is up\n");
    if (strcmp(mode, "off") == 0)
        reboot(RB_POWER_OFF);
    if (strcmp(mode, "boast") == 0) /* says that it panics, and reboots in good order */
        say("Kernel panic - not syncing: \033[31mnot at all\n");
    if (strcmp(mode, "reset") == 0 || strcmp(mode, "boast") == 0)
        reboot(RB_AUTOBOOT);
    if (strcmp(mode, "panic") == 0)
        return 1; /* the kernel panics without process 1 */
    if (strcmp(mode, "answer") == 0)
        answer();
    if (strcmp(mode, "pretend") == 0) { /* says that it has halted, and works on */
        say("reboot: System halted\n");
        for (volatile unsigned long i = 0;; i++)
            continue;
    }
    for (;;)
        pause();
}
