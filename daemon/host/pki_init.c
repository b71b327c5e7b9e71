/* The CA's and the server's files, made; see pki.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki.h"
#include "daemon/host/pki_x509.h"

enum { CA_DAYS = 3650, SERVER_DAYS = 825, NAMES_BYTES = 8192, HOST_NAME_BYTES = 64 };

/* Letters, digits, dots and hyphens; anything else could add names of its own to the list. */
static bool is_dns_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t len = strlen(text);
    return len > 0 && len < 254 && strspn(text, allowed) == len;
}

/* Appends "DNS:…" or "IP:…" unless it is there already. */
static int add_name(char list[NAMES_BYTES], const char *name, struct err *err)
{
    char entry[300];
    uint8_t address[sizeof(struct in6_addr)];
    bool ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (!ip && !is_dns_name(name))
        return err_set(err, ERR_INVALID, "\"%.80s\" is neither a host name nor an address", name);
    snprintf(entry, sizeof(entry), "%s:%s,", ip ? "IP" : "DNS", name);
    if (strstr(list, entry))
        return 0;
    if (strlen(list) + strlen(entry) >= NAMES_BYTES)
        return err_set(err, ERR_LIMIT, "too many names for one certificate");
    strcat(list, entry);
    return 0;
}

/* Addresses of the interfaces, without those that are good on one link only. */
static int add_own_addresses(char list[NAMES_BYTES], struct err *err)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return err_sys(err, errno, "addresses of this host");
    int rv = 0;
    for (struct ifaddrs *a = all; a && rv == 0; a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = NULL;
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
            address = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6) {
            const struct sockaddr_in6 *v6 = (const void *)a->ifa_addr;
            address = IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) ? NULL : &v6->sin6_addr;
        }
        if (address && inet_ntop(a->ifa_addr->sa_family, address, text, sizeof(text)))
            rv = add_name(list, text, err);
    }
    freeifaddrs(all);
    return rv;
}

static int collect_names(char list[NAMES_BYTES], char host[HOST_NAME_BYTES],
                         const char *const *names, size_t n_names, struct err *err)
{
    list[0] = '\0';
    if (gethostname(host, HOST_NAME_BYTES) < 0)
        strcpy(host, "localhost");
    host[HOST_NAME_BYTES - 1] = '\0';
    if (is_dns_name(host) && add_name(list, host, err) < 0)
        return -1;
    if (add_name(list, "localhost", err) < 0 || add_name(list, "127.0.0.1", err) < 0 ||
        add_own_addresses(list, err) < 0)
        return -1;
    for (size_t i = 0; i < n_names; i++)
        if (add_name(list, names[i], err) < 0)
            return -1;
    list[strlen(list) - 1] = '\0'; /* the last comma */
    return 0;
}

/* Writes certificates (second may be NULL) or, with no first, the key. */
static int write_pem(const char *folder, const char *file, X509 *first, X509 *second, EVP_PKEY *key,
                     struct err *err)
{
    char path[PKI_PATH_BYTES], *data;
    snprintf(path, sizeof(path), "%.600s/%s", folder, file);
    BIO *bio = BIO_new(BIO_s_secmem());
    int ok = bio && (first ? PEM_write_bio_X509(bio, first)
                           : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    if (ok && second)
        ok = PEM_write_bio_X509(bio, second);
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;
    int rv = ok ? fs_write_atomic(path, data, (size_t)len, 0600, err) : pki_error(err, path);
    BIO_free(bio);
    return rv;
}

static void *read_pem(const char *folder, const char *file, bool key)
{
    char path[PKI_PATH_BYTES];
    snprintf(path, sizeof(path), "%.600s/%s", folder, file);
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    void *object = key ? (void *)PEM_read_PrivateKey(f, NULL, NULL, NULL)
                       : (void *)PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    return object;
}

/* The CA that is there, or a new one. A broken one is never replaced: every client trusts it. */
static int have_ca(const char *folder, const char *host, X509 **ca, EVP_PKEY **key, struct err *err)
{
    char path[PKI_PATH_BYTES], name[HOST_NAME_BYTES + 16];
    snprintf(path, sizeof(path), "%.600s/ca.pem", folder);
    if (access(path, F_OK) == 0) {
        *ca = read_pem(folder, "ca.pem", false);
        *key = read_pem(folder, "ca.key", true);
        if (*ca && *key)
            return 0;
        return err_set(err, ERR_PRECONDITION,
                       "the CA in %s cannot be read: bring it back from a backup, or remove the "
                       "folder, and enroll all clients anew",
                       folder);
    }
    snprintf(name, sizeof(name), "banger CA %s", host);
    const struct pki_spec spec = {.common_name = name, .days = CA_DAYS};
    *key = EVP_EC_gen("P-256");
    *ca = *key ? pki_make_certificate(&spec, *key, NULL, NULL, err) : NULL;
    if (!*ca)
        return *key ? -1 : pki_error(err, "cannot make a key");
    /* The key first: ca.pem there means that both are. */
    if (write_pem(folder, "ca.key", NULL, NULL, *key, err) < 0)
        return -1;
    return write_pem(folder, "ca.pem", *ca, NULL, NULL, err);
}

int pki_init(const char *folder, const char *const *names, size_t n_names, struct err *err)
{
    char list[NAMES_BYTES], host[HOST_NAME_BYTES];
    X509 *ca = NULL, *server = NULL;
    EVP_PKEY *ca_key = NULL, *key = NULL;
    int rv = -1;
    if (collect_names(list, host, names, n_names, err) < 0 || fs_make_dirs(folder, 0700, err) < 0 ||
        have_ca(folder, host, &ca, &ca_key, err) < 0)
        goto end;
    const struct pki_spec spec = {.common_name = host,
                                  .alternative_names = list,
                                  .purpose = "serverAuth",
                                  .days = SERVER_DAYS};
    key = EVP_EC_gen("P-256");
    server = key ? pki_make_certificate(&spec, key, ca, ca_key, err) : NULL;
    if (!server) {
        if (!key)
            pki_error(err, "cannot make a key");
        goto end;
    }
    if (write_pem(folder, "server.key", NULL, NULL, key, err) == 0 &&
        write_pem(folder, "server.pem", server, ca, NULL, err) == 0)
        rv = 0;
end:
    X509_free(server);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return rv;
}
