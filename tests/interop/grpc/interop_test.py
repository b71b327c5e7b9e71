#!/usr/bin/env python3
"""gRPC's interop tests: each client against each server over each transport, case by case.

usage: interop_test.py --bin FOLDER --doc docs/interop.md grpc-go GO_PROGRAMS
       interop_test.py --bin FOLDER --doc docs/interop.md NAME SETUP_TEST NEEDED COMMAND…

NAME is a client of the tables in the page, such as grpc-js: COMMAND PKI_FOLDER TARGET runs all its
cases, with what the test SETUP_TEST made: NEEDED. Each case is a line of the output; the test fails
where a case fails or where the page says anything else than what happened. Exit status 77: skipped.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

CASE_S = 60
TRANSPORTS = ("TCP", "TLS", "Unix")

GO_CASES = """empty_unary large_unary client_streaming server_streaming ping_pong empty_stream
    custom_metadata status_code_and_message special_status_message unimplemented_method
    unimplemented_service cancel_after_begin cancel_after_first_response timeout_on_sleeping_server
    pick_first_unary rpc_soak channel_soak orca_per_rpc orca_oob""".split()
GZIP_CASES = """client_compressed_unary server_compressed_unary client_compressed_streaming
    server_compressed_streaming""".split()
STOCK_FLAGS = {
    "rpc_soak": ["-soak_iterations=40", "-soak_overall_timeout_seconds=25",
                 "-soak_per_iteration_max_acceptable_latency_ms=10000"],
    "orca_per_rpc": ['-service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'],
}
STOCK_FLAGS["channel_soak"] = STOCK_FLAGS["rpc_soak"]
STOCK_FLAGS["orca_oob"] = STOCK_FLAGS["orca_per_rpc"]


def skip(why):
    print("skipped:", why)
    sys.exit(77)


class Server:
    """A test server; targets says how each transport reaches it."""

    def __init__(self, program, folder, name):
        socket = os.path.join(folder, name + ".sock")
        self.process = subprocess.Popen([program, folder, socket], stdout=subprocess.PIPE, text=True)
        word, tcp, tls = self.process.stdout.readline().split()
        assert word == "ready"
        self.targets = {"TCP": tcp, "TLS": "tls:127.0.0.1:" + tls, "Unix": "unix:" + socket}

    def end(self):
        self.process.terminate()
        status = self.process.wait(timeout=20)
        self.process.stdout.close()
        return status


class Results:
    """Which case passed over which transport, a column of the table each."""

    def __init__(self):
        self.columns, self.failed = {}, 0

    def note(self, column, transport, case, ok, said=""):
        cases = self.columns.setdefault(column, {})
        passed = cases.setdefault(case, set())
        print(f"{'ok  ' if ok else 'FAIL'}  {column}, {transport}: {case}")
        if ok:
            passed.add(transport)
        else:
            self.failed += 1
            print("      " + said.strip().replace("\n", "\n      "))

    def run(self, column, jobs):
        """jobs: (transport, case, command)."""
        def one(job):
            try:
                done = subprocess.run(job[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      timeout=CASE_S, check=False)
                return done.returncode == 0, done.stdout
            except subprocess.TimeoutExpired:
                return False, f"nothing after {CASE_S} s"

        # Load reports are the whole server's: those cases one at a time.
        for at_once, some in ((2, [j for j in jobs if j[1] != "orca_oob"]),
                              (1, [j for j in jobs if j[1] == "orca_oob"])):
            with ThreadPoolExecutor(at_once) as pool:
                for (transport, case, _), (ok, said) in zip(some, pool.map(one, some)):
                    self.note(column, transport, case, ok, said)

    def run_all(self, column, transport, command):
        """A program that runs all its cases and prints "ok CASE" or "FAIL CASE: why"."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=CASE_S, check=False)
        seen = re.findall(r"^(ok|FAIL) (\w+):?(.*)$", done.stdout, re.M)
        for word, case, why in seen:
            self.note(column, transport, case, word == "ok", why)
        if done.returncode != 0 or not seen:
            self.failed += 1
            print(f"FAIL  {column}, {transport}: exit status {done.returncode}\n{done.stderr}")

    def compare(self, page):
        """The page's table against what happened."""
        with open(page, encoding="utf-8") as f:
            rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                    for line in f if line.startswith("|")]
        heads = [i for i, row in enumerate(rows) if row[0] == "case" and set(self.columns) <= set(row)]
        if not heads:
            sys.exit(f"{page} has no table with the columns {sorted(self.columns)}")
        head, told = rows[heads[0]], {}
        for row in rows[heads[0] + 2:]:
            if row[0] == "case" or len(row) != len(head):
                break  # the next table
            told[row[0]] = dict(zip(head, row))
        for column, cases in self.columns.items():
            for case in sorted(set(told) | set(cases)):
                cell = re.sub(r"\s*\(\d+\)", "", told.get(case, {}).get(column, ""))
                want = ", ".join(t for t in TRANSPORTS if t in cases.get(case, ())) or "–"
                if cell != want:
                    self.failed += 1
                    print(f'FAIL  {page}: {case}, "{column}": says "{cell}", true is "{want}"')


def go(results, programs, ours_at, folder, ours):
    """grpc-go on either side; ours against itself beside."""
    if not os.path.exists(programs):
        skip("no Go programs; see the test interop_build_go")
    jobs = []
    for case in GO_CASES:
        tcp = ours.targets["TCP"]
        jobs.append(("TCP", case, [os.path.join(programs, "client"), "-server_host=127.0.0.1",
                                   "-server_port=" + tcp, "-test_case=" + case] + STOCK_FLAGS.get(case, [])))
    for case in GO_CASES + GZIP_CASES:
        for transport, target in ours.targets.items():
            if transport == "TCP" and case in GO_CASES:
                continue
            target = "127.0.0.1:" + target if transport == "TCP" else target
            jobs.append((transport, case, [os.path.join(programs, "cases"), folder, target, case]))
    results.run("grpc-go client, our server", jobs)

    client = os.path.join(ours_at, "interop_client")
    listed = subprocess.run([client, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    theirs = Server(os.path.join(programs, "server"), folder, "go")
    for column, server in (("our client, grpc-go server", theirs), ("our client, our server", ours)):
        results.run(column, [
            (transport, case, [client, folder, "tcp:" + target if transport == "TCP" else target, case])
            for case in listed for transport, target in server.targets.items()
            # grpc-go's test service knows neither expect_compressed nor response_compressed.
            if server is ours or case not in GZIP_CASES])
    theirs.end()


def all_in_one(results, client, ours, folder):
    """client: its name, the test that sets it up, what that makes, the command."""
    name, setup, needed, *command = client
    if not os.path.exists(needed):
        skip(f"no {name}; see the test {setup}")
    for transport, target in ours.targets.items():
        results.run_all(f"{name} client, our server", transport,
                        command + [folder, "127.0.0.1:" + target if transport == "TCP" else target])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="our programs")
    parser.add_argument("--doc", required=True)
    parser.add_argument("client", nargs=argparse.REMAINDER)
    at = parser.parse_args()
    results = Results()
    with tempfile.TemporaryDirectory(prefix="binterop.", dir="/tmp") as folder:
        subprocess.run([os.path.join(at.bin, "interop_certs"), folder], check=True)
        ours = Server(os.path.join(at.bin, "interop_server"), folder, "c")
        try:
            if at.client[0] == "grpc-go":
                go(results, at.client[1], at.bin, folder, ours)
            else:
                all_in_one(results, at.client, ours, folder)
        finally:
            status = ours.end()
        if status != 0:
            results.failed += 1
            print(f"FAIL  our server ended with {status}")
    results.compare(at.doc)
    sys.exit(1 if results.failed else 0)


main()
