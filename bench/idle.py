"""Memory of an idle server, just started and after it has been busy."""

import os
import re

import daemon
from lib import mega, median, status_bytes, table, title


def breakdown(pid):
    """Resident bytes by what is mapped: the program, libraries, heap and other private memory."""
    sums, name = {}, ""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as f:
        for line in f:
            head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)", line)
            if head:
                name = os.path.basename(head.group(1)) or "anonymous"
            elif line.startswith("Rss:"):
                sums[name] = sums.get(name, 0) + int(line.split()[1]) * 1024
    return sorted(((n, what) for what, n in sums.items() if n), reverse=True)


def bench(banger, peers, folder, quick):
    rounds = 1 if quick else 3
    targets = [t for t in daemon.targets(banger, peers, folder)]
    idle = {t.name: [] for t in targets}
    private = {t.name: [] for t in targets}
    after = {t.name: [] for t in targets}
    parts = []
    for _ in range(rounds):
        for target in targets:
            with target.start() as server:
                daemon.check(target, server)
                idle[target.name].append(server.rss_bytes())
                private[target.name].append(status_bytes(server.pid, "RssAnon"))
                if target.name == "bangerd":
                    parts = breakdown(server.pid)
                daemon.h2load(target, server, os.path.join(folder, "body"), 8, 32, 2000 if quick else 50000)
                after[target.name].append(server.rss_bytes())
    ours = median(idle["bangerd"])
    title(f"Resident memory, {rounds} runs, interleaved; bangerd with its store open")
    table(["server", "idle", "of it private", "after 8 x 32 streams", "bangerd to it"],
          [[t.name, mega(median(idle[t.name])), mega(median(private[t.name])), mega(median(after[t.name])),
            f"{ours / median(idle[t.name]):.2f}x"] for t in targets])
    print("  bangerd: " + ", ".join(f"{what} {n // 1024} KiB" for n, what in parts[:9]))
