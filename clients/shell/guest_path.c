/* See guest_path.h. */
#include "guest_path.h"

#include <stdlib.h>
#include <string.h>

bool guest_path_parse(struct guest_path *p, const char *text)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
    *p = (struct guest_path){.path = text};
    if (!colon || colon == text || (slash && slash < colon) || *text == '.')
        return false;
    p->vm = strndup(text, (size_t)(colon - text));
    p->path = colon[1] ? colon + 1 : ".";
    return true;
}

void guest_path_done(struct guest_path *p)
{
    free(p->vm);
    p->vm = NULL;
}
