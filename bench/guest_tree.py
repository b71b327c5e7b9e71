"""Trees of files into and out of a guest: banger vm cp, and tar through ssh."""

import os
import shlex
import shutil
import subprocess
import time

from lib import median, ratio, run, summary, table

FILES_IN_FOLDER = 100


def make_small(path, n):
    """Files of 1 to 8 KiB, one hundred in a folder."""
    for i in range(n):
        folder = os.path.join(path, f"folder-{i // FILES_IN_FOLDER}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"file-{i}"), "wb") as f:
            f.write(b"%8d\n" % i * (114 + 797 * (i % 9) // 8))


def make_big(path, n_bytes):
    os.makedirs(path)
    piece = os.urandom(1 << 20)
    with open(os.path.join(path, "big"), "wb") as f:
        for _ in range(n_bytes >> 20):
            f.write(piece)


def count(path):
    found = [os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names]
    return len(found), sum(found)


def piped(giver, taker, env):
    with subprocess.Popen(giver, env=env, stdout=subprocess.PIPE) as p:
        run(taker, timeout=900, env=env, stdin=p.stdout)
        if p.wait(60) != 0:
            raise RuntimeError(f"{giver[0]} ended with {p.returncode}")


def ways(vm, env, source, back):
    """Push and pull of each; what is pulled is in the folder `back`."""
    there = "/root/tree"

    def cp(*words):
        run(vm.banger.command("vm", "cp", "-q", *words), timeout=900, env=env)

    def remote(command):
        return vm.ssh.command(command)

    return {
        "banger vm cp": (lambda: cp(source + "/.", "box:" + there), lambda: cp("box:" + there + "/.", back)),
        "tar, ssh": (lambda: piped(["tar", "-C", source, "-cf", "-", "."], remote(f"mkdir -p {there} && tar -C {there} -xf -"), env),
                     lambda: piped(remote(f"tar -C {there} -cf - ."), ["tar", "-C", back, "-xf", "-"], env)),
    }, remote("rm -rf " + shlex.quote(there) + " && sync")


def measure(vm, env, folder, quick):
    rounds = 1 if quick else 3
    kinds = {
        f"{200 if quick else 10000} small files": lambda path: make_small(path, 200 if quick else 10000),
        f"one file of {8 if quick else 256} MiB": lambda path: make_big(path, (8 if quick else 256) << 20),
    }
    for kind, make in kinds.items():
        source, back = os.path.join(folder, "source"), os.path.join(folder, "back")
        make(source)
        what = count(source)
        by_name, clean = ways(vm, env, source, back)
        times = {"push": {name: [] for name in by_name}, "pull": {name: [] for name in by_name}}
        for i in range(-1, rounds):  # the first of each grows the disk
            for name, (push, pull) in by_name.items():
                for direction, way in (("push", push), ("pull", pull)):
                    shutil.rmtree(back, ignore_errors=True)
                    os.makedirs(back)
                    begun = time.monotonic()
                    way()
                    if i >= 0:
                        times[direction][name].append(time.monotonic() - begun)
                if count(back) != what:
                    raise RuntimeError(f"{name}: {count(back)} is not {what}")
                run(clean, timeout=300, env=env)
        shutil.rmtree(source)
        for direction, by_way in times.items():
            ours, theirs = by_way.values()
            table([f"{direction}, {kind}", "min", "median", "max", "faster than tar, ssh by"],
                  [[name, *[f"{x:.2f} s" for x in (min(t), median(t), max(t))], ratio(median(theirs), median(t))]
                   for name, t in by_way.items()])
            summary(f"guest: {direction}, {kind}", f"{median(ours):.2f} s", f"{median(theirs):.2f} s (tar, ssh)",
                    ratio(median(theirs), median(ours)), "3x", median(theirs) >= 3 * median(ours))
