"""Unary calls of 12 bytes: what they cost each server, and how long they take."""

import echo
from lib import thousands

PIPELINED, ONE = 4, 2

# Connections, calls in flight on each, aim, transports.
SHAPES = [
    (1, 1, ONE, ["unix", "tls"]),
    (1, 100, PIPELINED, ["unix", "tls"]),
    (10, 10, PIPELINED, ["unix", "tcp", "tls"]),
    (100, 1, ONE, ["unix", "tls"]),
    (1000, 1, ONE, ["unix", "tls"]),
]


def bench(banger, peers, folder, quick):
    servers = echo.Servers(banger, peers, folder)
    for connections, streams, aim, transports in SHAPES:
        for transport in transports:
            case = echo.Case(f"{connections} x {streams} calls", "unary", transport, aim, connections=connections,
                             streams=streams)
            echo.compare(servers, case, *((1, 0.1, 0.2) if quick else (3, 0.3, 1.0)), "calls", thousands)
