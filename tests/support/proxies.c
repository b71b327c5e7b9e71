/* See proxies.h. */
#include "tests/support/proxies.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

static const struct {
    const char *name;
    const char *programs[3];
    const char *format; /* folder six times, daemon's socket; see below */
} kinds[] = {
    [PROXY_NGINX] = {"nginx", {"/usr/sbin/nginx", "/usr/bin/nginx"}, "\
daemon off;\n\
master_process off;\n\
pid %1$s/nginx.pid;\n\
error_log %1$s/nginx.log;\n\
events { worker_connections 64; }\n\
http {\n\
  access_log off;\n\
  client_body_temp_path %1$s/nginx.b; proxy_temp_path %1$s/nginx.p; fastcgi_temp_path %1$s/nginx.f;\n\
  uwsgi_temp_path %1$s/nginx.u; scgi_temp_path %1$s/nginx.s;\n\
  client_body_timeout 3s; send_timeout 3s; client_max_body_size 0;\n\
  grpc_read_timeout 3s; grpc_send_timeout 3s;\n\
  server {\n\
    listen unix:%1$s/nginx.sock http2;\n\
    location / { grpc_pass grpc://unix:%2$s; }\n\
  }\n\
}\n"},
    [PROXY_HAPROXY] = {"haproxy", {"/usr/sbin/haproxy", "/usr/bin/haproxy"}, "\
global\n\
  maxconn 100\n\
defaults\n\
  mode http\n\
  timeout connect 3s\n\
  timeout client 3s\n\
  timeout server 3s\n\
frontend clients\n\
  bind unix@%1$s/haproxy.sock proto h2\n\
  default_backend daemon\n\
backend daemon\n\
  server daemon unix@%2$s proto h2\n"},
};

static const char *find_program(enum proxy_kind kind)
{
    for (const char *const *p = kinds[kind].programs; *p; p++)
        if (access(*p, X_OK) == 0)
            return *p;
    return NULL;
}

static void run(const char *program, enum proxy_kind kind, const char *config, const char *dir)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[160];
    snprintf(log, sizeof(log), "%s/%s.out", dir, kinds[kind].name);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    if (kind == PROXY_NGINX)
        execl(program, program, "-p", dir, "-c", config, (char *)NULL);
    else
        execl(program, program, "-db", "-f", config, (char *)NULL);
    _exit(127);
}

static bool listens(void *arg)
{
    const struct proxy *p = arg;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->target + strlen("unix:"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool well = fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    if (fd >= 0)
        close(fd);
    return well || waitpid(p->pid, NULL, WNOHANG) != 0;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void write_config(const struct harness *h, enum proxy_kind kind, const char *path)
{
    char text[4096];
    int n = snprintf(text, sizeof(text), kinds[kind].format, h->dir, h->socket);
    FILE *f = fopen(path, "we");
    if (!f || fwrite(text, 1, (size_t)n, f) != (size_t)n || fclose(f) != 0)
        harness_die(h, "%s cannot be written", path);
}
#pragma GCC diagnostic pop

bool proxy_start(struct proxy *p, const struct harness *h, enum proxy_kind kind)
{
    const char *program = find_program(kind);
    *p = (struct proxy){.kind = kind, .name = kinds[kind].name};
    if (!program)
        return false;
    char config[160];
    snprintf(config, sizeof(config), "%s/%s.conf", h->dir, p->name);
    snprintf(p->target, sizeof(p->target), "unix:%s/%s.sock", h->dir, p->name);
    write_config(h, kind, config);
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0)
        run(program, kind, config, h->dir);
    if (p->pid < 0 || !harness_until(listens, p, HARNESS_START_MS) || kill(p->pid, 0) < 0)
        harness_die(h, "%s does not come up: see %s/%s.out", p->name, h->dir, p->name);
    return true;
}

void proxy_stop(struct proxy *p)
{
    if (p->pid <= 0)
        return;
    kill(p->pid, SIGTERM);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
}
