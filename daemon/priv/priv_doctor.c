/* Making exceptions in the firewalls of others; see priv_doctor.h.
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
#include "daemon/priv/priv_blocks.h"
#include "daemon/priv/priv_legacy.h"
#include "daemon/priv/priv_nft.h"

static const char forward_path[] = "/proc/sys/net/ipv4/ip_forward", tun_path[] = "/dev/net/tun";
static const char comment[] = "banger";

static const char *text_at(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

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
