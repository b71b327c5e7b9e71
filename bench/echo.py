"""The echo servers that are compared, and the load generator that calls them all."""

import contextlib
import json
import math
import os

from lib import Server, median, ratio, run, summary, table, title

OURS = "banger"
TRANSPORTS = {"unix": "Unix socket", "tcp": "TCP", "tls": "mutual TLS 1.3"}


class Servers:
    """Ours first, then the peers; all with the same certificates."""

    def __init__(self, banger, peers, folder):
        self.commands = {OURS: [os.path.join(banger.build, "tests/interop/echo_server")], **peers.commands()}
        self.folder = folder
        self.certs = os.path.join(folder, "certs")
        self.load = os.path.join(banger.build, "bench/bench_load")
        if not os.path.exists(self.certs):
            os.mkdir(self.certs, 0o700)
            run([os.path.join(banger.build, "bench/bench_certs"), self.certs])

    def start(self, name):
        path = os.path.join(self.folder, name.replace("+", "p") + ".sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return Server(name, [*self.commands[name], "--unix", path, "--certs", self.certs], socket=path, says_ready=True)

    def load_command(self, server, mode, transport, **options):
        """Arguments of bench_load; options by its names, with _ for -."""
        if transport == "unix":
            where = ["--unix", server.socket]
        elif transport == "tcp":
            where = ["--tcp", f"127.0.0.1:{server.ports[0]}"]
        else:
            where = ["--tls", f"127.0.0.1:{server.ports[1]}", "--certs", self.certs]
        more = [x for key, value in options.items() for x in ("--" + key.replace("_", "-"), str(value))]
        return [self.load, mode, *where, *more]


class Case:
    """What is asked of every server. aim: how far ahead of the best peer in cost we want to be."""

    def __init__(self, text, mode, transport, aim, **options):
        self.text = f"{text}, {TRANSPORTS[transport]}"
        self.mode, self.transport, self.aim, self.options = mode, transport, aim, options


def measure(servers, case, rounds, warm, seconds):
    """bench_load's results of each server; every round asks all, beginning with another one."""
    names = list(servers.commands)
    results = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(servers.start(name)) for name in names}
        for i in range(rounds):
            for k in range(len(names)):
                server = running[names[(i + k) % len(names)]]
                out = run(servers.load_command(server, case.mode, case.transport, pid=server.pid, warm=warm,
                                               measure=seconds, **case.options), timeout=300)
                results[server.name].append(json.loads(out.decode().splitlines()[-1]))
    return results


def per_cpu_second(result):
    return result["calls"] / max(result["server_cpu_s"], 1e-6)


def medians(results, value):
    return {name: median([value(r) for r in rs]) for name, rs in results.items()}


def latency(result, which):
    """Infinite where no call came back: on a busy machine a short run may be over by then."""
    return result["latency_us"][which] if result["calls"] else math.inf


def best_peer(values, pick):
    return pick((value, name) for name, value in values.items() if name != OURS)


def compare(servers, case, rounds, warm, seconds, unit, shown):
    """Measures, prints a table and adds to the summary. shown(calls a second): text in units of unit."""
    title(f"{case.text}, {seconds} s x {rounds}, interleaved")
    results = measure(servers, case, rounds, warm, seconds)
    cost = medians(results, per_cpu_second)
    rate = medians(results, lambda r: r["calls_per_s"])
    p50 = medians(results, lambda r: latency(r, "p50"))
    p99 = medians(results, lambda r: latency(r, "p99"))
    p99_9 = medians(results, lambda r: latency(r, "p99_9"))
    best_cost, best_cost_name = best_peer(cost, max)
    best_rate, _ = best_peer(rate, max)
    best_p99, best_p99_name = best_peer(p99, min)
    table(["server", f"{unit}/CPU-s", "to best peer", f"{unit}/s", "to best peer", "p50 us", "p99 us", "p99.9 us",
           "p99 to best peer"],
          [[n, shown(cost[n]), ratio(cost[n], best_cost), shown(rate[n]), ratio(rate[n], best_rate), f"{p50[n]:.0f}",
            f"{p99[n]:.0f}", f"{p99_9[n]:.0f}", ratio(p99[n], best_p99)] for n in cost])
    met = cost[OURS] >= case.aim * best_cost and p99[OURS] < best_p99
    summary(f"{case.text}: {unit}/CPU-s", shown(cost[OURS]), f"{shown(best_cost)} ({best_cost_name})",
            ratio(cost[OURS], best_cost), f"{case.aim}x", met,
            (f"{p99[OURS]:.0f} us", f"{best_p99:.0f} us ({best_p99_name})", ratio(p99[OURS], best_p99)))
