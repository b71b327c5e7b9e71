/* Many VMs through libbanger, for the rows scale and taps.
 *
 * bench_vms SOCKET create N yes|no [FIRST [THREADS [none|user|tap]]]: N VMs from number FIRST (0)
 * on, started or not; waits for all of them.
 *
 * bench_vms SOCKET delete N [FIRST [THREADS]]: deletes those.
 *
 * bench_vms SOCKET list PAGE [SELECTOR] [STATE]: all of them, page by page; prints how many there
 * are, on how many pages, and microseconds.
 *
 * Names are vm-0, vm-1, …; the label "row" is the number's last two digits. Calls of create and
 * delete are made by threads (16), a client each, one call at a time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/methods.h"
#include "banger/operation.h"
#include "base/clock.h"

enum { THREADS_MAX = 64, THREADS = 16, OPERATION_MS = 120000, NAME_BYTES = 32 };

struct run {
    char target[256];
    int n, end, threads; /* end: behind the last number */
    bool start, deleting;
    Banger__V1__NetworkMode network;
    atomic_int next, failed;
};

static int complain(const char *what, const struct banger_error *error)
{
    fprintf(stderr, "bench_vms: %s: %s\n", what, error->message);
    return -1;
}

static Banger__V1__Operation *begin(struct banger_client *client, const struct run *r, int number,
                                    struct banger_error *error)
{
    char name[NAME_BYTES], row[NAME_BYTES];
    snprintf(name, sizeof(name), "vm-%d", number);
    snprintf(row, sizeof(row), "%02d", number % 100);
    if (r->deleting) {
        Banger__V1__DeleteVMRequest request = BANGER__V1__DELETE_VMREQUEST__INIT;
        request.vm = name;
        request.force = true;
        return banger_delete_vm(client, &request, NULL, error);
    }
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    label.key = (char *)"row";
    label.value = row;
    request.name = name;
    request.labels = labels;
    request.n_labels = 1;
    request._start_case = BANGER__V1__CREATE_VMREQUEST___START_START;
    request.start = r->start;
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    spec.network = r->network;
    request.spec = r->network ? &spec : NULL;
    return banger_create_vm(client, &request, NULL, error);
}

static int change_one(struct banger_client *client, const struct run *r, int number)
{
    struct banger_error error;
    Banger__V1__Operation *op = begin(client, r, number, &error);
    if (!op)
        return complain("refused", &error);
    Banger__V1__Operation *ended =
        banger_operation_follow(client, op->id, OPERATION_MS, NULL, NULL, &error);
    int rc = ended ? banger_operation_error(ended, &error) : -1;
    if (rc < 0)
        complain(op->id, &error);
    banger_message_free(ended ? &ended->base : NULL);
    banger_message_free(&op->base);
    return rc;
}

static void *change_some(void *arg)
{
    struct run *r = arg;
    struct banger_error error;
    struct banger_client *client = banger_connect(r->target, &error);
    if (!client) {
        complain(r->target, &error);
        atomic_store(&r->failed, 1);
        return NULL;
    }
    for (int i; !atomic_load(&r->failed) && (i = atomic_fetch_add(&r->next, 1)) < r->end;)
        if (change_one(client, r, i) < 0)
            atomic_store(&r->failed, 1);
    banger_close(client);
    return NULL;
}

static int change_all(struct run *r)
{
    pthread_t threads[THREADS_MAX];
    int n = 0;
    while (n < r->threads && pthread_create(&threads[n], NULL, change_some, r) == 0)
        n++;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return n > 0 && !atomic_load(&r->failed) ? 0 : -1;
}

static int list(const struct run *r, const char *row, int state)
{
    struct banger_error error;
    struct banger_client *client = banger_connect(r->target, &error);
    if (!client)
        return complain(r->target, &error);
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *match[] = {&label};
    Banger__V1__LabelSelector selector = BANGER__V1__LABEL_SELECTOR__INIT;
    Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
    Banger__V1__VMState states[] = {(Banger__V1__VMState)state};
    label.key = (char *)"row";
    label.value = (char *)(uintptr_t)row;
    selector.match = match;
    selector.n_match = 1;
    request.selector = *row ? &selector : NULL;
    request.states = states;
    request.n_states = state ? 1 : 0;
    request.page_size = (uint32_t)r->n;
    char token[256] = "";
    size_t found = 0, pages = 0;
    int64_t begun_ns = clock_mono_ns();
    do {
        request.page_token = token;
        Banger__V1__ListVMsResponse *page = banger_list_vms(client, &request, NULL, &error);
        if (!page) {
            banger_close(client);
            return complain("list", &error);
        }
        found += page->n_vms;
        pages++;
        snprintf(token, sizeof(token), "%s", page->next_page_token);
        banger_message_free(&page->base);
    } while (*token);
    printf("%zu %zu %lld\n", found, pages, (long long)((clock_mono_ns() - begun_ns) / 1000));
    banger_close(client);
    return 0;
}

static Banger__V1__NetworkMode network_of(const char *word)
{
    static const struct {
        const char *word;
        Banger__V1__NetworkMode mode;
    } modes[] = {{"none", BANGER__V1__NETWORK_MODE__NETWORK_MODE_NONE},
                 {"user", BANGER__V1__NETWORK_MODE__NETWORK_MODE_USER},
                 {"tap", BANGER__V1__NETWORK_MODE__NETWORK_MODE_TAP}};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(word, modes[i].word) == 0)
            return modes[i].mode;
    return BANGER__V1__NETWORK_MODE__NETWORK_MODE_UNSPECIFIED;
}

static int change(struct run *r, int argc, char **argv)
{
    int at = 4;
    r->deleting = strcmp(argv[2], "delete") == 0;
    if (!r->deleting)
        r->start = argc > at && strcmp(argv[at++], "yes") == 0;
    atomic_init(&r->next, argc > at ? atoi(argv[at]) : 0);
    r->end = atomic_load(&r->next) + r->n;
    r->threads = argc > at + 1 ? atoi(argv[at + 1]) : THREADS;
    if (r->threads < 1 || r->threads > THREADS_MAX)
        r->threads = THREADS_MAX;
    r->network = network_of(argc > at + 2 ? argv[at + 2] : "");
    return change_all(r);
}

int main(int argc, char **argv)
{
    struct run r = {.n = argc > 3 ? atoi(argv[3]) : 0};
    if (r.n < 1 || r.n > 100000) {
        fprintf(stderr, "usage: bench_vms SOCKET create N yes|no [FIRST [THREADS [NETWORK]]] | "
                        "delete N [FIRST [THREADS]] | list PAGE [ROW] [STATE]\n");
        return 2;
    }
    snprintf(r.target, sizeof(r.target), "unix:%s", argv[1]);
    int rc = -1;
    if (strcmp(argv[2], "list") == 0)
        rc = list(&r, argc > 4 ? argv[4] : "", argc > 5 ? atoi(argv[5]) : 0);
    else
        rc = change(&r, argc, argv);
    return rc < 0 ? 1 : 0;
}
