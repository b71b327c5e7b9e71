"""A session's output and echo, through client, daemon and agent, against ssh into such a VM."""

import os
import subprocess
import time

import vms
from lib import median, percentile, ratio, run, table, title


def throughput(argv, env, n_bytes):
    begun = time.monotonic()
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=900, check=True)
    return n_bytes / (time.monotonic() - begun) / 1e6


def echoes(argv, env, n):
    """Round trips of a byte through the program's pipes, in ms; the first ones are not counted."""
    warm_up, times = 20, []
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as p:
        for i in range(n + warm_up):
            begun = time.monotonic()
            p.stdin.write(b"x")
            if p.stdout.read(1) != b"x":
                raise RuntimeError(f"{argv[0]}: no echo")
            if i >= warm_up:
                times.append((time.monotonic() - begun) * 1000)
        p.stdin.close()
        if p.wait(60) != 0:
            raise RuntimeError(f"{argv[0]} ended with {p.returncode}")
    return times


def measure(ways, env, library, quick):
    size = (8 if quick else 64) << 20
    n = 20 if quick else 300
    rates = {name: [] for name in ways}
    trips = {name: [] for name in [*ways, "libbanger"]}
    for name, way in ways.items():
        count = run(way("head", "-c", "1000003", "/dev/zero"), env=env)
        if count != bytes(1000003):
            raise RuntimeError(f"{name} passes on {len(count)} bytes of 1000003")
    for _ in range(1 if quick else 5):
        for name, way in ways.items():
            rates[name].append(throughput(way("head", "-c", str(size), "/dev/zero"), env, size))
        for name, way in ways.items():
            trips[name] += echoes(way("cat"), env, n)
        trips["libbanger"] += [float(us) / 1000 for us in run(library + [str(n)], timeout=300).split()]
    return size, rates, trips


def bench(banger, peers, folder, quick):
    kept = vms.kept(banger)
    with kept.daemon(*vms.SLIRP):
        vms.prepare(kept)
        vms.boot(kept, "box", "--image", vms.IMAGE)
        try:
            port = vms.free_port()
            forward = f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"
            bare = vms.Bare(kept, vms.command_line(kept, "box"), vms.image_path(kept),
                            os.path.join(folder, "ssh"), forward)
            with bare, vms.Ssh(bare.folder, port, [kept.probe, bare.agent, "run"]) as ssh:
                ways = {"banger vm exec": lambda *words: kept.command("vm", "exec", "box", "--", *words),
                        "ssh": ssh.command}
                library = [kept.client, kept.socket, "echo", "box"]
                title(f"Session output and echo of a byte, against {ssh.version()}; both VMs up, interleaved")
                size, rates, trips = measure(ways, kept.env, library, quick)
        finally:
            vms.delete(kept, "box")
    table([f"output, {size >> 20} MiB", "MB/s", "to ssh"],
          [[name, f"{median(rates[name]):.1f}", ratio(median(rates[name]), median(rates["ssh"]))] for name in ways])
    table(["echo", "median", "p99", "faster than ssh by"],
          [[name, f"{median(t):.2f} ms", f"{percentile(t, 99):.2f} ms", ratio(median(trips["ssh"]), median(t))]
           for name, t in trips.items()])
