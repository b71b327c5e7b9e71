"""All that is done with one VM, by banger, by ssh into the same VM, and over a raw port of it: short commands, echo on a
terminal, output and input in bulk, trees of files."""

import os
import pty
import resource
import select
import subprocess
import threading
import time

import guest_tree
import vms
from guest_vm import GuestVm
from lib import median, percentile, ratio, run, summary, table, title

BOUNDS_MS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def timed(argv, env, **more):
    """Milliseconds that a program takes that must succeed."""
    begun = time.monotonic()
    subprocess.run(argv, env=env, timeout=900, check=True, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **more})
    return (time.monotonic() - begun) * 1000


def read_within(fd, n, seconds=60):
    if not select.select([fd], [], [], seconds)[0]:
        raise RuntimeError(f"nothing on the terminal within {seconds} s")
    return os.read(fd, n)


def typed(argv, env, n):
    """Round trips of a byte that the terminal in the guest echoes, in ms, through a terminal of ours. The program says
    "ready" first: what is typed before the client has set its terminal may be lost. That is an ordinary one until then, as
    ssh makes the guest's like it."""
    warm_up, times, said = 10, [], b""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs, start_new_session=True) as p:
        try:
            os.close(theirs)
            while not said.endswith(b"ready\r\n"):
                said += read_within(ours, 64)
            for i in range(n + warm_up):
                begun = time.monotonic()
                os.write(ours, b"x")
                if read_within(ours, 1) != b"x":
                    raise RuntimeError(f"{argv[0]}: no echo")
                if i >= warm_up:
                    times.append((time.monotonic() - begun) * 1000)
            os.write(ours, b"\x03") # an interrupt, which ends it
            p.wait(60)
        finally:
            p.kill()
            os.close(ours)
    return times


def at_once(argv, env, n, width):
    """Commands a second with `width` of them under way."""
    left, lock, failed = [n], threading.Lock(), []

    def work():
        while not failed:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            try:
                timed(argv, env)
            except Exception as e:  # of a thread: told by the caller
                failed.append(e)

    threads = [threading.Thread(target=work) for _ in range(width)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return n / (time.monotonic() - begun)


class Cost:
    """Processor time of the host: of the servers named, and of programs that were run and have ended."""

    def __init__(self, *pids):
        self.pids = pids
        self.begun = self._now()

    def _now(self):
        used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
        return sum(u.ru_utime + u.ru_stime for u in used) + sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids)

    def seconds(self):
        return self._now() - self.begun


class Figures:
    """Values by way, with the ways in the order in which they were measured first."""

    def __init__(self):
        self.by_way = {}

    def add(self, way, values):
        self.by_way.setdefault(way, []).extend(values)

    def __getitem__(self, way):
        return self.by_way[way]

    def rows(self, to, form):
        """Of each way: min, median, max, and the median to that of `to`."""
        return [[way, form(min(v)), form(median(v)), form(max(v)), ratio(median(v), median(self[to]))]
                for way, v in self.by_way.items()]


def ms(x):
    return f"{x:.2f} ms"


def rate(x):
    return f"{x:.1f}"


def short_commands(vm, env, quick):
    rounds, n = (1, 5) if quick else (5, 20)
    took, rates = Figures(), Figures()
    exec_true, ssh_true = vm.exec("true"), vm.ssh.command("true")
    for _ in range(rounds):
        took.add("banger vm exec", [timed(exec_true, env) for _ in range(n)])
        took.add("ssh", [timed(ssh_true, env) for _ in range(n)])
        took.add("libbanger", [float(us) / 1000 for us in
                               run([vm.banger.client, vm.banger.socket, "run", "box", str(n)], timeout=300).split()])
        took.add("raw, and a spawn", vm.raw.spawn(n))
        rates.add("banger vm exec", [at_once(exec_true, env, 4 * n, 8)])
        rates.add("ssh", [at_once(ssh_true, env, 4 * n, 8)])
    ways = list(took.by_way)
    table(["true, one by one", "min", "median", "p99", "max", "to ssh", "to raw"],
          [[way, ms(min(took[way])), ms(median(took[way])), ms(percentile(took[way], 99)), ms(max(took[way])),
            ratio(median(took[way]), median(took["ssh"])), ratio(median(took[way]), median(took["raw, and a spawn"]))]
           for way in ways])
    table(["took", *ways], [[f"< {top} ms", *[sum(1 for x in took[way] if bottom <= x < top) for way in ways]]
                            for bottom, top in zip([0] + BOUNDS_MS, BOUNDS_MS + [1e9])])
    table(["true, eight at once, a second", "min", "median", "max", "to ssh"], rates.rows("ssh", rate))
    ours, theirs = median(rates["banger vm exec"]), median(rates["ssh"])
    summary("guest: `true`, eight at once, a second", rate(ours), f"{rate(theirs)} (ssh)", ratio(ours, theirs), "3x",
            ours >= 3 * theirs)
    ours, raw = took["libbanger"], took["raw, and a spawn"]
    summary("guest: `true`, one by one", ms(median(ours)), f"{ms(median(raw))} (raw + spawn)", ratio(median(ours), median(raw)),
            "+ 2 ms", median(ours) <= median(raw) + 2,
            (ms(percentile(ours, 99)), ms(percentile(raw, 99)), ratio(percentile(ours, 99), percentile(raw, 99))))


def terminals(vm, env, quick):
    rounds, n = (1, 20) if quick else (5, 100)
    trips, cat = Figures(), "echo ready; exec cat"
    for _ in range(rounds):
        trips.add("banger vm exec -t", typed(vm.banger.command("vm", "exec", "-t", "box", "--", "sh", "-c", cat), env, n))
        trips.add("ssh -tt", typed([vm.ssh.base[0], "-tt", *vm.ssh.base[1:], cat], env, n))
        trips.add("libbanger", [float(us) / 1000 for us in
                                run([vm.banger.client, vm.banger.socket, "type", "box", str(n)], timeout=300).split()])
        trips.add("raw", vm.raw.echo(n))
    raw = trips["raw"]
    table(["echo on a terminal", "min", "p50", "p99", "max", "p50 to raw", "p99 to raw"],
          [[way, ms(min(v)), ms(median(v)), ms(percentile(v, 99)), ms(max(v)), ratio(median(v), median(raw)),
            ratio(percentile(v, 99), percentile(raw, 99))] for way, v in trips.by_way.items()])
    ours = trips["libbanger"]
    summary("guest: echo on a terminal", ms(median(ours)), f"{ms(median(raw))} (raw)", ratio(median(ours), median(raw)), "1.5x",
            median(ours) <= 1.5 * median(raw),
            (ms(percentile(ours, 99)), ms(percentile(raw, 99)), ratio(percentile(ours, 99), percentile(raw, 99))))


def fed(argv, env, n):
    with subprocess.Popen(["head", "-c", str(n), "/dev/zero"], stdout=subprocess.PIPE) as source:
        timed(argv, env, stdin=source.stdout)


def bulk(vm, env, daemon, quick):
    size = (8 if quick else 64) << 20
    rounds = 1 if quick else 5
    head, eat = ["head", "-c", str(size), "/dev/zero"], ["cat >/dev/null"]
    ways = {
        "out": {"banger": lambda: timed(vm.exec(*head), env), "ssh": lambda: timed(vm.ssh.command(*head), env),
                "raw": lambda: vm.raw.out(size)},
        "in": {"banger": lambda: fed(vm.exec("sh", "-c", *eat), env, size), "ssh": lambda: fed(vm.ssh.command(*eat), env, size),
               "raw": lambda: vm.raw.into(size)},
    }
    for name, way in (("banger", vm.exec), ("ssh", vm.ssh.command)):
        if run(way("head", "-c", "1000003", "/dev/zero"), env=env) != bytes(1000003):
            raise RuntimeError(f"{name} does not pass on 1000003 bytes")
        if int(run(way("sh", "-c", "'wc -c'" if name == "ssh" else "wc -c"), env=env, input=bytes(1000003))) != 1000003:
            raise RuntimeError(f"{name} does not take 1000003 bytes")
    for direction, by_name in ways.items():
        rates, costs = Figures(), Figures()
        for _ in range(rounds):
            for name, way in by_name.items():
                cost = Cost(vm.pid, daemon.pid, vm.ssh.master.pid)
                begun = time.monotonic()
                way()
                rates.add(name, [size / (time.monotonic() - begun) / 1e6])
                costs.add(name, [cost.seconds() / (size / (1 << 30))])
        table([f"{direction}, {size >> 20} MiB, MB/s", "min", "median", "max", "to raw"], rates.rows("raw", rate))
        table([f"{direction}, CPU-s of the host for a GiB", "min", "median", "max", "to raw"], costs.rows("raw", rate))
        ours, raw = median(rates["banger"]), median(rates["raw"])
        summary(f"guest: bulk {direction}, MB/s", rate(ours), f"{rate(raw)} (raw; ssh {rate(median(rates['ssh']))})", ratio(ours, raw),
                "0.6x", ours >= 0.6 * raw)


def bench(banger, peers, folder, quick):
    kept = vms.kept(banger)
    work = os.path.join(folder, "guest")
    os.makedirs(work)
    guest = GuestVm(kept, work)
    with kept.daemon(*vms.SLIRP) as daemon:
        vms.prepare(kept)
        with guest as vm:
            title(f"One VM by banger, by {vm.ssh.version()} and over a raw port, interleaved")
            short_commands(vm, kept.env, quick)
            terminals(vm, kept.env, quick)
            bulk(vm, kept.env, daemon, quick)
            guest_tree.measure(vm, kept.env, work, quick)
