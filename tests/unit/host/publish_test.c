/* daemon/host/publish: giving up removes all, also what somebody still writes. */
#include "daemon/host/publish.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

enum { FILES_AT_FIRST = 200, FILES_MEANWHILE = 3000 };

static int make_file(const struct publish *p, int i)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/file-%d", p->temp, i);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

/* Ends by itself, at the latest when the folder is gone. */
static void *keep_writing(void *arg)
{
    for (int i = FILES_AT_FIRST; i < FILES_AT_FIRST + FILES_MEANWHILE; i++)
        if (make_file(arg, i) < 0)
            break;
    return NULL;
}

static void test_abort_while_somebody_writes(void)
{
    for (int round = 0; round < 20; round++) {
        struct publish p;
        struct err err = ERR_INIT;
        pthread_t writer;
        CHECK_INT(publish_init(&p, made_folder(), NULL, &err), 0);
        CHECK_INT(publish_begin(&p, &err), 0);
        for (int i = 0; i < FILES_AT_FIRST; i++)
            CHECK_INT(make_file(&p, i), 0);
        CHECK_INT(pthread_create(&writer, NULL, keep_writing, &p), 0);
        if (!CHECK_INT(publish_abort(&p, &err), 0))
            fprintf(stderr, "%s\n", err.message);
        pthread_join(writer, NULL);
        CHECK(access(p.temp, F_OK) < 0);
        made_folder_done();
    }
}

/* A daemon that was killed had begun it, under the same id. */
static void test_begun_again_it_is_empty(void)
{
    struct publish p;
    struct err err = ERR_INIT;
    CHECK_INT(publish_init(&p, made_folder(), "0123456789abcdef", &err), 0);
    CHECK_INT(publish_begin(&p, &err), 0);
    CHECK_INT(make_file(&p, 0), 0);
    CHECK_INT(publish_begin(&p, &err), 0);
    CHECK(access(p.temp, F_OK) == 0);
    CHECK_INT(rmdir(p.temp), 0);
    made_folder_done();
}

int main(void)
{
    RUN(test_abort_while_somebody_writes);
    RUN(test_begun_again_it_is_empty);
    return check_end();
}
