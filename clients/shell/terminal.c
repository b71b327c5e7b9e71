/* The user's terminal; see terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

/* Those that end a program by themselves: the terminal is given back first. */
static const int fatal_signos[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static const int news_signos[] = {SIGWINCH, SIGTSTP, SIGCONT};

enum { N_FATAL = sizeof(fatal_signos) / sizeof(int), N_NEWS = sizeof(news_signos) / sizeof(int) };

static struct termios saved;
static volatile sig_atomic_t is_raw;
static int news_pipe[2] = {-1, -1};
static struct sigaction old_fatal[N_FATAL], old_news[N_NEWS];

bool terminal_is_ours(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool terminal_is_raw(void)
{
    return is_raw;
}

int terminal_fd(void)
{
    return news_pipe[0];
}

bool terminal_size(uint32_t *rows, uint32_t *columns)
{
    struct winsize size;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
            continue;
        *rows = size.ws_row;
        *columns = size.ws_col;
        return true;
    }
    return false;
}

static bool is_in_foreground(void)
{
    pid_t group = tcgetpgrp(STDIN_FILENO);
    return group < 0 || group == getpgrp();
}

static void give_back(void)
{
    if (is_in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

/* No signals of its own keys, no echo, no lines, and output as the guest made it. */
static int make_raw(void)
{
    struct termios raw = saved;
    cfmakeraw(&raw);
    int rc;
    do
        rc = tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static void on_fatal(int signo)
{
    terminal_end();
    raise(signo); /* SA_RESETHAND */
}

static void on_news(int signo)
{
    int was = errno;
    const unsigned char byte = (unsigned char)signo;
    (void)!write(news_pipe[1], &byte, 1);
    errno = was;
}

static void take_signals(void)
{
    struct sigaction fatal = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    struct sigaction news = {.sa_handler = on_news, .sa_flags = SA_RESTART};
    for (int i = 0; i < N_FATAL; i++)
        sigaction(fatal_signos[i], &fatal, &old_fatal[i]);
    for (int i = 0; i < N_NEWS; i++)
        sigaction(news_signos[i], &news, &old_news[i]);
}

int terminal_begin(void)
{
    static bool registered;
    if (is_raw)
        return 0;
    if (!registered && atexit(terminal_end) == 0)
        registered = true;
    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return cli_usage("standard input is no terminal: %s", strerror(errno));
    if (pipe2(news_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return cli_usage("pipe: %s", strerror(errno));
    take_signals();
    is_raw = true;
    if (make_raw() == 0)
        return 0;
    int failed = errno;
    terminal_end();
    return cli_usage("cannot set the terminal: %s", strerror(failed));
}

void terminal_end(void)
{
    int was = errno;
    if (!is_raw)
        return;
    give_back();
    for (int i = 0; i < N_FATAL; i++)
        sigaction(fatal_signos[i], &old_fatal[i], NULL);
    for (int i = 0; i < N_NEWS; i++)
        sigaction(news_signos[i], &old_news[i], NULL);
    is_raw = false;
    close(news_pipe[0]);
    close(news_pipe[1]);
    news_pipe[0] = news_pipe[1] = -1;
    errno = was;
}

/* Whoever stopped us (SIGSTOP cannot be seen coming) may have changed the terminal meanwhile. */
static void come_back(void)
{
    if (is_in_foreground())
        make_raw();
}

enum terminal_news terminal_take(void)
{
    enum terminal_news news = TERMINAL_NOTHING;
    unsigned char signo;
    while (read(news_pipe[0], &signo, 1) == 1) {
        if (signo == SIGTSTP)
            return TERMINAL_STOP;
        if (signo == SIGCONT)
            come_back();
        news = TERMINAL_RESIZED;
    }
    return news;
}

void terminal_stop(void)
{
    give_back();
    raise(SIGSTOP);
    come_back();
}
