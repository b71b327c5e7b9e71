"""Many VMs on one host, on the sim driver: what changes, lists and restarts cost, and the memory at each point.

No peer to compare with: each step is held against an aim. Steps run once, but for lists, which are medians."""

import json
import os
import resource
import signal
import time

from lib import mega, median, run, say, status_bytes, table, title, wait_until

VMS, RECORDS = 1000, 10000
RUNNING, STOPPED = 4, 7  # of banger.v1.VMState
OPTIONS = ["--driver", "sim", "--max-vms", str(VMS + RECORDS)]
# At one moment a VM needs a few descriptors; the clients' connections come on top.
FILES = 16384
SETTLE_S = 2
# Quiet is less than such a share of a core for so long.
QUIET_S, QUIET_SHARE, QUIET_LIMIT_S = 0.5, 0.01, 60


class Steps:
    def __init__(self, banger, folder):
        self.banger, self.folder = banger, folder
        self.client = os.path.join(banger.build, "bench/bench_vms")
        self.server = None
        self.options = OPTIONS
        self.rows = []

    def start(self):
        """Until it listens, which is when everything that lived has been found again."""
        self.server = self.banger.daemon(*self.options, wait_s=300)

    def stop(self):
        self.server.end()
        self.server = None

    def call(self, *words):
        out = run([self.client, self.banger.socket, *map(str, words)], timeout=600)
        return [int(x) for x in out.split()]

    def settle(self):
        """The daemon gives pages back when it has been quiet for a while; and what it still does about the step before
        (records in folders, one after another) is not the next one's cost."""
        time.sleep(SETTLE_S)
        end = time.monotonic() + QUIET_LIMIT_S
        while time.monotonic() < end:
            cpu = self.server.cpu_seconds()
            time.sleep(QUIET_S)
            if self.server.cpu_seconds() - cpu < QUIET_S * QUIET_SHARE:
                return

    def row(self, what, n, wall, cpu, aim="", met=None):
        self.settle()
        rss = status_bytes(self.server.pid, "VmRSS")
        line = [what, n, f"{wall * 1000:.0f} ms", f"{cpu * 1000:.0f} ms", mega(rss)]
        if callable(aim):
            aim, met = aim(wall, cpu, rss)
        self.rows.append(line + [aim, "" if met is None else "yes" if met else "no"])
        say("  " + "  ".join(map(str, self.rows[-1])).rstrip())

    def change(self, what, n, *words, aim=""):
        wall, cpu = time.monotonic(), self.server.cpu_seconds()
        self.call(*words)
        self.row(what, n, time.monotonic() - wall, self.server.cpu_seconds() - cpu, aim)

    def list(self, what, page, expected, *words, aim="", times=5):
        walls, cpus = [], []
        for _ in range(times):
            cpu = self.server.cpu_seconds()
            found, pages, us = self.call("list", page, *words)
            cpus.append(self.server.cpu_seconds() - cpu)
            walls.append(us / 1e6)
            if found != expected:
                raise RuntimeError(f"{what}: {found} are listed, not {expected}")
        self.row(f"{what}, {pages} page{'s' * (pages > 1)}", found, median(walls), median(cpus), aim)

    def restart(self, what, prepare, running, aim=""):
        self.stop()
        prepare()
        wall = time.monotonic()
        self.start()
        wall = time.monotonic() - wall
        found = self.call("list", 1000, "", RUNNING)[0]
        if found != running:
            raise RuntimeError(f"{what}: {found} run, not {running}")
        self.row(what, running, wall, self.server.cpu_seconds(), aim)

    def monitors(self):
        """Of this folder's VMs, whoever started them: keepers of agents, which end with them."""
        spool = (self.banger.state + "/vms/").encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if b"--no-system" in words and b"--kept" not in words and any(w.startswith(spool) for w in words):
                found.append(int(pid))
        return found

    def remove_hints(self):
        for vm in os.scandir(os.path.join(self.banger.state, "vms")):
            path = os.path.join(vm.path, "handles.json")
            if os.path.exists(path):
                os.unlink(path)

    def kill_half(self):
        pids = sorted(self.monitors())[::2]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        left = set(pids)
        wait_until("the end of half of the VMMs", lambda: not left & set(self.monitors()))

    def end(self):
        """Whatever has happened: no process of this folder stays."""
        if self.server:
            self.server.end()
        for pid in self.monitors():
            os.kill(pid, signal.SIGKILL)


def under(limit_s, clock):
    """An aim for wall or processor time."""
    what = "CPU " if clock == "cpu" else ""

    def aim(wall, cpu, rss):
        return f"{what}< {limit_s * 1000:.0f} ms", (cpu if clock == "cpu" else wall) < limit_s

    return aim


def memory(limit):
    return lambda wall, cpu, rss: (f"< {limit / 1e6:.0f} MB", rss < limit)


def under_and_memory(limit_s, limit):
    def aim(wall, cpu, rss):
        return f"< {limit_s * 1000:.0f} ms, < {limit / 1e6:.0f} MB", wall < limit_s and rss < limit

    return aim


def given_back(steps, what, idle):
    """Memory after everything is gone, against what the daemon had before there was anything."""
    steps.row(what, 0, 0, 0, lambda wall, cpu, rss: (f"< {(idle + 16e6) / 1e6:.0f} MB", rss < idle + 16e6))


def bench(banger, peers, folder, quick):
    vms, records = (50, 500) if quick else (VMS, RECORDS)
    del peers
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard) if hard > 0 else FILES, hard))
    title(f"{vms} VMs on sim, then {records} records; memory after each step")
    steps = Steps(banger, folder)
    try:
        steps.start()
        idle = steps.server.rss_bytes()
        steps.row("started", 0, 0, 0)
        steps.change("created and started", vms, "create", vms, "yes")
        steps.list("listed", 1000, vms)
        steps.restart("restarted", lambda: None, vms, aim=under_and_memory(1, 64e6))
        steps.list("listed again", 1000, vms)
        steps.restart("restarted without hints", steps.remove_hints, vms, aim=under_and_memory(1, 64e6))
        steps.restart("restarted, half of the VMMs dead", steps.kill_half, vms // 2, aim=under_and_memory(1, 64e6))
        steps.change("deleted", vms, "delete", vms)
        given_back(steps, "all gone", idle)
        steps.stop()
        steps.options = (*OPTIONS, "--scopes", "none") # the records go with their folder, which groups would outlive
        steps.start()
        steps.change("created, not started", records, "create", records, "no")
        steps.list("listed", 1000, records, aim=under(0.020, "cpu"))
        steps.list("listed", 100, records)
        steps.list("listed by label", 1000, records // 100, "07")
        steps.list("listed by a state that none has", 1000, 0, "", RUNNING)
        steps.restart("restarted", lambda: None, 0)
        steps.list("listed", 1000, records, aim=under(0.020, "cpu"))
    finally:
        steps.end()
    table(["step", "VMs", "wall", "CPU", "memory", "aim", "met"], steps.rows)
