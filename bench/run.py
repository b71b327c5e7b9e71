#!/usr/bin/python3
"""Benchmarks: run.py BUILD_FOLDER [--quick] [ROW…], with rows of ROWS below.

Every row but scale compares in one interleaved run (A B A B …) and prints medians and a ratio; nothing
here passes or fails. What it keeps (peers in the build folder, the image with sshd in the cache folder)
is used again by the next run. docs/benchmarks.md explains the rows."""

import argparse
import importlib
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from lib import Banger, load, print_summary, run  # noqa: E402
from peers import Peers  # noqa: E402

ROWS = ["unary", "stream", "connections", "daemon", "idle", "exit", "attach", "guest", "boot", "priv", "scale", "taps",
        "network"]
MODULES = {"exit": "exits"}
ALONE = {"boot", "guest", "priv", "scale", "taps", "network"}  # need none of the peers that are built


def versions(peers):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), "?")
    print(f"{os.cpu_count()} x {model}, Linux {platform.release()}, load {load()}")
    if peers:
        qemu = run(["qemu-system-x86_64", "--version"]).decode().split("\n")[0]
        h2load = run(["h2load", "--version"]).decode().strip()
        print(f"{peers.versions()}, {h2load}, {qemu}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=" ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="short runs, to try the benchmarks themselves")
    args = parser.parse_intermixed_args()
    if unknown := [row for row in args.rows if row not in ROWS]:
        parser.error(f"no such row: {' '.join(unknown)}; there are {' '.join(ROWS)}")
    build = os.path.abspath(args.build)
    rows = args.rows or ROWS
    peers = None if ALONE.issuperset(rows) else Peers(build)
    begun = time.monotonic()
    versions(peers)
    # Short, as sockets are in it.
    folder = tempfile.mkdtemp(prefix="bb-")
    try:
        for row in rows:
            state = os.path.join(folder, row)
            importlib.import_module(MODULES.get(row, row)).bench(Banger(build, state), peers, folder, args.quick)
        print_summary(time.monotonic() - begun)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
