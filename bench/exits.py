"""How long after a process has ended its client knows; how long a short command takes right after a large output."""

import os
import time

import vms
from lib import median, percentile, run, table, title


def numbers(text):
    return [[float(x) for x in line.split()] for line in text.decode().splitlines()]


def ms(us):
    return f"{us / 1000:.2f} ms"


def row(name, us):
    return [name, len(us), ms(median(us)), ms(percentile(us, 99)), ms(max(us))]


def short_commands(banger, n):
    """Milliseconds of each `vm exec fake -- true`, eight after each 20 MB of output."""
    took = []
    while len(took) < n:
        run(banger.command("vm", "exec", "fake", "--", "head", "-c", "20000000", "/dev/zero"), env=banger.env)
        for _ in range(8):
            begun = time.monotonic()
            run(banger.command("vm", "exec", "fake", "--", "true"), env=banger.env)
            took.append((time.monotonic() - begun) * 1000)
    return took


def histogram(took):
    bounds = [10, 20, 50, 100, 200, 500, 1000, 5000]
    rows, below = [], 0
    for bound in bounds:
        n = sum(1 for x in took if x < bound)
        rows.append([f"< {bound} ms", n - below])
        below = n
    return rows + [["longer", len(took) - below]]


def bench(banger, peers, folder, quick):
    n = 10 if quick else 300
    rows = []
    title("From the clock that a process reads last until its client has Exit")
    program = os.path.join(banger.build, "bench/last_words")
    with banger.daemon("--driver", "sim"):
        vms.boot(banger, "fake")
        try:
            us = numbers(run([banger.client, banger.socket, "exit", "fake", str(n), program], timeout=300))
            took = short_commands(banger, 16 if quick else 7000)
        finally:
            vms.delete(banger, "fake")
        rows.append(row("sim, one clock", [x[0] for x in us]))
    kept = vms.kept(banger)
    with kept.daemon():
        vms.prepare(kept)
        vms.boot(kept, "box", "--image", vms.IMAGE)
        try:
            with open(program, "rb") as f:
                run(kept.command("vm", "exec", "box", "--", "sh", "-c", "cat >/tmp/last_words; chmod 700 /tmp/last_words"),
                    stdin=f, env=kept.env)
            us = numbers(run([kept.client, kept.socket, "exit", "box", str(n), "/tmp/last_words"], timeout=600))
        finally:
            vms.delete(kept, "box")
        rows.append(row("qemu, the guest's clock compared", [x[1] for x in us]))
        doubt = median([x[2] for x in us])
    table(["", "runs", "median", "p99", "max"], rows)
    print(f"  (the comparison of clocks is right within {ms(doubt)})")
    title("vm exec -- true on sim, right after large outputs")
    table(["", "runs", "median", "p99", "max"], [row("exec", [x * 1000 for x in took])])
    table(["took", "commands"], histogram(took))
