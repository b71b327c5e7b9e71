/* Completion: what may stand for the last word, from the same tables that parse. Names come from
 * the daemon if it runs, within a second; completing never starts it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/remote.h>

#include "base/utf8.h"
#include "call.h"
#include "guest_path.h"

enum { COMPLETE_MS = 1000, FILES_OFFERED = 1000, PREFIX_BYTES = 4400 };

/* The shell puts the word on a command line, and shows both. */
static void put_word(const char *word, const char *description)
{
    char *one = strdup(word), *other = strdup(description);
    if (one && other) {
        utf8_tame(one);
        utf8_tame(other);
        printf("%s\t%s\n", one, other);
    }
    free(one);
    free(other);
}

static void offer(const char *prefix, const char *word, const char *description)
{
    if (word[0] && strncmp(word, prefix, strlen(prefix)) == 0)
        put_word(word, description);
}

static void offer_vms(struct cli *cli, const char *prefix)
{
    Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
    request.page_size = 1000;
    Banger__V1__ListVMsResponse *list = banger_list_vms(cli->client, &request, NULL, NULL);
    for (size_t i = 0; list && i < list->n_vms; i++) {
        char state[WORD_BYTES];
        const Banger__V1__VM *vm = list->vms[i];
        offer(prefix, vm->name,
              enum_word(state, &banger__v1__vmstate__descriptor,
                        vm->runtime ? (int)vm->runtime->state : 0));
    }
    FREE_MESSAGE(list);
}

static void offer_sessions(struct cli *cli, const char *prefix)
{
    Banger__V1__ListSessionsRequest request = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    request.page_size = 1000;
    Banger__V1__ListSessionsResponse *list =
        banger_list_sessions(cli->client, &request, NULL, NULL);
    for (size_t i = 0; list && i < list->n_sessions; i++) {
        const Banger__V1__GuestSession *s = list->sessions[i];
        offer(prefix, s->name[0] ? s->name : s->id,
              s->spec && s->spec->n_argv ? s->spec->argv[0] : "");
    }
    FREE_MESSAGE(list);
}

/* "box:" for "b", and what is in the folder for "box:/etc/p". */
static void offer_guest_files(struct cli *cli, const char *prefix)
{
    struct guest_path p;
    if (!guest_path_parse(&p, prefix)) {
        Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
        request.page_size = 1000;
        Banger__V1__ListVMsResponse *list = banger_list_vms(cli->client, &request, NULL, NULL);
        for (size_t i = 0; list && i < list->n_vms; i++) {
            char word[PREFIX_BYTES];
            snprintf(word, sizeof(word), "%.*s:", PREFIX_BYTES - 2, list->vms[i]->name);
            offer(prefix, word, "");
        }
        FREE_MESSAGE(list);
        return;
    }
    const char *typed = strchr(prefix, ':') + 1, *slash = strrchr(typed, '/');
    int before = slash ? (int)(slash + 1 - typed) : 0; /* of what was typed: the folder */
    char folder[PREFIX_BYTES];
    snprintf(folder, sizeof(folder), "%.*s", before, typed);
    ProtobufCMessage *message = NULL;
    Banger__V1__ListFilesRequest request = BANGER__V1__LIST_FILES_REQUEST__INIT;
    request.vm = p.vm ? p.vm : request.vm;
    request.path = before > 0 ? folder : (char *)".";
    struct banger_stream *s = banger_stream_open(cli->client, "/banger.v1.FileService/ListFiles",
                                                 &request.base, NULL, NULL);
    for (int n = 0; s && n < FILES_OFFERED &&
                    banger_stream_next(s, COMPLETE_MS, &message, NULL) == BANGER_NEXT_MESSAGE;
         n++) {
        const Banger__V1__FileInfo *f = (const Banger__V1__FileInfo *)(void *)message;
        bool is_folder = f->type == BANGER__V1__FILE_TYPE__FILE_TYPE_DIRECTORY;
        const char *name = strrchr(f->path, '/');
        char word[PREFIX_BYTES];
        int len = snprintf(word, sizeof(word), "%.*s%s%s", (int)(typed - prefix) + before, prefix,
                           name ? name + 1 : f->path, is_folder ? "/" : "");
        if (len > 0 && (size_t)len < sizeof(word))
            offer(prefix, word, "");
        banger_message_free(message);
    }
    banger_stream_close(s);
    guest_path_done(&p);
}

static void offer_images(struct cli *cli, const char *prefix)
{
    Banger__V1__ListImagesRequest request = BANGER__V1__LIST_IMAGES_REQUEST__INIT;
    Banger__V1__ListImagesResponse *list = banger_list_images(cli->client, &request, NULL, NULL);
    for (size_t i = 0; list && i < list->n_images; i++)
        offer(prefix, list->images[i]->name, list->images[i]->os);
    FREE_MESSAGE(list);
}

static void offer_kernels(struct cli *cli, const char *prefix)
{
    Banger__V1__ListKernelsRequest request = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    Banger__V1__ListKernelsResponse *list = banger_list_kernels(cli->client, &request, NULL, NULL);
    for (size_t i = 0; list && i < list->n_kernels; i++)
        offer(prefix, list->kernels[i]->name, list->kernels[i]->version);
    FREE_MESSAGE(list);
}

static void offer_operations(struct cli *cli, const char *prefix)
{
    Banger__V1__ListOperationsRequest request = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    Banger__V1__ListOperationsResponse *list =
        banger_list_operations(cli->client, &request, NULL, NULL);
    for (size_t i = 0; list && i < list->n_operations; i++)
        offer(prefix, list->operations[i]->id, list->operations[i]->kind);
    FREE_MESSAGE(list);
}

static void offer_contexts(const char *prefix)
{
    struct banger_context *all;
    size_t n;
    if (banger_context_list(&all, &n, NULL) < 0)
        return;
    offer(prefix, "local", "the daemon of this machine");
    for (size_t i = 0; i < n; i++)
        offer(prefix, all[i].name, all[i].target);
    free(all);
}

/* "GetVM", and once something was typed also "VMService/GetVM". */
static void offer_methods(const char *prefix)
{
    const struct banger_method *method;
    for (size_t i = 0; (method = banger_method_at(i)); i++) {
        const char *name = call_short_name(method);
        offer(prefix, name, banger_method_summary(method));
        if (*prefix && strcmp(name, call_name(method)) != 0)
            offer(prefix, call_name(method), banger_method_summary(method));
    }
}

static void offer_nouns(const char *prefix)
{
    for (size_t i = 0; nouns[i]; i++)
        offer(prefix, nouns[i]->name, nouns[i]->summary);
}

static void offer_names(struct cli *cli, enum names names, const char *prefix)
{
    static void (*const offers[])(struct cli *, const char *) = {
        [NAMES_VM] = offer_vms,
        [NAMES_SESSION] = offer_sessions,
        [NAMES_IMAGE] = offer_images,
        [NAMES_KERNEL] = offer_kernels,
        [NAMES_OPERATION] = offer_operations,
        [NAMES_GUEST_FILE] = offer_guest_files,
        [NAMES_ANY_FILE] = offer_guest_files, /* files here are the shell's to offer */
    };
    struct banger_error error;
    if (names == NAMES_CONTEXT)
        offer_contexts(prefix);
    if (names == NAMES_METHOD)
        offer_methods(prefix);
    if (names == NAMES_NOUN)
        offer_nouns(prefix);
    if ((size_t)names >= sizeof(offers) / sizeof(offers[0]) || !offers[names] ||
        cli_connect_running(cli, &error) < 0)
        return;
    banger_set_timeout_ms(cli->client, COMPLETE_MS);
    offers[names](cli, prefix);
}

static void offer_choices(const char *prefix, const char *choices)
{
    char word[64];
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|') {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(c, "|"), c);
        offer(prefix, word, "");
    }
}

static void offer_options(const struct opt *table, const char *prefix)
{
    char word[64];
    for (const struct opt *o = table; o && o->name; o++) {
        snprintf(word, sizeof(word), "--%s", o->name);
        offer(prefix, word, o->help);
    }
}

static const struct opt *find_option(const struct command *command, const char *word)
{
    const struct opt *o = command ? opt_find(command->opts, word) : NULL;
    return o ? o : opt_find(global_opts, word);
}

/* References before the last word; -1: behind a --, or in a command line. */
static int count_refs(const struct command *command, int n_words, char **words)
{
    int refs = 0;
    for (int i = 0; i < n_words - 1; i++) {
        if (strcmp(words[i], "--") == 0)
            return -1;
        const struct opt *o = words[i][0] == '-' ? find_option(command, words[i]) : NULL;
        if (o && o->kind != OPT_FLAG && !strchr(words[i], '='))
            i++;
        else if (words[i][0] != '-')
            refs++;
    }
    return command->max_refs >= 0 && refs >= command->max_refs ? -1 : refs;
}

/* What its further arguments are is another matter. */
static bool names_only_first(enum names names)
{
    return names == NAMES_METHOD || names == NAMES_NOUN;
}

static void complete_command(struct cli *cli, const struct command *command, int n_words,
                             char **words)
{
    const char *last = words[n_words - 1];
    const char *before = n_words > 1 ? words[n_words - 2] : "";
    const struct opt *o =
        before[0] == '-' && !strchr(before, '=') ? find_option(command, before) : NULL;
    if (o && o->kind != OPT_FLAG) {
        if (o->choices)
            offer_choices(last, o->choices);
        else
            offer_names(cli, o->names, last);
        return;
    }
    int refs = count_refs(command, n_words, words);
    if (last[0] == '-' && (refs >= 0 || !command->rest || command->max_refs == 0)) {
        offer_options(command->opts, last);
        offer_options(global_opts, last);
    } else if (refs == 0 || (refs > 0 && !names_only_first(command->names))) {
        offer_names(cli, command->names, last);
        if (command->names == NAMES_NONE && strchr(command->args, '|'))
            offer_choices(last, command->args);
    }
}

int complete_words(struct cli *cli, int n_words, char **words)
{
    if (n_words == 0)
        return 0;
    const struct noun *noun = n_words > 1 ? noun_find(words[0]) : NULL;
    if (n_words == 1) {
        offer_nouns(words[0]);
        if (words[0][0] == '-')
            offer_options(global_opts, words[0]);
    } else if (noun && noun->commands[0]->name[0] == '\0') {
        complete_command(cli, noun->commands[0], n_words - 1, words + 1);
    } else if (noun && n_words == 2) {
        for (const struct command *const *c = noun->commands; *c; c++)
            offer(words[1], (*c)->name, (*c)->summary);
    } else if (noun) {
        const struct command *command = command_find(noun, words[1]);
        if (command)
            complete_command(cli, command, n_words - 2, words + 2);
    }
    banger_close(cli->client);
    return cli_end_output(cli) ? EXIT_BANGER : 0;
}
