"""What the Python clients of gRPC's interop tests share: stubs, sizes, messages, the report."""
import contextlib
import importlib
import os
import sys
import tempfile

from google.protobuf import wrappers_pb2 as wrappers
from grpc_tools import protoc

DEADLINE_S = 30
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
REQUESTS, RESPONSES = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
TEXT = "test status message"
SPECIAL_TEXT = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"

SESSION_PROTOS = ["banger/v1/%s.proto" % name for name in ("attach", "common", "guest_session", "options", "session_types")]


def make_stubs(protos, files, modules):
    """Like grpc.protos_and_services, which fails where sys.path is not ASCII."""
    with tempfile.TemporaryDirectory() as out:
        code = protoc.main(["protoc", "-I" + protos, "--python_out=" + out, "--grpc_python_out=" + out, *files])
        if code != 0:
            sys.exit("protoc failed with %d" % code)
        sys.path.insert(0, out)
        return [importlib.import_module(name) for name in modules]


messages, empty, test, services = make_stubs(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "../grpc/proto"),
    ["empty.proto", "messages.proto", "test.proto"], ["messages_pb2", "empty_pb2", "test_pb2", "test_pb2_grpc"])


def check(ok, what):
    if not ok:
        raise AssertionError(what)


def equal(got, want):
    check(got == want, f"{got!r}, want {want!r}")


def payload(size):
    return messages.Payload(body=bytes(size))


def simple(**fields):
    return messages.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST), **fields)


def output(size, response_size):
    return messages.StreamingOutputCallRequest(
        payload=payload(size), response_parameters=[messages.ResponseParameters(size=response_size)])


def outputs():
    return messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size) for size in RESPONSES])


def flag(value):
    return wrappers.BoolValue(value=value)


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


class Report:
    failed = False

    @contextlib.contextmanager
    def case(self, name):
        """Says how the case in the block went."""
        try:
            yield
            print("ok", name)
        except Exception as error:  # whatever a library throws
            self.failed = True
            print(f"FAIL {name}: {error!r}")
