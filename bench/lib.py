"""What the benchmarks share: servers and their cost, medians, the table."""

import os
import select
import signal
import socket as socketlib
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
median = statistics.median


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(argv, timeout=120, **more):
    """Output of a program that must succeed."""
    done = subprocess.run(argv, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {done.stderr.decode()[-800:]}")
    return done.stdout


def wait_until(what, condition, timeout=60):
    """Polls: for things that cannot be waited on."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen within {timeout} s")
        time.sleep(0.002)


def listens(path):
    with socketlib.socket(socketlib.AF_UNIX) as s:
        return s.connect_ex(path) == 0


class Server:
    """A process of ours, ended with `with`."""

    def __init__(self, name, argv, env=None, socket=None, says_ready=False, wait_s=60):
        """socket: path on which it will listen; waits for that, so long. says_ready: waits for a line "ready PORT…",
        and keeps the ports."""
        self.name = name
        self.socket = socket
        self.ports = []
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE if says_ready else subprocess.DEVNULL)
        self.pid = self.process.pid
        try:
            if says_ready:
                self._wait_ready()
            if socket:
                wait_until(f"{name}'s socket", lambda: listens(socket) or self.process.poll() is not None,
                           wait_s)
            if self.process.poll() is not None:
                raise RuntimeError(f"{name} ended with {self.process.returncode}")
        except BaseException:
            self.end()
            raise

    def _wait_ready(self):
        if not select.select([self.process.stdout], [], [], 60)[0]:
            raise RuntimeError(f"{self.name} is not ready within 60 s")
        word, *ports = self.process.stdout.readline().decode().split() or [""]
        if word != "ready":
            raise RuntimeError(f"{self.name} says {word!r}, not that it is ready")
        self.ports = [int(p) for p in ports]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()

    def cpu_seconds(self):
        """Of all its threads, by the clock that clock_getcpuclockid(3) gives for a process."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def rss_bytes(self):
        return status_bytes(self.pid, "VmRSS")


def status_bytes(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} of process {pid}")


def load():
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def title(text):
    print(f"\n{text}   (load {load()})", flush=True)


def table(head, rows):
    """Right-aligned but for the first column."""
    lines = [head] + [[str(x) for x in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = [line[0].ljust(widths[0])] + [x.rjust(w) for x, w in zip(line[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip(), flush=True)


SUMMARY = []
SUMMARY_HEAD = ("| row | banger | best peer | ratio | aim | p99 | best peer | ratio | met |\n"
                "|---|---|---|---|---|---|---|---|---|")


def summary(what, ours, peer, ratio_, aim, met, p99=("", "", "")):
    """A line of the table at the end, which is Markdown for docs/benchmarks.md."""
    SUMMARY.append("| " + " | ".join([what, ours, peer, ratio_, aim, *p99, "yes" if met else "**no**"]) + " |")


def print_summary(seconds):
    if SUMMARY:
        print("\n".join(["", SUMMARY_HEAD, *SUMMARY]))
    print(f"\n{seconds:.0f} s, load {load()}", flush=True)


def thousands(x):
    return f"{x / 1000:.1f}k"


def mega(x):
    return f"{x / 1e6:.1f} MB"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}x"


class Banger:
    """The build under test: its programs, and a daemon with a state folder of its own."""

    def __init__(self, build, state):
        self.build = build
        self.state = state
        self.shell = os.path.join(build, "clients/shell/banger")
        self.daemon_path = os.path.join(build, "daemon/bangerd")
        self.client = os.path.join(build, "bench/bench_client")
        self.probe = os.path.join(build, "tests/unit/agent/agent-probe")
        self.socket = os.path.join(state, "bench.sock")
        self.env = {**os.environ, "BANGER_SOCKET": self.socket, "BANGER_STATE_DIR": state}
        for name in [n for n in self.env if n.startswith("BANGER_") and n not in ("BANGER_SOCKET", "BANGER_STATE_DIR")]:
            del self.env[name]

    def daemon(self, *options, wait_s=60, before=()):
        """before: words of a command that becomes the daemon."""
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        return Server("bangerd", [*before, self.daemon_path, "--state-dir", self.state, "--socket", self.socket, *options],
                      env=self.env, socket=self.socket, wait_s=wait_s)

    def command(self, *words):
        return [self.shell, "--socket", self.socket, *words]

    def call(self, *words, timeout=300):
        return run([self.shell, *words], timeout=timeout, env=self.env).decode()
