/* See comments.h. */
#include "rpc/stubgen/comments.h"

#include <ctype.h>
#include <string.h>

/* Field numbers of descriptor.proto. */
enum { FILE_SERVICE = 6, SERVICE_METHOD = 2, SUMMARY_MAX = 300 };

static const Google__Protobuf__SourceCodeInfo__Location *find_location(const proto_file *file,
                                                                       struct schema_path path)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info && i < info->n_location; i++)
        if (info->location[i]->n_path == path.n &&
            (path.n == 0 || memcmp(info->location[i]->path, path.steps, path.n * sizeof(int)) == 0))
            return info->location[i];
    return NULL;
}

const char *comment_above(const proto_file *file, struct schema_path path)
{
    const Google__Protobuf__SourceCodeInfo__Location *l = find_location(file, path);
    return l && l->leading_comments ? l->leading_comments : "";
}

const char *comment_behind(const proto_file *file, struct schema_path path)
{
    const Google__Protobuf__SourceCodeInfo__Location *l = find_location(file, path);
    return l && l->trailing_comments ? l->trailing_comments : "";
}

/* The mark, and then white space or the end. */
static bool ends_with(const char *c, char mark)
{
    return *c == mark && (c[1] == '\0' || isspace((unsigned char)c[1]));
}

struct name comment_summary(const char *text)
{
    struct name name = {""};
    size_t n = 0;
    for (const char *c = text; *c && n < SUMMARY_MAX; c++) {
        if (isspace((unsigned char)*c)) {
            if (n > 0 && name.text[n - 1] != ' ')
                name.text[n++] = ' ';
            continue;
        }
        if (ends_with(c, '.'))
            break;
        name.text[n++] = *c;
        if (ends_with(c, '?'))
            break;
    }
    while (n > 0 && name.text[n - 1] == ' ')
        n--;
    name.text[n] = '\0';
    return name;
}

struct schema_path comment_service_path(const proto_file *file, const proto_service *service)
{
    size_t i = 0;
    while (i < file->n_service && file->service[i] != service)
        i++;
    return schema_path_add((struct schema_path){.n = 0}, FILE_SERVICE, i);
}

struct schema_path comment_method_path(const proto_file *file, const proto_service *service,
                                       const proto_method *method)
{
    size_t i = 0;
    while (i < service->n_method && service->method[i] != method)
        i++;
    return schema_path_add(comment_service_path(file, service), SERVICE_METHOD, i);
}
