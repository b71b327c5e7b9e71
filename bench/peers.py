"""Builds the peers, once for each version of their sources."""

import hashlib
import json
import os
import re
import shutil

from lib import ROOT, run, say

PROTOS = os.path.join(ROOT, "tests/support")


class Peers:
    """The command of each, without options."""

    def __init__(self, build):
        self.folder = os.path.join(build, "bench/peers")
        self.go = [self._make("go", ["main.go", "go.mod", "go.sum", "build.sh"], "grpc-go-echo")]
        self.cpp = [self._make("cpp", ["echo_server.cc", "build.sh"], "grpc-cpp-echo")]
        node = self._make("node", ["server.js", "package.json", "package-lock.json", "build.sh"], "grpc-js-echo")
        self.node = ["node", os.path.join(node, "server.js"), "--proto", os.path.join(PROTOS, "echo.proto")]

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
            run([os.path.join(source, "build.sh"), source, PROTOS, work, path], timeout=900)
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
        return f"grpc-go {go} ({compiler}), grpc++ {cpp}, grpc-js {js} (node {node})"
