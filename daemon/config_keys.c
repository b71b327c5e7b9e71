/* Every key there is, in the order of the default file and the manual; see config_internal.h. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"
#include "daemon/core/names/names.h"
#include "daemon/host/scope.h"
#include "daemon/priv/priv_call.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/server.h"

#define FIELD(field)                                                                               \
    .offset = offsetof(struct daemon_config, field),                                               \
    .size = sizeof(((struct daemon_config *)0)->field)

static int check_driver(struct daemon_config *config, const char *value, struct err *err)
{
    (void)config;
    return vmm_find_driver(value, err) ? 0 : -1;
}

static int check_network(struct daemon_config *config, const char *value, struct err *err)
{
    struct priv_pool pool;
    (void)config;
    if (priv_pool_read(value, &pool))
        return 0;
    return err_set(err, ERR_INVALID, "\"%s\" is no network: write " PRIV_POOL ", /%d to /%d", value,
                   PRIV_POOL_PREFIX_MIN, PRIV_PREFIX);
}

static int check_user_network(struct daemon_config *config, const char *value, struct err *err)
{
    (void)config;
    if (strcmp(value, "passt") == 0 || strcmp(value, "slirp") == 0)
        return 0;
    return err_set(err, ERR_INVALID, "\"%s\" is no network of users: passt or slirp", value);
}

static int check_listen(struct daemon_config *config, const char *value, struct err *err)
{
    (void)config;
    if (!*value || rpc_address_is_valid(value))
        return 0;
    return err_set(err, ERR_INVALID,
                   "\"%s\" is no address: write 0.0.0.0:PORT, 192.0.2.1:PORT or \"[::]:PORT\"",
                   value);
}

static int check_dns(struct daemon_config *config, const char *value, struct err *err)
{
    (void)config;
    if (names_address_is_valid(value))
        return 0;
    return err_set(err, ERR_INVALID,
                   "\"%s\" is neither \"off\" nor an address of the loopback "
                   "with a port, such as 127.0.0.1:5454",
                   value);
}

static int check_group(struct daemon_config *config, const char *value, struct err *err)
{
    return *value ? access_find_gid(value, &config->socket_gid, err) : 0;
}

static int check_scopes(struct daemon_config *config, const char *value, struct err *err)
{
    (void)config;
    return host_scope_check_wish(value, err);
}

enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

static const char default_state_dir[] =
    "/var/lib/banger for root, $XDG_STATE_HOME/banger or ~/.local/state/banger for others";
static const char default_socket[] =
    "/run/banger/bangerd.sock for root, $XDG_RUNTIME_DIR/banger/bangerd.sock for others; "
    "run/bangerd.sock in the state folder where that is given";

const struct config_key config_keys[] = {
    {"state_dir", CONFIG_PATH, FIELD(paths.state_dir), .default_remark = default_state_dir,
     .argument = "DIR", .help = "Database, disks and images; one daemon a folder."},
    {"agent", CONFIG_PATH, FIELD(agent_path), "", "looked for beside the program", "PATH",
     .help = "The guest agent program."},
    {"workers", CONFIG_NUMBER, FIELD(workers), "4", .argument = "N", .min = 1, .max = 64,
     .help = "Threads for short work: starts, small files. One more is kept for what ends VMs."},
    {"slow_workers", CONFIG_NUMBER, FIELD(slow_workers), "4", .argument = "N", .min = 1, .max = 64,
     .help = "Threads for what takes minutes: image copies, digests, builds. One more is kept for "
             "what frees their space."},
    {"debug", CONFIG_FLAG, FIELD(debug), "no", .reloads = true, .help = "Log more."},
    {"log_file", CONFIG_PATH, FIELD(log_file), "",
     "stderr; bangerd.log in the state folder where the CLI started the daemon", "PATH",
     .reloads = true,
     .help = "Log; SIGHUP opens it anew, so that it can be moved away. Taking the key away needs a "
             "restart."},
    {"log_max_kib", CONFIG_NUMBER, FIELD(log_max_kib), "16384", .argument = "KIB", .min = 4,
     .max = UINT64_C(1) << 30, .reloads = true,
     .help =
         "At this size the log becomes PATH.1, in place of an older one, and a new one begins."},

    {"socket", CONFIG_PATH, FIELD(paths.socket), .default_remark = default_socket,
     .argument = "PATH", .help = "Unix socket to listen on; clients must be told if it moves."},
    {"socket_mode", CONFIG_MODE, FIELD(socket_mode), "0600", .argument = "MODE",
     .help = "Who may connect to the Unix socket at all; who then may do what is for the sections "
             "users and groups. More than 0600 also lets others pass through the socket's folder."},
    {"socket_group", CONFIG_TEXT, FIELD(socket_group), "", "as it comes", "GROUP",
     .check = check_group, .help = "Group of the Unix socket, by name or number."},

    {"listen", CONFIG_TEXT, FIELD(listen), "", "what \"banger auth init --listen\" said",
     "HOST:PORT", .check = check_listen,
     .help = "TCP address for TLS 1.3 clients; the host is a number. There is no TCP without TLS."},
    {"ca_file", CONFIG_PATH, FIELD(ca_file), "", "none", "PATH", .reloads = true,
     .help = "PEM certificates of more authorities. Their clients come in by the section "
             "peers; the daemon's own authority stays for those who enrolled."},
    {"certificate_file", CONFIG_PATH, FIELD(certificate_file), "", "what \"banger auth init\" made",
     "PATH", .reloads = true,
     .help = "PEM certificate that clients see, then the ones that lead to its authority."},
    {"key_file", CONFIG_PATH, FIELD(key_file), "", "what \"banger auth init\" made", "PATH",
     .reloads = true, .help = "PEM key of certificate_file, without a passphrase."},

    {"driver", CONFIG_TEXT, FIELD(driver), VMM_DRIVER_DEFAULT, .argument = "NAME", .reloads = true,
     .check = check_driver, .help = "VMM driver where a VM names none: qemu, firecracker or sim."},
    {"user_network", CONFIG_TEXT, FIELD(user_network), "passt", .argument = "NAME",
     .check = check_user_network,
     .help =
         "What leads out of VMs with a network of mode user: passt, which must be installed; or "
         "slirp, qemu's own, by which guests also reach what listens on the host's loopback."},
    {"firecracker_jailer", CONFIG_FLAG, FIELD(firecracker_jailer), "no",
     .help = "Start Firecracker by its jailer, which is looked for in PATH: each VM's process with "
             "a user and a root folder of its own. Needs root."},
    {"firecracker_first_uid", CONFIG_NUMBER, FIELD(firecracker_first_uid), "1879048192",
     .argument = "UID", .min = 1000, .max = UINT64_C(4278190079),
     .help = "First of the 16777216 user and group ids that jailed VMs have; nothing else of the "
             "host may have one of them."},
    {"default_image", CONFIG_TEXT, FIELD(default_image), "debian-bookworm", .argument = "NAME",
     .reloads = true, .help = "Image where a VM names none."},
    {"guest_network", CONFIG_TEXT, FIELD(guest_network), PRIV_POOL, .argument = "ADDRESS/PREFIX",
     .check = check_network,
     .help = "IPv4 network for guests with a tap, four addresses each. A banger-priv that systemd "
             "starts has to be told the same."},
    {"dns", CONFIG_TEXT, FIELD(dns), "off", .argument = "ADDRESS:PORT", .check = check_dns,
     .help =
         "Answer names of VMs with a tap, NAME.vm, by DNS at this address of the loopback: what "
         "the host's resolver is told to ask (doctor says how). off: nowhere."},
    {"dns_resolved", CONFIG_FLAG, FIELD(dns_resolved), "no",
     .help = "Tell systemd-resolved over the system's bus to ask the daemon for NAME.vm, for as "
             "long as a VM with a tap runs, whatever dns says. Needs root, or a rule of polkit's."},
    {"priv_socket", CONFIG_PATH, FIELD(priv_socket), "",
     "a helper of its own for root, " PRIV_SOCKET " for others", "PATH",
     .help = "Unix socket of banger-priv, which makes what needs privileges."},
    {"max_vms", CONFIG_NUMBER, FIELD(max_vms), "1000", .argument = "N", .min = 1, .max = 100000,
     .reloads = true, .help = "VMs at most."},
    {"max_memory_mib", CONFIG_NUMBER, FIELD(max_memory_mib), "0", .argument = "MIB",
     .max = UINT64_C(1) << 34, .reloads = true,
     .help = "Memory promised to VMs and their VMMs altogether; 0: no limit."},
    {"boot_timeout_ms", CONFIG_NUMBER, FIELD(boot_timeout_ms), "60000", .argument = "MS",
     .min = 100, .max = HOUR_MS, .reloads = true,
     .help = "From start to an answering agent, per try."},
    {"stop_grace_ms", CONFIG_NUMBER, FIELD(stop_grace_ms), "10000", .argument = "MS",
     .max = HOUR_MS, .reloads = true, .help = "Time a guest gets to power off."},
    {"scopes", CONFIG_TEXT, FIELD(scopes), "auto", .argument = "HOW", .check = check_scopes,
     .help =
         "Where VMs are in the host's control groups, by which their limits hold: systemd has a "
         "unit for each, cgroup makes a group for each without systemd, none leaves them with "
         "the daemon; auto takes what there is."},

    {"max_connections", CONFIG_NUMBER, FIELD(max_connections), "512", .argument = "N", .min = 8,
     .max = 100000, .reloads = true,
     .help = "Connections at once; each takes a file descriptor, as VMs do."},
    {"max_connections_per_principal", CONFIG_NUMBER, FIELD(max_connections_per_principal), "0",
     .argument = "N", .max = 100000, .reloads = true,
     .help =
         "Of one identity, or one user of the Unix socket; root and the daemon's own may have all. "
         "0: a quarter of max_connections."},
    {"max_handshakes", CONFIG_NUMBER, FIELD(max_handshakes), "128", .argument = "N", .min = 1,
     .max = 10000, .reloads = true,
     .help =
         "TLS handshakes in flight; one more pushes one out, rather of an address that has many."},
    {"max_streams", CONFIG_NUMBER, FIELD(max_streams), "256", .argument = "N", .min = 1,
     .max = 10000, .reloads = true, .help = "Calls at once on one connection; of new connections."},
    {"max_header_list_bytes", CONFIG_NUMBER, FIELD(max_header_list_bytes), "16384",
     .argument = "BYTES", .min = 4096, .max = 1 << 20, .reloads = true,
     .help = "Headers of one call, counted as RFC 9113 does; of new connections."},
    {"max_message_bytes", CONFIG_NUMBER, FIELD(max_message_bytes), "1048576", .argument = "BYTES",
     .min = 64 << 10, .max = 64 << 20, .reloads = true,
     .help = "One request message, unless the method says otherwise; of new connections."},
    {"max_queued_output_bytes", CONFIG_NUMBER, FIELD(max_queued_output_bytes), "16777216",
     .argument = "BYTES", .min = 8 << 20, .max = 1 << 30, .reloads = true,
     .help = "Answers of one connection that wait for the client to read; of new connections."},
    {"handshake_timeout_ms", CONFIG_NUMBER, FIELD(handshake_timeout_ms), "10000", .argument = "MS",
     .min = 100, .max = 600 * 1000, .reloads = true,
     .help =
         "From connecting to HTTP/2's first frames, TLS included; for a block of headers to end."},
    {"request_timeout_ms", CONFIG_NUMBER, FIELD(request_timeout_ms), "60000", .argument = "MS",
     .max = HOUR_MS, .reloads = true,
     .help = "For a request of one message to come whole, however long its call may take; 0: any. "
             "Of new connections."},
    {"idle_timeout_ms", CONFIG_NUMBER, FIELD(idle_timeout_ms), "600000", .argument = "MS",
     .min = 1000, .max = 7 * DAY_MS, .reloads = true,
     .help = "A connection without calls and bytes for so long is closed; so is one whose client "
             "does not read."},
    {"keepalive_interval_ms", CONFIG_NUMBER, FIELD(keepalive_interval_ms), "60000",
     .argument = "MS", .max = DAY_MS, .reloads = true,
     .help = "A TLS client that was silent for so long is pinged; 0: never."},
    {"keepalive_timeout_ms", CONFIG_NUMBER, FIELD(keepalive_timeout_ms), "20000", .argument = "MS",
     .min = 100, .max = 600 * 1000, .reloads = true,
     .help = "Without an answer to that ping the connection is closed."},
    {"min_ping_interval_ms", CONFIG_NUMBER, FIELD(min_ping_interval_ms), "5000", .argument = "MS",
     .min = 1, .max = HOUR_MS, .reloads = true,
     .help = "Clients that ping more often are sent away; of new connections."},
    {"max_connection_age_ms", CONFIG_NUMBER, FIELD(max_connection_age_ms), "0", .argument = "MS",
     .max = 30 * (uint64_t)DAY_MS, .reloads = true,
     .help = "After about so long a connection is asked to end (GOAWAY); 0: never. Of new "
             "connections."},
    {"max_connection_age_grace_ms", CONFIG_NUMBER, FIELD(max_connection_age_grace_ms), "30000",
     .argument = "MS", .min = 1, .max = DAY_MS, .reloads = true,
     .help = "Time that its calls have to end then."},
    {"drain_ms", CONFIG_NUMBER, FIELD(drain_ms), "2000", .argument = "MS", .max = 60 * 1000,
     .reloads = true, .help = "Time that calls have to end when the daemon stops."},
    {"compress", CONFIG_FLAG, FIELD(compress), "no", .reloads = true,
     .help = "Answer with gzip where the client takes it."},
};

const size_t n_config_keys = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "raise it");

static const struct {
    const char *first, *title;
} headings[] = {
    {"state_dir", "The daemon"},    {"socket", "The Unix socket"},        {"listen", "TLS"},
    {"driver", "Virtual machines"}, {"max_connections", "Limits of RPC"},
};

const char *config_heading(const struct config_key *key)
{
    for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++)
        if (strcmp(headings[i].first, key->name) == 0)
            return headings[i].title;
    return NULL;
}

const struct config_key *config_find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < n_config_keys; i++)
        if (strlen(config_keys[i].name) == len && memcmp(config_keys[i].name, name, len) == 0)
            return &config_keys[i];
    return NULL;
}

void config_option_name(const struct config_key *key, char name[CONFIG_NAME_BYTES])
{
    snprintf(name, CONFIG_NAME_BYTES, "%s", key->name);
    for (char *c = name; *c; c++)
        if (*c == '_')
            *c = '-';
}

void config_variable_name(const struct config_key *key, char name[CONFIG_NAME_BYTES])
{
    snprintf(name, CONFIG_NAME_BYTES, "BANGER_%s", key->name);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}
