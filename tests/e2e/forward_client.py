"""Ends of TCP connections that check what they get: forward_client.py serve DIR | send PORT MIB | first PORT MIB

serve listens on a free port, which it writes to DIR/port. Each connection begins with a line: "last N" reads to the
end of its input, then answers with its digest and N bytes; "first N" sends N bytes and ends its output first, then
writes the digest of what it was sent to DIR/got. send and first are the other ends of those; both check all.
"""
import hashlib
import os
import socket
import sys
import threading

PIECE = bytes(range(256)) * 256


def put(sock, total):
    digest = hashlib.sha256()
    sent = 0
    while sent < total:
        # Pieces that repeat at odd distances, so that a lost one does not go unseen.
        data = (sent.to_bytes(8, "big") + PIECE)[: min(total - sent, 60001)]
        sock.sendall(data)
        digest.update(data)
        sent += len(data)
    return digest.hexdigest()


def take(stream):
    digest = hashlib.sha256()
    total = 0
    while data := stream.read(1 << 16):
        digest.update(data)
        total += len(data)
    return f"{digest.hexdigest()} {total}"


def serve_one(sock, folder):
    stream = sock.makefile("rb")
    words = stream.readline().split()
    if not words:  # somebody looked whether we are there
        return
    how, total = words
    if how == b"last":
        sock.sendall(take(stream).encode() + b"\n")
        put(sock, int(total))
    else:
        put(sock, int(total))
        sock.shutdown(socket.SHUT_WR)
        got = take(stream)
        with open(f"{folder}/got.new", "w") as f:
            f.write(got)
        os.rename(f"{folder}/got.new", f"{folder}/got")
    stream.close()
    sock.close()


def serve(folder):
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    with open(f"{folder}/port.new", "w") as f:
        f.write(str(listener.getsockname()[1]))
    os.rename(f"{folder}/port.new", f"{folder}/port")
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_one, args=(sock, folder), daemon=True).start()


def expect(total):
    digest = hashlib.sha256()
    sent = 0
    while sent < total:
        data = (sent.to_bytes(8, "big") + PIECE)[: min(total - sent, 60001)]
        digest.update(data)
        sent += len(data)
    return f"{digest.hexdigest()} {total}"


def ask(how, port, total):
    sock = socket.create_connection(("127.0.0.1", port), timeout=300)
    stream = sock.makefile("rb")
    sock.sendall(f"{how} {total}\n".encode())
    if how == "last":
        want = f"{put(sock, total)} {total}"
        sock.shutdown(socket.SHUT_WR)
        got = stream.readline().decode().strip()
        assert got == want, f"the other side got {got}, want {want}"
    got = take(stream)
    assert got == expect(total), f"got {got}, want {expect(total)}"
    if how == "first":
        put(sock, total)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    sock.close()


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    ask({"send": "last", "first": "first"}[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3]) << 20)
