/* Reading the ruleset of others, and making exceptions in it; see priv_doctor.h.
 *
 * A packet that one base chain drops is dropped, whatever another accepts: what guests send has to
 * be let through where it is dropped. Docker keeps its chain DOCKER-USER as it is for that. At
 * input ours drops what is no question all the same. iptables-legacy has tables of its own
 * (priv_legacy.h). */
#include "daemon/priv/priv_doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_legacy.h"
#include "daemon/priv/priv_nft.h"

static const char forward_path[] = "/proc/sys/net/ipv4/ip_forward", tun_path[] = "/dev/net/tun";
static const char user_chain[] = "DOCKER-USER", comment[] = "banger";

/* Reading */

static const char *text_at(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Its names go into commands: what is not made of these is nobody's that we know. */
static bool is_plain(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return *name && strspn(name, plain) == strlen(name) && strlen(name) < NFT_NAME_BYTES;
}

static bool is_of(json_t *part, json_t *chain)
{
    return strcmp(text_at(part, "family"), text_at(chain, "family")) == 0 &&
           strcmp(text_at(part, "table"), text_at(chain, "table")) == 0;
}

/* A drop or reject of all that comes to it, as firewalld ends its chain with. */
static bool drops_all(json_t *rule)
{
    json_t *each, *all = json_object_get(rule, "expr");
    size_t i;
    bool drops = false;
    json_array_foreach(all, i, each)
    {
        if (json_object_get(each, "drop") || json_object_get(each, "reject"))
            drops = true;
        else if (!json_object_get(each, "counter"))
            return false;
    }
    return drops;
}

/* Whether the chain drops what it does not know, and has no exception of ours. */
static bool blocks(json_t *list, json_t *chain, struct nft_block *b)
{
    json_t *part, *last = NULL;
    size_t i;
    bool excepted = false;
    *b = (struct nft_block){.input = strcmp(text_at(chain, "hook"), "input") == 0};
    snprintf(b->family, sizeof(b->family), "%s", text_at(chain, "family"));
    snprintf(b->table, sizeof(b->table), "%s", text_at(chain, "table"));
    snprintf(b->chain, sizeof(b->chain), "%s", text_at(chain, "name"));
    snprintf(b->open_at, sizeof(b->open_at), "%s", b->chain);
    json_array_foreach(list, i, part)
    {
        json_t *rule = json_object_get(part, "rule"), *other = json_object_get(part, "chain");
        if (other && !b->input && is_of(other, chain) &&
            strcmp(text_at(other, "name"), user_chain) == 0)
            snprintf(b->open_at, sizeof(b->open_at), "%s", user_chain);
        if (!rule || !is_of(rule, chain))
            continue;
        bool here = strcmp(text_at(rule, "chain"), b->chain) == 0;
        if (here)
            last = rule;
        excepted |= (here || strcmp(text_at(rule, "chain"), b->open_at) == 0) &&
                    strcmp(text_at(rule, "comment"), comment) == 0;
    }
    return !excepted &&
           (strcmp(text_at(chain, "policy"), "drop") == 0 || (last && drops_all(last)));
}

static bool is_others(json_t *chain)
{
    const char *family = text_at(chain, "family"), *table = text_at(chain, "table"),
               *hook = text_at(chain, "hook");
    return (strcmp(hook, "forward") == 0 || strcmp(hook, "input") == 0) &&
           (strcmp(family, "ip") == 0 || strcmp(family, "inet") == 0) &&
           strcmp(table, "banger") != 0 && is_plain(table) && is_plain(text_at(chain, "name"));
}

int nft_find_blocks(struct nft_block found[PRIV_BLOCKS_MAX], size_t *n, struct err *err)
{
    json_t *part, *answer = nft_read("list ruleset", err);
    json_t *list = json_object_get(answer, "nftables");
    size_t i;
    *n = 0;
    if (!answer)
        return -1;
    json_array_foreach(list, i, part)
    {
        json_t *chain = json_object_get(part, "chain");
        if (*n < PRIV_BLOCKS_MAX && chain && is_others(chain) && blocks(list, chain, &found[*n]))
            ++*n;
    }
    json_decref(answer);
    return 0;
}

int priv_check_forward(bool names, struct err *err)
{
    struct nft_block found[PRIV_BLOCKS_MAX];
    char chains[160] = "";
    size_t n, len = 0;
    if (nft_find_blocks(found, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n && len < sizeof(chains); i++)
        if (names || !found[i].input)
            len +=
                (size_t)snprintf(chains + len, sizeof(chains) - len, "%s%s %s %s", len ? ", " : "",
                                 found[i].family, found[i].table, found[i].chain);
    if (legacy_drops_forward() && len < sizeof(chains))
        len += (size_t)snprintf(chains + len, sizeof(chains) - len, "%sFORWARD of iptables-legacy",
                                len ? ", " : "");
    if (len == 0)
        return 0;
    err_set(err, ERR_PRECONDITION, "another's firewall drops what guests with taps send: chain %s",
            chains);
    return err_tag(err, "FORWARD_DROPPED", NULL);
}

/* Mending */

/* Our rules in a chain, as the commands that remove them. */
static void print_undo(const struct nft_block *b)
{
    char command[256];
    json_t *part;
    size_t i;
    snprintf(command, sizeof(command), "list chain %s %s %s", b->family, b->table, b->open_at);
    json_t *answer = nft_read(command, NULL);
    json_array_foreach(json_object_get(answer, "nftables"), i, part)
    {
        json_t *rule = json_object_get(part, "rule");
        if (rule && strcmp(text_at(rule, "comment"), comment) == 0)
            printf("       undo: nft delete rule %s %s %s handle %lld\n", b->family, b->table,
                   b->open_at, (long long)json_integer_value(json_object_get(rule, "handle")));
    }
    json_decref(answer);
}

static int fix_block(const struct nft_block *b, struct err *err)
{
    char commands[768];
    if (b->input) {
        snprintf(commands, sizeof(commands),
                 "insert rule %s %s %s iifname \"bg*\" accept comment \"%s\"\n", b->family,
                 b->table, b->open_at, comment);
        return nft_run(commands, err);
    }
    snprintf(commands, sizeof(commands),
             "insert rule %s %s %s oifname \"bg*\" ct state established,related accept comment "
             "\"%s\"\ninsert rule %s %s %s iifname \"bg*\" accept comment \"%s\"\n",
             b->family, b->table, b->open_at, comment, b->family, b->table, b->open_at, comment);
    return nft_run(commands, err);
}

static int doctor_blocks(bool fix)
{
    struct nft_block found[PRIV_BLOCKS_MAX];
    struct err err = ERR_INIT;
    size_t n;
    int left = 0;
    if (nft_find_blocks(found, &n, &err) < 0) {
        printf("unknown: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        const struct nft_block *b = &found[i];
        int rc = fix ? fix_block(b, &err) : -1;
        left |= rc < 0;
        printf("%s: chain %s %s %s drops what guests with taps %s\n", rc == 0 ? "fixed" : "found",
               b->family, b->table, b->chain,
               b->input ? "ask of the daemon, where their egress list has names" : "send");
        if (rc == 0) {
            printf("       let through in %s, until that firewall is loaded anew\n", b->open_at);
            print_undo(b);
        } else if (fix) {
            printf("       %s\n", err.message);
        }
    }
    return left;
}

static bool run(const char *const argv[])
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        execve(argv[0], (char *const *)argv, (char *const *)env);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int doctor_legacy(bool fix)
{
    static const char program[] = "/usr/sbin/iptables-legacy";
    static const char *const in[] = {program,  "-w", "-I",      "FORWARD",   "-i",    "bg+", "-j",
                                     "ACCEPT", "-m", "comment", "--comment", comment, NULL};
    static const char *const out[] = {
        program, "-w",     "-I",        "FORWARD",   "-o",
        "bg+",   "-m",     "conntrack", "--ctstate", "RELATED,ESTABLISHED",
        "-j",    "ACCEPT", "-m",        "comment",   "--comment",
        comment, NULL};
    if (!legacy_drops_forward())
        return 0;
    bool fixed = fix && run(out) && run(in);
    printf("%s: FORWARD of iptables-legacy drops what guests with taps send\n",
           fixed ? "fixed" : "found");
    if (fixed)
        printf("       let through, until that firewall is loaded anew\n"
               "       undo: iptables-legacy -D FORWARD -i bg+ -j ACCEPT -m comment --comment %s\n"
               "       undo: iptables-legacy -D FORWARD -o bg+ -m conntrack --ctstate "
               "RELATED,ESTABLISHED -j ACCEPT -m comment --comment %s\n",
               comment, comment);
    return !fixed;
}

static int doctor_forward(bool fix)
{
    char now = '1';
    auto_fd int fd = open(forward_path, (fix ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0 || pread(fd, &now, 1, 0) != 1) {
        printf("unknown: %s: %s\n", forward_path, strerror(errno));
        return 1;
    }
    if (now != '0')
        return 0;
    bool fixed = fix && pwrite(fd, "1", 1, 0) == 1;
    printf("%s: net.ipv4.ip_forward is off: guests with taps reach nothing beyond this host\n",
           fixed ? "fixed" : "found");
    if (fixed)
        printf("       undo: sysctl net.ipv4.ip_forward=0\n");
    return !fixed;
}

static bool has_tun(void)
{
    auto_fd int fd = open(tun_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0;
}

static int doctor_tun(bool fix)
{
    static const char *const argv[] = {"/sbin/modprobe", "tun", NULL};
    if (has_tun())
        return 0;
    bool fixed = fix && run(argv) && has_tun();
    printf("%s: %s cannot be opened: no tap can be made\n", fixed ? "fixed" : "found", tun_path);
    if (fixed)
        printf("       modprobe tun; undo: modprobe -r tun\n");
    return !fixed;
}

int priv_doctor(bool fix)
{
    return doctor_tun(fix) | doctor_forward(fix) | doctor_blocks(fix) | doctor_legacy(fix);
}
