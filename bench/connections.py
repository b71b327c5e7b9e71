"""Memory of connections that do nothing: how much a thousand more of them add to each server."""

import subprocess
import time

import echo
from lib import median, ratio, summary, table, title

FEW = 100 # the first ones bring in code and caches


def open_idle(servers, server, transport, n):
    """Opens connections, each with a few calls; they close when the process's input does."""
    opener = subprocess.Popen(servers.load_command(server, "idle", transport, connections=n), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    if not opener.stdout.readline():
        close(opener)
        raise RuntimeError(f"{server.name}: no {n} connections")
    return opener


def close(opener):
    opener.stdin.close()
    opener.stdout.close()
    opener.wait(60)


def settled_rss(server):
    """Once it has been the same for half a second; two seconds at most."""
    end = time.monotonic() + 2
    before, since = server.rss_bytes(), time.monotonic()
    while time.monotonic() - since < 0.5 and time.monotonic() < end:
        time.sleep(0.05)
        now = server.rss_bytes()
        if now != before:
            before, since = now, time.monotonic()
    return before


def kib_each(servers, name, transport, n):
    with servers.start(name) as server:
        openers = []
        try:
            openers.append(open_idle(servers, server, transport, FEW))
            before = settled_rss(server)
            openers.append(open_idle(servers, server, transport, n))
            return (settled_rss(server) - before) / n / 1024
        finally:
            for opener in openers:
                close(opener)


def bench(banger, peers, folder, quick):
    rounds, n = (1, 200) if quick else (2, 1000)
    servers = echo.Servers(banger, peers, folder)
    for transport, aim in (("unix", "< 16 KiB"), ("tls", "below peers")):
        title(f"Resident memory of an idle connection, {echo.TRANSPORTS[transport]}: {n} of them x {rounds}, interleaved")
        kib = {name: [] for name in servers.commands}
        for _ in range(rounds):
            for name in servers.commands:
                kib[name].append(kib_each(servers, name, transport, n))
        each = {name: median(values) for name, values in kib.items()}
        best, best_name = echo.best_peer(each, min)
        table(["server", "KiB", "to best peer"], [[x, f"{each[x]:.1f}", ratio(each[x], best)] for x in each])
        ours = each[echo.OURS]
        met = ours < 16 if transport == "unix" else ours < best
        summary(f"an idle connection, {echo.TRANSPORTS[transport]}", f"{ours:.1f} KiB", f"{best:.1f} KiB ({best_name})",
                ratio(ours, best), aim, met)
