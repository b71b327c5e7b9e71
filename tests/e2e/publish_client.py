"""Many connections to a published port: publish_client.py PORT N

All are opened before one is used, more than are carried at once; each is then asked for 1000 bytes of a
forward_client.py server, and ended. Whoever waits is served when others have ended.
"""
import socket
import sys
import threading

port, n = int(sys.argv[1]), int(sys.argv[2])
socks = [socket.create_connection(("127.0.0.1", port), timeout=120) for _ in range(n)]
wrong = []


def ask(sock):
    try:
        sock.sendall(b"last 1000\nq")
        sock.shutdown(socket.SHUT_WR)
        stream = sock.makefile("rb")
        line = stream.readline()
        rest = stream.read()
        if not line.endswith(b" 1\n") or len(rest) != 1000:
            wrong.append(f"{line!r} and {len(rest)} bytes")
    except OSError as e:
        wrong.append(str(e))
    sock.close()


threads = [threading.Thread(target=ask, args=(sock,)) for sock in socks]
for t in threads:
    t.start()
for t in threads:
    t.join()
sys.exit(f"{len(wrong)} of {n}: {wrong[0]}" if wrong else 0)
