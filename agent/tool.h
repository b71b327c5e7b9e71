/* Tools: what the agent itself can do for the daemon beside running commands, each a program of its
 * own (`banger-agent --tool NAME ARGS…`) that a StartSession with `tool` runs as a session.
 *
 * So whatever blocks does not block the agent, the kernel checks what the session's user may, one
 * that fails fails alone, and its bytes have the offsets, credits and exact end of every session's.
 *
 * A tool's stdin and stdout are its bytes. It returns 0 when it has done what was asked; else it
 * ends through tool_fail. It may be killed at any time. */
#ifndef BANGER_AGENT_TOOL_H
#define BANGER_AGENT_TOOL_H

struct tool {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name; the exit status */
};

enum { TOOL_FAILED = 1, TOOL_UNKNOWN = 2 };

/* Runs the one that argv[0] names; its exit status. */
int tool_run(int argc, char **argv);

/* Says why, in the one line that the daemon makes an error of (the errno as a number, a text for
 * people), and ends. */
_Noreturn void tool_fail(int sys, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All of it, or tool_fail. */
void tool_write(int fd, const void *data, unsigned long len);

/* tool_echo.c: gives back what comes, until its end. How fast the way into the guest is. */
int tool_echo(int argc, char **argv);
/* tool_check.c: how a command ends. */
int tool_check(int argc, char **argv);
/* tool_dial.c: a connection within the guest. tool_listen.c: a listener there. */
int tool_dial(int argc, char **argv);
int tool_listen(int argc, char **argv);
/* tool_ports.c: what listens in the guest. */
int tool_ports(int argc, char **argv);

#endif
