"""Unary calls to the daemon itself, and the same h2load command against the echo servers, all on Unix sockets.

A stock load generator: it holds the other rows' own one to account."""

import os
import re

from lib import Server, median, ratio, run, table, thousands, title

OURS = ("banger", "bangerd")
ECHO = "/banger.test.v1.EchoService/Unary"
HEALTH = "/grpc.health.v1.Health/Check"
ECHO_REQUEST = b"\x0a\x0chello world!"
ECHO_RESPONSE = b"\x0a\x0chello world!\x18\x01"
CASES = [("8 connections x 32 streams", 8, 32, 60000), ("1 connection x 1 stream", 1, 1, 8000)]


class Target:
    """A way to serve: name, how to start it, what to call."""

    def __init__(self, name, start, method=ECHO, request=ECHO_REQUEST, response=ECHO_RESPONSE):
        self.name, self.start = name, start
        self.method, self.request, self.response = method, request, response


def targets(banger, peers, folder):
    def by_option(name, *argv):
        path = os.path.join(folder, name.replace("+", "p") + ".sock")

        def start():
            if os.path.exists(path):
                os.unlink(path)
            return Server(name, [*argv, "--unix", path], socket=path)

        return start

    echo = os.path.join(banger.build, "tests/interop/echo_server")
    return [
        Target("banger", by_option("banger", echo)),
        Target("bangerd", banger.daemon, HEALTH, b"", b"\x08\x01"),
        # grpc-js needs certificates, and is far behind.
        *(Target(name, by_option(name, *command)) for name, command in peers.commands().items() if name != "grpc-js"),
    ]


def check(target, server):
    """h2load takes :status 200 for success whatever grpc-status says: a stock client looks once."""
    import grpc

    with grpc.insecure_channel("unix:" + server.socket) as channel:
        call = channel.unary_unary(target.method, request_serializer=bytes, response_deserializer=bytes)
        answer = call(target.request, timeout=20)
    if answer != target.response:
        raise RuntimeError(f"{target.name} answers {answer!r}, not {target.response!r}")


def h2load(target, server, body, connections, streams, n):
    """Calls a second of wall time and of the server's processor time."""
    with open(body, "wb") as f:
        f.write(b"\0" + len(target.request).to_bytes(4, "big") + target.request)
    before = server.cpu_seconds()
    out = run(["h2load", "-t", "1", "-c", str(connections), "-m", str(streams), "-n", str(n), "-d", body,
               "-H", "content-type: application/grpc", "-H", "te: trailers", "--base-uri=unix:" + server.socket,
               "http://localhost" + target.method], timeout=600).decode()
    cpu = server.cpu_seconds() - before
    if f" {n} succeeded, 0 failed, 0 errored" not in out:
        raise RuntimeError(f"{target.name}: {out}")
    wall = re.search(r"finished in [^,]*, ([0-9.]+) req/s", out)
    return float(wall.group(1)), n / max(cpu, 1e-6)


def bench(banger, peers, folder, quick):
    rounds = 1 if quick else 3
    all_targets = targets(banger, peers, folder)
    body = os.path.join(folder, "body")
    for text, connections, streams, n in CASES:
        n = n // 20 if quick else n
        title(f"Calls to the daemon, {text}, {n} calls x {rounds}, interleaved")
        wall = {t.name: [] for t in all_targets}
        cpu = {t.name: [] for t in all_targets}
        for i in range(rounds):
            for target in all_targets:
                with target.start() as server:
                    check(target, server)
                    h2load(target, server, body, connections, streams, max(n // 20, connections * streams))
                    w, c = h2load(target, server, body, connections, streams, n)
                    wall[target.name].append(w)
                    cpu[target.name].append(c)
        best_wall, best_cpu = (max(median(rates[t.name]) for t in all_targets if t.name not in OURS)
                               for rates in (wall, cpu))
        table(["server", "calls/s", "calls/CPU-s", "to best peer", "to best peer (CPU)"],
              [[t.name + (" (Health/Check)" if t.method == HEALTH else ""), thousands(median(wall[t.name])),
                thousands(median(cpu[t.name])), ratio(median(wall[t.name]), best_wall),
                ratio(median(cpu[t.name]), best_cpu)] for t in all_targets])
