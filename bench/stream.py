"""Bidirectional streams that echo messages of 32 KiB: one way's bytes for a server's processor time."""

import echo

MESSAGE_BYTES = 32 << 10
AIM = 2

# Connections, streams on each, messages in flight on each stream, transports.
SHAPES = [
    (1, 1, 1, ["unix", "tls"]),
    (1, 4, 4, ["unix", "tcp", "tls"]),
    (4, 4, 4, ["unix", "tls"]),
]


def mib(messages):
    return f"{messages * MESSAGE_BYTES / (1 << 20):.0f}"


def bench(banger, peers, folder, quick):
    servers = echo.Servers(banger, peers, folder)
    for connections, streams, in_flight, transports in SHAPES:
        for transport in transports:
            case = echo.Case(f"{connections} x {streams} streams, {in_flight} in flight", "stream",
                             transport, AIM, connections=connections, streams=streams, in_flight=in_flight,
                             payload_bytes=MESSAGE_BYTES)
            echo.compare(servers, case, *((1, 0.1, 0.2) if quick else (3, 0.3, 1.0)), "MiB", mib)
