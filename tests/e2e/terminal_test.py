#!/usr/bin/env python3
"""A session's terminal, as whoever sits before it sees it: a real pseudo-terminal, and an emulator that
draws what comes.

    terminal_test.py BANGER BANGERD AGENT sim|qemu

Programs of this host (an editor, a pager, top, tmux) are driven through sim alone."""

import fcntl, json, os, pty, re, select, shutil, signal, struct, subprocess, sys, tempfile, termios, time
import pyte

BANGER, BANGERD, AGENT, ENGINE = sys.argv[1:5]
WAIT_S, STEP_S = 60, 0.05
# Says that it is in the foreground: keys before that would be its shell's.
SLEEP = "sh -c 'echo on=$((40 + 3)); exec sleep 1000'"


class Screen(pyte.Screen):
    """pyte 0.8 takes xterm's private modes of keys for colours, and fails."""

    def select_graphic_rendition(self, *attributes, private=False):
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal:
    """A terminal of its own with a command on it."""

    def __init__(self, *arguments, rows=24, columns=80, program=None):
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.ours, self.theirs = pty.openpty()
        self.set_size(rows, columns)
        self.before = termios.tcgetattr(self.theirs)
        command = program or [BANGER, *arguments]
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def set_size(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.ours, text.encode())

    def look(self, seconds=STEP_S):
        if select.select([self.ours], [], [], seconds)[0]:
            self.stream.feed(os.read(self.ours, 1 << 16))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, what, condition):
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"never came: {what}\n{self.text()}")
            self.look()

    def shows(self, text):
        self.until(text, lambda: text in self.text())

    def prompt(self, command, text):
        """Types a command whose output is to hold text, which its echo does not."""
        self.type(command + "\r")
        self.shows(text)

    def at_prompt(self):
        self.until("a prompt", lambda: self.screen.display[self.screen.cursor.y].startswith("$ "))

    def is_raw(self):
        return not termios.tcgetattr(self.theirs)[3] & termios.ICANON

    def ends(self, *statuses):
        self.until("its end", lambda: self.process.poll() is not None)
        for _ in range(3):
            self.look()
        assert self.process.returncode in statuses, f"{self.process.returncode}\n{self.text()}"
        assert termios.tcgetattr(self.theirs) == self.before, "the terminal is not as it was"
        os.close(self.ours)
        os.close(self.theirs)


def banger(*arguments):
    result = subprocess.run([BANGER, *arguments], capture_output=True, text=True, timeout=WAIT_S * 4)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def log_in(*options, **size):
    terminal = Terminal("vm", "exec", *options, "box", **size)
    terminal.prompt("PS1='$ '; echo in=$((40 + 2))", "in=42")
    return terminal


def detach(terminal):
    terminal.type("\x10\x11")
    terminal.ends(0)
    words = terminal.text().replace("\n", "").split('"banger session attach ')
    return words[1].split('"')[0]


def test_login():
    t = log_in(rows=24, columns=80)
    t.prompt("echo size=$(stty size)", "size=24 80")
    t.prompt("echo term=$TERM", "term=xterm-256color")
    t.set_size(30, 100)
    t.prompt("echo size=$(stty size)", "size=30 100")
    t.prompt(SLEEP, "on=43")
    t.type("\x03")
    t.at_prompt()
    t.prompt("echo rc=$?", "rc=130")
    t.prompt("stty -echo; sh -c 'echo on=$((40 + 4)); exec cat'; echo rc=$?", "on=44")
    t.type("line\r\x04")
    t.shows("line\nrc=0")
    t.type("exit 7\r")
    t.ends(7)


def test_job_control():
    t = Terminal("vm", "exec", "-it", "box", "--", "/bin/bash", "--norc")
    t.prompt("set -m; PS1='$ '; echo in=$((40 + 2))", "in=42")
    t.prompt(SLEEP.replace("sleep 1000", "cat"), "on=43")
    t.type("\x1a")
    t.shows("Stopped")
    t.at_prompt()
    t.prompt("jobs | wc -l", "\n1")
    t.type("kill -9 %1; disown -a; exit 4\r")
    t.ends(4)


def test_detach_and_come_back_from_another_size():
    t = log_in("--detach-keys", "ctrl-p,ctrl-q", rows=24, columns=80)
    t.type("\x10")  # the last command again: keys that only begin like those pass
    t.type("\x01echo again; \r")
    t.shows("again\n")
    session = detach(t)
    t = Terminal("session", "attach", session, rows=20, columns=60)
    t.shows("ctrl-p,ctrl-q leaves it running")
    t.prompt("echo size=$(stty size)", "size=20 60")
    t.type("exit 3\r")
    t.ends(3)


def test_stopped_from_outside():
    t = log_in()
    assert t.is_raw()
    t.process.send_signal(signal.SIGTSTP)
    t.until("its stop", lambda: os.waitid(
        os.P_PID, t.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None)
    assert not t.is_raw()
    t.process.send_signal(signal.SIGCONT)
    t.until("its keys", t.is_raw)
    t.prompt("echo on=$((1 + 1))", "on=2")
    t.type("exit\r")
    t.ends(0)


def test_whatever_ends_it_the_terminal_is_as_before():
    for signo in (signal.SIGABRT, signal.SIGQUIT):
        t = log_in()
        t.process.send_signal(signo)
        t.ends(-signo)
    t = log_in()

    def is_over():  # the first is the command's, and two that are pending are one
        t.process.send_signal(signal.SIGTERM)
        return t.process.poll() is not None

    t.until("its end", is_over)
    t.ends(128 + signal.SIGTERM, -signal.SIGTERM)  # one more may come as it leaves
    t = log_in(program=None)
    t.type("kill -9 $$\r")
    t.ends(128 + signal.SIGKILL)


def test_the_parent_is_killed():
    t = Terminal(program=["/bin/sh", "-c", f'/bin/sh -c \'echo parent=$$; "$0" vm exec box; :\' "{BANGER}"; exec sleep 1000'])
    t.shows("parent=")
    parent = int(t.text().split("parent=")[1].split()[0])
    t.prompt("PS1='$ '; echo in=$((40 + 2))", "in=42")
    os.kill(parent, signal.SIGKILL)
    t.prompt("echo still=$((1 + 1))", "still=2")
    t.type("exit\r")
    t.until("the terminal as before", lambda: termios.tcgetattr(t.theirs) == t.before)
    t.process.kill()
    t.ends(-signal.SIGKILL)


def daemon_pid():
    with open(os.environ["BANGER_STATE_DIR"] + "/lock") as lock:
        return int(re.search(r"pid\D*(\d+)", lock.read())[1])


def test_the_daemon_is_killed():
    t = log_in()
    os.kill(daemon_pid(), signal.SIGKILL)
    banger("daemon", "start")
    t.prompt("echo back=$((1 + 1))", "back=2")
    t.type("exit 5\r")
    t.ends(5)
    t = log_in("--no-reattach")
    os.kill(daemon_pid(), signal.SIGKILL)
    t.ends(125)
    banger("daemon", "start")


def test_programs():
    t = log_in(rows=24, columns=80)
    t.type(f"cd {os.environ['HOME']}; vim.tiny -u NONE -n text\r")
    t.shows("~\n~")
    t.type("ifirst\rsecond\x1b")
    t.until("two lines", lambda: t.screen.display[1].startswith("second"))
    session = detach(t)
    t = Terminal("session", "attach", session, rows=10, columns=40)
    t.until("it was drawn again", lambda: t.text().count("~") == 7 and "second" in t.text())
    session = detach(t)
    t = Terminal("session", "attach", session, rows=10, columns=40)
    t.until("the same size, again", lambda: t.text().count("~") == 7 and "second" in t.text())
    t.type(":wq\r")
    t.at_prompt()
    t.prompt("wc -l text", "2 text")
    t.type("seq 1000 | less\r")
    t.until("a page", lambda: t.screen.display[8].startswith("9") and t.screen.display[9][0] == ":")
    t.type("G")
    t.until("the last page", lambda: t.screen.display[8].startswith("1000"))
    t.type("q")
    t.at_prompt()
    t.type("top -d 1000\r")
    t.shows("Tasks:")
    t.type("q")
    t.at_prompt()
    t.prompt("clear; echo top=$((1 + 1))", "top=2")
    t.type("unset TMUX; tmux -S sock -f /dev/null new -s one\r")
    t.until("its line", lambda: t.screen.display[9].startswith("[one]"))
    t.set_size(14, 60)
    t.until("its line, lower", lambda: t.screen.display[13].startswith("[one]"))
    t.type("exit\r")
    t.shows("[exited]")
    t.at_prompt()
    t.type("exit\r")
    t.ends(0)


def test_console():
    """A shell that nobody but the console leads to."""
    if ENGINE != "qemu":
        t = Terminal("vm", "console", "box")
        t.shows("nothing would read what is typed")
        t.ends(125)
        return
    shell = "exec setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'"
    banger("session", "start", "box", "--", "sh", "-c", shell)
    t = Terminal("vm", "console", "box")
    t.shows("ctrl-p,ctrl-q leaves the console")
    t.until("a raw terminal", t.is_raw)
    # A serial line keeps nothing for who has not opened it.
    t.until("a prompt", lambda: t.screen.display[t.screen.cursor.y].startswith("# "))
    t.prompt("echo con$((40+2))sole", "con42sole")
    second = Terminal("vm", "console", "box")
    second.shows("somebody else types into this console")
    second.ends(125)
    t.type("\x10\x11")
    t.shows('"banger vm console box" comes back to it')
    t.ends(0)


def main():
    if ENGINE == "qemu" and not os.environ.get("BANGER_TEST_ASSETS"):
        print("skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets")
        return 77
    top = tempfile.mkdtemp(prefix="/tmp/bterm.")
    for name in ("BANGER_HOST", "BANGER_SOCKET", "BANGER_RUNTIME_DIR", "BANGER_DETACH_KEYS", "TMUX"):
        os.environ.pop(name, None)
    os.environ.update(
        BANGER_STATE_DIR=f"{top}/s", BANGER_CONFIG_DIR=f"{top}/c", BANGER_DAEMON=BANGERD,
        BANGER_AGENT=AGENT, BANGER_DRIVER=ENGINE, TERM="xterm-256color", LC_ALL="C.UTF-8")
    failed = 0
    try:
        if ENGINE == "qemu":
            with open(os.environ["BANGER_TEST_ASSETS"] + "/assets.json") as file:
                assets = json.load(file)
            modules = os.path.dirname(assets["kernel"]["vmlinux"]) + "/modules"
            banger("kernel", "import", "--modules", modules, assets["kernel"]["vmlinux"])
            banger("image", "import", "--name", "debian-bookworm", assets["image"]["path"])
        banger("vm", "create", "box")
        tests = [test_login, test_job_control, test_detach_and_come_back_from_another_size,
                 test_stopped_from_outside, test_whatever_ends_it_the_terminal_is_as_before,
                 test_the_parent_is_killed, test_the_daemon_is_killed, test_console]
        if ENGINE == "sim":
            os.environ["HOME"] = top
            tests.append(test_programs)
        for test in tests:
            try:
                test()
                print("ok  ", test.__name__, flush=True)
            except (AssertionError, OSError) as error:
                failed += 1
                print("FAIL", test.__name__, error, flush=True)
        banger("vm", "delete", "--force", "box")
    finally:
        subprocess.run([BANGER, "daemon", "stop"], capture_output=True, timeout=WAIT_S)
        shutil.rmtree(top, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
