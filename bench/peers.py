"""Builds the peers, once for each version of their sources."""

import hashlib
import json
import os
import re
import shutil

from lib import ROOT, run, say

PROTOS = os.path.join(ROOT, "tests/support")
RUST_MINOR = 88  # what tonic asks for: 1.88


def rust_minor():
    """Of Rust 1.x; 0 without cargo."""
    if not shutil.which("cargo") or not shutil.which("rustc"):
        return 0
    return int(re.match(r"rustc 1\.(\d+)", run(["rustc", "--version"]).decode()).group(1))


class Peers:
    """The command of each, without options; tonic's is None where there is no Rust for it."""

    def __init__(self, build):
        self.folder = os.path.join(build, "bench/peers")
        self.go = [self._make("go", ["main.go", "go.mod", "go.sum", "build.sh"], "grpc-go-echo")]
        self.cpp = [self._make("cpp", ["echo_server.cc", "build.sh"], "grpc-cpp-echo")]
        self.tonic = None
        if rust_minor() >= RUST_MINOR:
            self.tonic = [self._make("tonic", ["src/main.rs", "build.rs", "Cargo.toml", "Cargo.lock", "build.sh"],
                                     "tonic-echo")]
        else:
            say(f"tonic is left out: it needs cargo and Rust 1.{RUST_MINOR} or later")
        node = self._make("node", ["server.js", "package.json", "package-lock.json", "build.sh"], "grpc-js-echo")
        self.node = ["node", os.path.join(node, "server.js"), "--proto", os.path.join(PROTOS, "echo.proto")]

    def commands(self):
        """By name; those that are there."""
        by_name = {"grpc-go": self.go, "grpc++": self.cpp, "grpc-js": self.node, "tonic": self.tonic}
        return {name: command for name, command in by_name.items() if command}

    def _make(self, name, sources, program):
        source = os.path.join(ROOT, "bench/peers", name)
        digest = hashlib.sha256()
        for path in [os.path.join(source, s) for s in sources] + [os.path.join(PROTOS, "echo.proto")]:
            with open(path, "rb") as f:
                digest.update(f.read())
        path = os.path.join(self.folder, f"{program}-{digest.hexdigest()[:12]}")
        if not os.path.exists(path):
            say(f"building {program}")
            work = os.path.join(self.folder, name)
            shutil.rmtree(work, ignore_errors=True)
            os.makedirs(self.folder, exist_ok=True)
            run([os.path.join(source, "build.sh"), source, PROTOS, work, path], timeout=1800)
        return path

    def versions(self):
        peers = os.path.join(ROOT, "bench/peers")
        with open(os.path.join(peers, "go/go.mod"), encoding="ascii") as f:
            go = re.search(r"google.golang.org/grpc v(\S+)", f.read()).group(1)
        with open(os.path.join(peers, "node/package.json"), encoding="ascii") as f:
            js = json.load(f)["dependencies"]["@grpc/grpc-js"]
        cpp = run(["pkg-config", "--modversion", "grpc++"]).decode().strip()
        compiler = run(["go", "env", "GOVERSION"]).decode().strip()
        node = run(["node", "--version"]).decode().strip()
        text = f"grpc-go {go} ({compiler}), grpc++ {cpp}, grpc-js {js} (node {node})"
        if self.tonic:
            with open(os.path.join(peers, "tonic/Cargo.toml"), encoding="ascii") as f:
                tonic = re.search(r'^tonic = .*"=([0-9.]+)"', f.read(), re.M).group(1)
            text += f", tonic {tonic} ({run(['rustc', '--version']).decode().split(' (')[0]})"
        return text
