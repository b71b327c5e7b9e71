"""What VMs with taps cost on a host that has many of them: creation, deletion, fifty at once.

On the sim driver, whose VMs have taps and rules as any others, in a network namespace of the daemon's own. Against VMs
without a network, by turns."""

import os
import resource
import time

from lib import ratio, run, say, summary, table, title

FEW, MANY = 50, 1000
FILES = 16384
FLAT = 1.25 # as much longer a creation may take among many


class Host:
    """A daemon whose VMs all have the same network."""

    def __init__(self, banger, network):
        self.banger, self.network = banger, network
        self.client = os.path.join(banger.build, "bench/bench_vms")
        self.server = None
        self.n = 0

    def start(self):
        self.server = self.banger.daemon("--driver", "sim", "--max-vms", str(2 * MANY), wait_s=300,
                                         before=("unshare", "--net", "--"))

    def call(self, *words):
        begun = time.monotonic()
        run([self.client, self.banger.socket, *map(str, words)], timeout=900)
        return time.monotonic() - begun

    def create(self, n, threads):
        seconds = self.call("create", n, "yes", self.n, threads, self.network)
        self.n += n
        return seconds / n * 1000

    def delete(self, n, threads):
        self.n -= n
        return self.call("delete", n, self.n, threads) / n * 1000

    def end(self):
        if self.server:
            if self.n:
                self.delete(self.n, 16)
            self.server.end()


ONE, ONCE, LATE_ONE, LATE_ONCE = range(4) # of steps


def steps(few, many):
    """What is done, and how: milliseconds a VM, or None where it only leads to the next."""
    return [
        ("one after another, no others", lambda host: host.create(few, 1)),
        (f"{few} at once, no others", lambda host: host.create(few, few)),
        (None, lambda host: host.create(many - host.n - 2 * few, 16)),
        (f"one after another, behind {many - 2 * few}", lambda host: host.create(few, 1)),
        (f"{few} at once, behind {many - few}", lambda host: host.create(few, few)),
        (f"deleted one after another, of {many}", lambda host: host.delete(few, 1)),
        (None, lambda host: host.delete(host.n - few, 16)),
        ("deleted one after another, the last", lambda host: host.delete(few, 1)),
    ]


def judge(what, few, many, took):
    """took: of each step that is shown, milliseconds a VM."""
    for names, ours, than, limit, aim in (
            (f"{few} at once to one after another", ONCE, ONE, 1, "no slower"),
            (f"one after another, the last of {many} to the first", LATE_ONE, ONE, FLAT, f"flat: {FLAT}x"),
            (f"{few} at once, the last of {many} to the first", LATE_ONCE, ONCE, FLAT, f"flat: {FLAT}x")):
        summary(f"taps: {what}, {names}, ms a VM", f"{took[ours]:.1f}", f"{took[than]:.1f}", ratio(took[ours], took[than]), aim,
                took[ours] <= limit * took[than])


def bench(banger, peers, folder, quick):
    del peers
    few, many = (5, 50) if quick else (FEW, MANY)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard) if hard > 0 else FILES, hard))
    title(f"{few} VMs on sim, with a tap each and without a network, alone and among {many}: milliseconds a VM")
    hosts = [Host(type(banger)(banger.build, os.path.join(folder, network)), network) for network in ("tap", "none")]
    rows, took = [], []
    try:
        for host in hosts:
            host.start()
        for what, do in steps(few, many):
            tap, none = [do(host) for host in hosts]
            if what:
                took.append((tap, none))
                rows.append([what, f"{tap:.1f} ms", f"{none:.1f} ms", ratio(tap, none)])
                say("  " + "  ".join(rows[-1]))
    finally:
        for host in hosts:
            host.end()
    table(["step", "tap", "no network", "ratio"], rows)
    for i, what in enumerate(("with a tap", "without a network")):
        judge(what, few, many, [step[i] for step in took])
