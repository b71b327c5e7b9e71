/* The guest's end of the raw channel that the row guest compares with: a virtio-serial port named
 * "raw", with nothing in between. Each request is 16 bytes, a letter and a number:
 *
 *   e N   N times: a byte comes and goes back
 *   s N   N times: a byte comes, /bin/true is spawned and waited for, the byte goes back
 *   o N   N bytes go out
 *   i N   N bytes come in, then one goes back
 *
 * Static, as it runs in guests. Reads of a port that nobody has connected to are at their end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_BYTES = 16, PIECE_BYTES = 256 * 1024 };

static char piece[PIECE_BYTES];

static int die(const char *what)
{
    fprintf(stderr, "raw_port: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_named(const char *name)
{
    DIR *dir = opendir("/sys/class/virtio-ports");
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[300], text[32] = "";
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        if (!fgets(text, sizeof(text), f))
            text[0] = '\0';
        fclose(f);
        text[strcspn(text, "\n")] = '\0';
        snprintf(path, sizeof(path), "/dev/%s", e->d_name);
        if (strcmp(text, name) == 0)
            return open(path, O_RDWR | O_CLOEXEC);
    }
    return errno = ENOENT, -1;
}

static size_t take(int fd, size_t most)
{
    for (;;) {
        ssize_t n = read(fd, piece, most < PIECE_BYTES ? most : PIECE_BYTES);
        if (n > 0)
            return (size_t)n;
        if (n < 0 && errno != EINTR)
            die("read");
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* nobody is connected */
    }
}

static void give(int fd, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t left = n - done;
        ssize_t got = write(fd, piece, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (got < 0 && errno != EINTR)
            die("write");
        done += got > 0 ? (size_t)got : 0;
    }
}

static void spawn_true(void)
{
    static char *argv[] = {"/bin/true", NULL};
    pid_t pid;
    int status;
    if ((errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, NULL)) != 0)
        die("spawn");
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("/bin/true");
}

static void serve(int fd, char what, size_t n)
{
    if (what == 'o') {
        give(fd, n);
    } else if (what == 'i') {
        for (size_t left = n; left > 0;)
            left -= take(fd, left);
        give(fd, 1);
    } else {
        for (size_t i = 0; i < n; i++) {
            take(fd, 1);
            if (what == 's')
                spawn_true();
            give(fd, 1);
        }
    }
}

int main(void)
{
    int fd = open_named("raw");
    if (fd < 0)
        die("no port named raw");
    for (;;) {
        char request[REQUEST_BYTES + 1];
        for (size_t n = 0; n < REQUEST_BYTES;) {
            size_t got = take(fd, REQUEST_BYTES - n);
            memcpy(request + n, piece, got);
            n += got;
        }
        request[REQUEST_BYTES] = '\0';
        serve(fd, request[0], strtoul(request + 1, NULL, 10));
    }
}
