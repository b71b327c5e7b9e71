/* Making exceptions in the firewalls of others; see priv_doctor.h.
 *
 * A packet that one base chain drops is dropped, whatever another accepts: what guests send has to
 * be let through where it is dropped, at the head of that chain: whatever of its own a firewall
 * puts before it later does not come to drop there. At input ours drops what is no question all the
 * same. */
#include "daemon/priv/priv_doctor.h"

#include <errno.h>
#include <fcntl.h>
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
static const char iptables_nft[] = "/usr/sbin/iptables-nft",
                  iptables_legacy[] = "/usr/sbin/iptables-legacy";
static const char comment[] = "banger";

/* ---- by nftables ---- */

static int open_by_nft(const struct nft_block *b, struct err *err)
{
    char commands[768], at[160];
    snprintf(at, sizeof(at), "insert rule %s %s %s", b->family, b->table, b->chain);
    size_t len = b->input
                     ? 0
                     : (size_t)snprintf(commands, sizeof(commands),
                                        "%s oifname \"bg*\" ct state established,related accept "
                                        "comment \"%s\"\n",
                                        at, comment);
    snprintf(commands + len, sizeof(commands) - len, "%s iifname \"bg*\" accept comment \"%s\"\n",
             at, comment);
    return nft_run(commands, err);
}

/* By what they are: handles are others' when that firewall has been loaded anew. */
static void print_nft_undo(const struct nft_block *b)
{
    printf("       undo: nft -a list chain %s %s %s | sed -n 's/.*comment \"%s\" # handle //p' | "
           "xargs -rn1 nft delete rule %s %s %s handle\n",
           b->family, b->table, b->chain, comment, b->family, b->table, b->chain);
}

/* ---- by iptables, of either kind ---- */

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

/* What is let through, at the head of a chain. */
static const char *const from_taps[] = {"-i",      "bg+",       "-j",    "ACCEPT", "-m",
                                        "comment", "--comment", comment, NULL};
static const char *const to_taps[] = {
    "-o", "bg+",     "-m",        "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT",
    "-m", "comment", "--comment", comment,     NULL};

static bool iptables(const char *program, const char *table, const char *action, const char *chain,
                     const char *const *words)
{
    const char *argv[24] = {program, "-w", "-t", table, action, chain};
    for (size_t i = 0; words[i]; i++)
        argv[6 + i] = words[i];
    return run(argv);
}

/* All of it or nothing. */
static bool open_by_iptables(const char *program, const char *table, const char *chain, bool input)
{
    if (!input && !iptables(program, table, "-I", chain, to_taps))
        return false;
    if (iptables(program, table, "-I", chain, from_taps))
        return true;
    if (!input)
        iptables(program, table, "-D", chain, to_taps);
    return false;
}

static void print_iptables_undo(const char *program, const char *table, const char *chain,
                                bool input)
{
    const char *const *each[] = {from_taps, input ? NULL : to_taps};
    for (size_t i = 0; i < 2 && each[i]; i++) {
        printf("       undo: %s -w -t %s -D %s", program, table, chain);
        for (const char *const *word = each[i]; *word; word++)
            printf(" %s", *word);
        printf("\n");
    }
}

/* ---- what is in the way ---- */

static const char in_the_way[] = "send",
                  of_names[] = "ask of the daemon, where their egress list has names";
static const char until[] = "       let through until that firewall is loaded anew\n";

/* A table of iptables-nft is a table of nftables; but what iptables-nft does not know in it keeps
 * Docker from reading it. */
static bool is_of_iptables(const struct nft_block *b)
{
    static const char *const tables[] = {"filter", "mangle", "raw", "security"};
    bool is = false;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        is |= strcmp(b->table, tables[i]) == 0;
    return is && strcmp(b->family, "ip") == 0 &&
           strcmp(b->chain, b->input ? "INPUT" : "FORWARD") == 0 && access(iptables_nft, X_OK) == 0;
}

static bool fix_block(const struct nft_block *b, struct err *err)
{
    if (!is_of_iptables(b))
        return open_by_nft(b, err) == 0;
    if (open_by_iptables(iptables_nft, b->table, b->chain, b->input))
        return true;
    err_set(err, ERR_PRECONDITION, "%s does not do it", iptables_nft);
    return false;
}

static int doctor_block(const struct nft_block *b, bool fix)
{
    struct err err = ERR_INIT;
    bool fixed = fix && fix_block(b, &err);
    printf("%s: chain %s %s %s drops what guests with taps %s\n", fixed ? "fixed" : "found",
           b->family, b->table, b->chain, b->input ? of_names : in_the_way);
    if (fixed)
        printf("%s", until);
    else if (fix)
        printf("       %s\n", err.message);
    if (fix && !fixed && strcmp(b->table, "firewalld") == 0)
        printf("       it lets them through by: firewall-cmd --zone=trusted --add-interface=bg+\n");
    if (fixed && is_of_iptables(b))
        print_iptables_undo(iptables_nft, b->table, b->chain, b->input);
    else if (fixed)
        print_nft_undo(b);
    return !fixed;
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
    for (size_t i = 0; i < n; i++)
        left |= doctor_block(&found[i], fix);
    return left;
}

static int doctor_legacy(bool input, bool fix)
{
    const char *chain = input ? "INPUT" : "FORWARD";
    if (!legacy_drops(input))
        return 0;
    bool fixed = fix && open_by_iptables(iptables_legacy, "filter", chain, input);
    printf("%s: %s of iptables-legacy drops what guests with taps %s\n", fixed ? "fixed" : "found",
           chain, input ? of_names : in_the_way);
    if (fixed) {
        printf("%s", until);
        print_iptables_undo(iptables_legacy, "filter", chain, input);
    }
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

static int doctor_all(bool fix)
{
    int left = doctor_tun(fix);
    left |= doctor_forward(fix);
    left |= doctor_blocks(fix);
    left |= doctor_legacy(false, fix);
    return left | doctor_legacy(true, fix);
}

/* What it could not mend, and what has come up behind it, is named once more. */
int priv_doctor(bool fix)
{
    if (fix)
        doctor_all(true);
    return doctor_all(false);
}
