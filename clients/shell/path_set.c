/* See path_set.h. */
#include "path_set.h"

#include <stdlib.h>
#include <string.h>

void path_set_add(struct path_set *set, const char *path)
{
    if (set->n == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 64;
        char **more = realloc(set->paths, cap * sizeof(*more));
        if (!more) {
            set->failed = true;
            return;
        }
        set->paths = more;
        set->cap = cap;
    }
    if ((set->paths[set->n] = strdup(path)))
        set->n++;
    else
        set->failed = true;
    set->sorted = false;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void path_set_sort(struct path_set *set)
{
    size_t kept = 0;
    if (set->n > 1)
        qsort(set->paths, set->n, sizeof(*set->paths), by_path);
    for (size_t i = 0; i < set->n; i++) {
        if (kept > 0 && strcmp(set->paths[i], set->paths[kept - 1]) == 0)
            free(set->paths[i]);
        else
            set->paths[kept++] = set->paths[i];
    }
    set->n = kept;
    set->sorted = true;
}

/* The first that is not before the word, whose first len bytes count, with a slash behind them. */
static size_t first_from(const struct path_set *set, const char *word, size_t len, bool slash)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *path = set->paths[middle];
        int order = strncmp(path, word, len);
        if (order == 0)
            order = slash ? (unsigned char)path[len] - '/' : path[len] != '\0';
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool path_set_has(const struct path_set *set, const char *path)
{
    size_t at = first_from(set, path, strlen(path), false);
    return at < set->n && strcmp(set->paths[at], path) == 0;
}

bool path_set_leads(const struct path_set *set, const char *path)
{
    size_t len = strlen(path), at = first_from(set, path, len, true);
    bool below =
        at < set->n && strncmp(set->paths[at], path, len) == 0 && set->paths[at][len] == '/';
    return below || path_set_has(set, path);
}

bool path_set_covers(const struct path_set *set, const char *path)
{
    for (const char *slash = strchr(path, '/'); slash && set->n > 0;
         slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - path), at = first_from(set, path, len, false);
        if (at < set->n && strncmp(set->paths[at], path, len) == 0 && !set->paths[at][len])
            return true;
    }
    return false;
}

char *path_set_join(const struct path_set *set, size_t *len)
{
    size_t all = 0;
    for (size_t i = 0; i < set->n; i++)
        all += strlen(set->paths[i]) + 1;
    char *text = malloc(all + 1), *at = text;
    for (size_t i = 0; text && i < set->n; i++) {
        size_t one = strlen(set->paths[i]) + 1;
        memcpy(at, set->paths[i], one);
        at += one;
    }
    *len = all;
    return text;
}

void path_set_done(struct path_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->paths[i]);
    free(set->paths);
    *set = (struct path_set){0};
}
