/* The file noun: files of guests, one by one. Content is in file_content.c; trees are vm cp's. */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nouns.h"
#include "table.h"

/* What the commands have in common */

int file_parse(struct guest_path *p, const char *text)
{
    if (guest_path_parse(p, text) && p->vm)
        return 0;
    return cli_usage("\"%.200s\" is no file of a guest: VM:PATH", text);
}

/* "0755": -1 with the error printed. */
static int parse_mode(const char *text, uint32_t *mode)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 8);
    if (end == text || *end || errno || value > 07777 || *text == '-')
        return cli_usage("\"%.40s\" is no mode: an octal number such as 0644", text);
    *mode = (uint32_t)value;
    return 0;
}

static void format_mode(char out[12], const Banger__V1__FileInfo *f)
{
    static const char types[] = "?-dl?";
    unsigned type = (unsigned)f->type;
    snprintf(out, 12, "%c%c%c%c%c%c%c%c%c%c", types[type < 5 ? type : 0],
             f->mode & 0400 ? 'r' : '-', f->mode & 0200 ? 'w' : '-',
             f->mode & 04000 ? (f->mode & 0100 ? 's' : 'S') : (f->mode & 0100 ? 'x' : '-'),
             f->mode & 040 ? 'r' : '-', f->mode & 020 ? 'w' : '-',
             f->mode & 02000 ? (f->mode & 010 ? 's' : 'S') : (f->mode & 010 ? 'x' : '-'),
             f->mode & 04 ? 'r' : '-', f->mode & 02 ? 'w' : '-',
             f->mode & 01000 ? (f->mode & 01 ? 't' : 'T') : (f->mode & 01 ? 'x' : '-'));
}

static void add_row(struct table *t, const Banger__V1__FileInfo *f)
{
    char mode[12], age[FORMAT_BYTES], size[FORMAT_BYTES];
    format_mode(mode, f);
    table_cell(t, "%s", mode);
    if (*f->owner)
        table_cell(t, "%s", f->owner);
    else
        table_cell(t, "%u", f->uid);
    if (*f->group)
        table_cell(t, "%s", f->group);
    else
        table_cell(t, "%u", f->gid);
    table_cell(t, "%s", format_size(size, f->size_bytes));
    table_cell(t, "%s", format_age(age, f->modified ? timestamp_seconds(f->modified) : 0));
    table_cell(t, "%s%s%s", f->path, *f->link_target ? " -> " : "", f->link_target);
}

#define HEADS "MODE|OWNER|GROUP|SIZE|CHANGED|PATH"

/* The file that a change has left, taken; nothing but its path where nobody asks for more. */
static int answer(struct cli *cli, const char *what, const char *ref, Banger__V1__FileInfo *f,
                  const struct banger_error *error)
{
    if (!f)
        return cli_fail(error, "%s %s", what, ref);
    int status = cli_is_table(cli) ? 0 : cli_print_line(cli, &f->base);
    FREE_MESSAGE(f);
    return status;
}

typedef int file_fn(struct cli *cli, const char *ref, struct guest_path *p, const void *values);

/* Each of the references from the nth on; the worst status counts. */
static int for_each(struct cli *cli, const void *values, const struct opt_args *args, int from,
                    file_fn *fn)
{
    int status = 0;
    for (int i = from; i < args->n_refs; i++) {
        struct guest_path p;
        int rc = file_parse(&p, args->refs[i]);
        if (rc == 0 && !cli->client && cli_connect(cli) < 0)
            rc = EXIT_BANGER;
        if (rc == 0)
            rc = fn(cli, args->refs[i], &p, values);
        guest_path_done(&p);
        status = rc ? rc : status;
    }
    return status ? status : cli_end_output(cli);
}

/* ---- stat, list ---- */

static int stat_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_options *o = values;
    struct banger_error error;
    struct table t;
    Banger__V1__StatFileRequest request = BANGER__V1__STAT_FILE_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(o->user ? o->user : "");
    request.follow = o->follow;
    Banger__V1__FileInfo *f = banger_stat_file(cli->client, &request, NULL, &error);
    if (!f || !cli_is_table(cli))
        return answer(cli, "stat", ref, f, &error);
    table_init(&t, HEADS);
    add_row(&t, f);
    FREE_MESSAGE(f);
    return cli_print_table(cli, &t);
}

static int list_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_options *o = values;
    struct banger_error error;
    struct table t;
    int status = 0;
    enum banger_next next = BANGER_NEXT_ERROR;
    Banger__V1__ListFilesRequest request = BANGER__V1__LIST_FILES_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(o->user ? o->user : "");
    request.recursive = o->recursive;
    struct banger_stream *s = banger_stream_open(cli->client, "/banger.v1.FileService/ListFiles",
                                                 &request.base, NULL, &error);
    table_init(&t, HEADS);
    ProtobufCMessage *message = NULL;
    while (s && (next = banger_stream_next(s, -1, &message, &error)) == BANGER_NEXT_MESSAGE) {
        const Banger__V1__FileInfo *f = (const Banger__V1__FileInfo *)(void *)message;
        if (cli->options.quiet)
            cli_say(stdout, "%s", f->path);
        else if (cli_is_table(cli))
            add_row(&t, f);
        else if (status == 0)
            status = cli_print_line(cli, message);
        banger_message_free(message);
    }
    banger_stream_close(s);
    if (cli_is_table(cli) && !cli->options.quiet)
        status = cli_print_table(cli, &t);
    else
        table_done(&t);
    return next == BANGER_NEXT_END ? status : cli_fail(&error, "list %s", ref);
}

static int file_stat(struct cli *cli, const void *values, const struct opt_args *args)
{
    return for_each(cli, values, args, 0, stat_one);
}

static int file_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    return for_each(cli, values, args, 0, list_one);
}

/* ---- changes ---- */

static int mkdir_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_options *o = values;
    struct banger_error error;
    Banger__V1__MakeDirectoryRequest request = BANGER__V1__MAKE_DIRECTORY_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(o->user ? o->user : "");
    request.parents = o->parents;
    if (o->mode && parse_mode(o->mode, &request.mode) != 0)
        return EXIT_BANGER;
    return answer(cli, "make folder", ref,
                  banger_make_directory(cli->client, &request, NULL, &error), &error);
}

static int remove_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_options *o = values;
    struct banger_error error;
    Banger__V1__RemoveFileRequest request = BANGER__V1__REMOVE_FILE_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(o->user ? o->user : "");
    request.recursive = o->recursive;
    request.missing_is_fine = o->force;
    Banger__V1__Empty *empty = banger_remove_file(cli->client, &request, NULL, &error);
    if (!empty)
        return cli_fail(&error, "remove %s", ref);
    FREE_MESSAGE(empty);
    return 0;
}

static int file_mkdir(struct cli *cli, const void *values, const struct opt_args *args)
{
    return for_each(cli, values, args, 0, mkdir_one);
}

static int file_remove(struct cli *cli, const void *values, const struct opt_args *args)
{
    return for_each(cli, values, args, 0, remove_one);
}

/* The other of the two may do without the VM, whose it is in any case. */
static int parse_second(struct guest_path *p, const struct guest_path *first, const char *text)
{
    if (!guest_path_parse(p, text))
        return 0;
    if (p->vm && strcmp(p->vm, first->vm) == 0)
        return 0;
    return cli_usage("%s is of another VM: \"banger vm cp\" goes from one to another", text);
}

static int file_move(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct file_options *o = values;
    struct banger_error error;
    struct guest_path from, to = {.vm = NULL};
    Banger__V1__MoveFileRequest request = BANGER__V1__MOVE_FILE_REQUEST__INIT;
    int status = file_parse(&from, args->refs[0]);
    if (status == 0)
        status = parse_second(&to, &from, args->refs[1]);
    if (status == 0 && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0) {
        request.vm = from.vm;
        request.from = (char *)from.path;
        request.to = (char *)to.path;
        request.user = (char *)(o->user ? o->user : "");
        request.overwrite = o->force;
        status = answer(cli, "move", args->refs[0],
                        banger_move_file(cli->client, &request, NULL, &error), &error);
    }
    guest_path_done(&from);
    guest_path_done(&to);
    return status ? status : cli_end_output(cli);
}

struct file_change {
    const struct file_options *options;
    uint32_t mode;
    char *owner, *group;
};

static int chmod_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_change *c = values;
    struct banger_error error;
    Banger__V1__ChangeFileModeRequest request = BANGER__V1__CHANGE_FILE_MODE_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(c->options->user ? c->options->user : "");
    request.mode = c->mode;
    return answer(cli, "change the mode of", ref,
                  banger_change_file_mode(cli->client, &request, NULL, &error), &error);
}

static int file_chmod(struct cli *cli, const void *values, const struct opt_args *args)
{
    struct file_change c = {.options = values};
    if (parse_mode(args->refs[0], &c.mode) != 0)
        return EXIT_BANGER;
    return for_each(cli, &c, args, 1, chmod_one);
}

static int chown_one(struct cli *cli, const char *ref, struct guest_path *p, const void *values)
{
    const struct file_change *c = values;
    struct banger_error error;
    Banger__V1__ChangeFileOwnerRequest request = BANGER__V1__CHANGE_FILE_OWNER_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(c->options->user ? c->options->user : "");
    request.owner = c->owner;
    request.group = c->group;
    request.follow = c->options->follow;
    return answer(cli, "change the owner of", ref,
                  banger_change_file_owner(cli->client, &request, NULL, &error), &error);
}

/* OWNER, OWNER:GROUP or :GROUP. */
static int file_chown(struct cli *cli, const void *values, const struct opt_args *args)
{
    struct file_change c = {.options = values, .owner = strdup(args->refs[0])};
    char *colon = c.owner ? strchr(c.owner, ':') : NULL;
    if (!c.owner)
        return cli_usage("out of memory");
    if (colon)
        *colon = '\0';
    c.group = colon ? colon + 1 : c.owner + strlen(c.owner);
    int status = for_each(cli, &c, args, 1, chown_one);
    free(c.owner);
    return status;
}

static int file_link(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct file_options *o = values;
    struct banger_error error;
    struct guest_path p;
    Banger__V1__MakeSymlinkRequest request = BANGER__V1__MAKE_SYMLINK_REQUEST__INIT;
    int status = file_parse(&p, args->refs[1]);
    if (status == 0 && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0) {
        request.vm = p.vm;
        request.path = (char *)p.path;
        request.user = (char *)(o->user ? o->user : "");
        request.target = args->refs[0];
        status = answer(cli, "link", args->refs[1],
                        banger_make_symlink(cli->client, &request, NULL, &error), &error);
    }
    guest_path_done(&p);
    return status ? status : cli_end_output(cli);
}

/* ---- the noun ---- */

static const struct opt stat_opts[] = {
    {"follow-link", 0, OPT_FLAG, offsetof(struct file_options, follow), NULL,
     "what a link leads to, not the link", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt list_opts[] = {
    {"recursive", 0, OPT_FLAG, offsetof(struct file_options, recursive), NULL,
     "all that is below, too", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt mkdir_opts[] = {
    {"parents", 0, OPT_FLAG, offsetof(struct file_options, parents), NULL,
     "make those above, too, and mind none that is there", NULL, NAMES_NONE},
    {"mode", 0, OPT_STRING, offsetof(struct file_options, mode), "MODE", "default 0755", NULL,
     NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt rm_opts[] = {
    {"recursive", 0, OPT_FLAG, offsetof(struct file_options, recursive), NULL,
     "a folder with all that is below", NULL, NAMES_NONE},
    {"force", 0, OPT_FLAG, offsetof(struct file_options, force), NULL,
     "what is not there is no error", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt mv_opts[] = {
    {"force", 0, OPT_FLAG, offsetof(struct file_options, force), NULL,
     "in the place of what is there", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt chmod_opts[] = {FILE_USER_OPT, {.name = NULL}};

static const struct command rows[] = {
    {"stat", "show", "VM:PATH...", "what files of guests are", NULL, stat_opts,
     sizeof(struct file_options), 1, -1, false, NAMES_GUEST_FILE, file_stat},
    {"list", "ls", "VM:PATH...", "what is in folders of guests", NULL, list_opts,
     sizeof(struct file_options), 1, -1, false, NAMES_GUEST_FILE, file_list},
    {"mkdir", NULL, "VM:PATH...", "make folders", NULL, mkdir_opts, sizeof(struct file_options), 1,
     -1, false, NAMES_GUEST_FILE, file_mkdir},
    {"rm", "delete", "VM:PATH...", "remove files; a link, never what it leads to", NULL, rm_opts,
     sizeof(struct file_options), 1, -1, false, NAMES_GUEST_FILE, file_remove},
    {"mv", NULL, "VM:PATH TO", "rename a file or folder, within a file system", NULL, mv_opts,
     sizeof(struct file_options), 2, 2, false, NAMES_GUEST_FILE, file_move},
    {"chmod", NULL, "MODE VM:PATH...", "change permissions, given in octal", NULL, chmod_opts,
     sizeof(struct file_options), 2, -1, false, NAMES_GUEST_FILE, file_chmod},
    {"chown", NULL, "OWNER[:GROUP] VM:PATH...", "change owner and group, by name or number", NULL,
     stat_opts, sizeof(struct file_options), 2, -1, false, NAMES_GUEST_FILE, file_chown},
    {"ln", NULL, "TARGET VM:PATH", "make a symbolic link at PATH, to TARGET", NULL, chmod_opts,
     sizeof(struct file_options), 2, 2, false, NAMES_GUEST_FILE, file_link},
};
static const struct command *const file_commands[] = {&rows[0],
                                                      &rows[1],
                                                      &rows[2],
                                                      &rows[3],
                                                      &rows[4],
                                                      &rows[5],
                                                      &rows[6],
                                                      &rows[7],
                                                      &file_read_command,
                                                      &file_write_command,
                                                      &file_watch_command,
                                                      NULL};
const struct noun file_noun = {"file", "files of guests", file_commands};
