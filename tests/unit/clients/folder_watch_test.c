/* Changes of a folder, as they are seen; and the sets of paths that they are kept in. */
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "folder_watch.h"
#include "tests/support/check.h"

static char dir[64];

static void sh(const char *line)
{
    char command[1024];
    snprintf(command, sizeof(command), "cd %s && %s", dir, line);
    CHECK_INT(system(command), 0);
}

/* All that has been noticed of what is over. */
static void take(struct folder_watch *w, struct folder_changes *changes)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    folder_changes_done(changes);
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK(folder_watch_take(w, changes));
    folder_changes_sort(changes);
}

static void test_files_are_seen_at_any_depth(void)
{
    struct folder_watch w;
    struct folder_changes c = {.all = false};
    sh("rm -rf x && mkdir -p x/a/b x/c && ln -s / x/link && echo 1 >x/a/b/f");
    char root[96];
    snprintf(root, sizeof(root), "%s/x", dir);
    CHECK_INT(folder_watch_init(&w, root), 0);
    sh("echo 2 >x/a/b/f; chmod 600 x/c; rm -f x/nothing; echo 3 >x/g; rm x/link");
    take(&w, &c);
    CHECK(path_set_has(&c.paths, "a/b/f") && path_set_has(&c.paths, "c"));
    CHECK(path_set_has(&c.paths, "g") && path_set_has(&c.paths, "link"));
    CHECK_INT(c.paths.n, 4);
    CHECK_INT(c.folders.n, 0);
    CHECK(!c.all && !w.full);
    CHECK(!folder_watch_take(&w, &c));
    folder_changes_done(&c);
    folder_watch_done(&w);
}

static void test_folders_that_come_and_are_renamed_are_followed(void)
{
    struct folder_watch w;
    struct folder_changes c = {.all = false};
    sh("rm -rf x && mkdir -p x/a/b");
    char root[96];
    snprintf(root, sizeof(root), "%s/x", dir);
    CHECK_INT(folder_watch_init(&w, root), 0);
    sh("mkdir -p x/n/deep");
    take(&w, &c);
    CHECK(path_set_has(&c.folders, "n"));
    CHECK(path_set_covers(&c.folders, "n/deep/f"));
    sh("echo 1 >x/n/deep/f; mv x/a x/z");
    take(&w, &c);
    CHECK(path_set_has(&c.paths, "n/deep/f"));
    CHECK(path_set_has(&c.paths, "a") && path_set_has(&c.paths, "z"));
    CHECK(path_set_has(&c.folders, "z"));
    sh("echo 1 >x/z/b/f");
    take(&w, &c);
    CHECK(path_set_has(&c.paths, "z/b/f"));
    CHECK_INT(c.paths.n, 1);
    sh("rm -rf x/z");
    take(&w, &c);
    CHECK(path_set_has(&c.paths, "z"));
    folder_changes_done(&c);
    folder_watch_done(&w);
}

static void test_too_much_to_be_known_is_all(void)
{
    struct folder_watch w;
    struct folder_changes c = {.all = false};
    sh("rm -rf x && mkdir x");
    char root[96];
    snprintf(root, sizeof(root), "%s/x", dir);
    CHECK_INT(folder_watch_init(&w, root), 0);
    sh("n=$(cat /proc/sys/fs/inotify/max_queued_events); cd x; seq $((n + 10)) | xargs touch; "
       "mkdir late");
    take(&w, &c);
    CHECK(c.all);
    sh("echo 1 >x/late/f");
    take(&w, &c);
    CHECK(path_set_has(&c.paths, "late/f"));
    folder_changes_done(&c);
    folder_watch_done(&w);
}

static void test_a_set_knows_the_way_to_its_paths(void)
{
    static const char *const paths[] = {"a/b", "a-b", "a/b/c", "b", "a/b", "a.b/c"};
    struct path_set set = {0};
    size_t len;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        path_set_add(&set, paths[i]);
    path_set_sort(&set);
    CHECK_INT(set.n, 5);
    CHECK(path_set_has(&set, "a/b") && path_set_has(&set, "b") && !path_set_has(&set, "a"));
    CHECK(path_set_leads(&set, "a") && path_set_leads(&set, "a.b") &&
          path_set_leads(&set, "a/b/c"));
    CHECK(!path_set_leads(&set, "a/c") && !path_set_leads(&set, "a.") &&
          !path_set_leads(&set, "c"));
    CHECK(path_set_covers(&set, "b/x/y") && path_set_covers(&set, "a/b/x"));
    CHECK(!path_set_covers(&set, "b") && !path_set_covers(&set, "a/x") &&
          !path_set_covers(&set, "bb/x"));
    char *text = path_set_join(&set, &len);
    CHECK_INT(len, 22);
    CHECK_STR(text, "a-b");
    free(text);
    path_set_done(&set);
    CHECK(!path_set_leads(&set, "a") && !path_set_covers(&set, "a/b"));
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-fw-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    RUN(test_files_are_seen_at_any_depth);
    RUN(test_folders_that_come_and_are_renamed_are_followed);
    RUN(test_too_much_to_be_known_is_all);
    RUN(test_a_set_knows_the_way_to_its_paths);
    fs_remove_tree(dir, NULL);
    return check_end();
}
