/* The load generator's options; load.c says what they are. */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

enum { N_MAX = 100000, PAYLOAD_BYTES_MAX = 1 << 20 };

static int parse_unix(struct load_options *o, const char *path)
{
    struct sockaddr_un *a = &o->address.local;
    if (strlen(path) >= sizeof(a->sun_path))
        return -1;
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    o->address_len = sizeof(*a);
    return 0;
}

/* 127.0.0.1:PORT */
static int parse_tcp(struct load_options *o, const char *text)
{
    char host[INET_ADDRSTRLEN] = "", *end;
    const char *colon = strchr(text, ':');
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return -1;
    memcpy(host, text, (size_t)(colon - text));
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port == 0 || port > UINT16_MAX || inet_pton(AF_INET, host, &a.sin_addr) != 1)
        return -1;
    a.sin_port = htons((uint16_t)port);
    memcpy(&o->address, &a, sizeof(a));
    o->address_len = sizeof(a);
    o->tcp = true;
    return 0;
}

static int parse_count(size_t *to, const char *text, size_t min, size_t max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < min || n > max)
        return -1;
    *to = n;
    return 0;
}

static int parse_seconds(double *to, const char *text)
{
    char *end;
    *to = strtod(text, &end);
    return *end || end == text || !(*to >= 0 && *to <= 3600) ? -1 : 0;
}

static int parse_option(struct load_options *o, int option, const char *value)
{
    size_t pid = 0;
    switch (option) {
    case 'u':
        return parse_unix(o, value);
    case 's':
        o->tls = true;
        return parse_tcp(o, value);
    case 't':
        return parse_tcp(o, value);
    case 'k':
        o->certs = value;
        return 0;
    case 'c':
        return parse_count(&o->n_connections, value, 1, N_MAX);
    case 'm':
        return parse_count(&o->n_streams, value, 1, N_MAX);
    case 'f':
        return parse_count(&o->n_in_flight, value, 1, N_MAX);
    case 'b':
        return parse_count(&o->payload_bytes, value, 0, PAYLOAD_BYTES_MAX);
    case 'w':
        return parse_seconds(&o->warm_s, value);
    case 'd':
        return parse_seconds(&o->measure_s, value);
    case 'p':
        if (parse_count(&pid, value, 1, INT32_MAX) < 0)
            return -1;
        o->pid = (int)pid;
        return 0;
    default:
        return -1;
    }
}

static const struct option long_options[] = {
    {"unix", required_argument, NULL, 'u'},        {"tcp", required_argument, NULL, 't'},
    {"tls", required_argument, NULL, 's'},         {"certs", required_argument, NULL, 'k'},
    {"connections", required_argument, NULL, 'c'}, {"streams", required_argument, NULL, 'm'},
    {"in-flight", required_argument, NULL, 'f'},   {"payload-bytes", required_argument, NULL, 'b'},
    {"warm", required_argument, NULL, 'w'},        {"measure", required_argument, NULL, 'd'},
    {"pid", required_argument, NULL, 'p'},         {0},
};

int load_parse(struct load_options *o, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (parse_option(o, option, optarg) < 0)
            return -1;
    if (optind != argc - 1 || o->address_len == 0)
        return -1;
    if (o->tls && !o->certs)
        return -1;
    if (strcmp(argv[optind], "unary") == 0)
        o->mode = LOAD_UNARY;
    else if (strcmp(argv[optind], "stream") == 0)
        o->mode = LOAD_STREAM;
    else if (strcmp(argv[optind], "idle") == 0)
        o->mode = LOAD_IDLE;
    else
        return -1;
    return o->n_connections * o->n_streams * o->n_in_flight > 100 * (size_t)N_MAX ? -1 : 0;
}
