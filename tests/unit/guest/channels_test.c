/* The table of the kinds of guest channel. */
#include <glob.h>

#include "daemon/guest/channel.h"
#include "tests/support/check.h"

#define ROW(value, name) GUEST_CHANNEL_##value,
static const enum guest_channel_kind kinds[] = {GUEST_CHANNEL_KINDS(ROW)};
#undef ROW
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

static void test_each_has_every_call(void)
{
    static const char *const names[] = {"open", "send", "recv", "want", "is_alive", "close"};
    enum { N = sizeof(names) / sizeof(*names), FIRST = offsetof(struct channel_kind, open) };
    _Static_assert(sizeof(struct channel_kind) - FIRST == N * sizeof(void (*)(void)),
                   "the names are all there are");
    for (size_t i = 0; i < N_KINDS; i++) {
        const struct channel_kind *kind = channel_find(kinds[i]);
        CHECK(kind->name[0] != '\0');
        for (size_t m = 0; m < N; m++) {
            void (*call)(void);
            memcpy(&call, (const char *)kind + FIRST + m * sizeof(call), sizeof(call));
            if (!CHECK(call != NULL))
                fprintf(stderr, "channel %s has no %s\n", kind->name, names[m]);
        }
    }
}

static void check_is_listed(const char *path, const char *name)
{
    bool listed = false;
    for (size_t i = 0; i < N_KINDS; i++)
        listed |= strcmp(channel_find(kinds[i])->name, name) == 0;
    if (!CHECK(listed))
        fprintf(
            stderr,
            "%s has a channel %s, GUEST_CHANNEL_KINDS (daemon/model/model.h) does not list it\n",
            path, name);
}

static void test_each_that_is_written_is_listed(void)
{
    glob_t sources;
    size_t found = 0;
    if (!CHECK_INT(glob(SOURCE_DIR "/daemon/guest/*.c", 0, NULL, &sources), 0))
        return;
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        char line[256], name[sizeof(line)];
        FILE *file = fopen(sources.gl_pathv[i], "re");
        while (file && fgets(line, sizeof(line), file)) {
            if (sscanf(line, "const struct channel_kind channel_%255[a-z0-9] = {", name) == 1) {
                check_is_listed(sources.gl_pathv[i], name);
                found++;
            }
        }
        if (CHECK(file != NULL))
            fclose(file);
    }
    CHECK(found >= 2);
    globfree(&sources);
}

int main(void)
{
    RUN(test_each_has_every_call);
    RUN(test_each_that_is_written_is_listed);
    return check_end();
}
