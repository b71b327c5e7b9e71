"""gRPC's interop cases by grpcio, against any interop test server.

usage: interop_client.py PKI_FOLDER TARGET

TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
why"; stubs are made from the .proto files on the spot.
"""
import importlib
import os
import sys
import tempfile

import grpc
from google.protobuf import wrappers_pb2 as wrappers
from grpc_tools import protoc


def make_stubs():
    """Like grpc.protos_and_services, which fails where sys.path is not ASCII."""
    protos = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../grpc/proto")
    names = ["empty", "messages", "test"]
    with tempfile.TemporaryDirectory() as out:
        code = protoc.main(["protoc", "-I" + protos, "--python_out=" + out, "--grpc_python_out=" + out]
                           + [name + ".proto" for name in names])
        if code != 0:
            sys.exit("protoc failed with %d" % code)
        sys.path.insert(0, out)
        return [importlib.import_module(name) for name in ("messages_pb2", "empty_pb2", "test_pb2_grpc")]


messages, empty, services = make_stubs()

DEADLINE_S = 30
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
REQUESTS, RESPONSES = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)


def check(ok, what):
    if not ok:
        raise AssertionError(what)


def equal(got, want):
    check(got == want, f"{got!r}, want {want!r}")


def code_of(call):
    """The status that a call fails with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call did not fail")


def payload(size):
    return messages.Payload(body=bytes(size))


def simple(**fields):
    return messages.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST), **fields)


def output(size, response_size):
    return messages.StreamingOutputCallRequest(
        payload=payload(size), response_parameters=[messages.ResponseParameters(size=response_size)])


def flag(value):
    return wrappers.BoolValue(value=value)


def empty_unary(stub, _):
    equal(stub.EmptyCall(empty.Empty(), timeout=DEADLINE_S), empty.Empty())


def large_unary(stub, _):
    equal(len(stub.UnaryCall(simple(), timeout=DEADLINE_S).payload.body), LARGE_RESPONSE)


def client_streaming(stub, _):
    requests = (messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS)
    equal(stub.StreamingInputCall(requests, timeout=DEADLINE_S).aggregated_payload_size, sum(REQUESTS))


def server_streaming(stub, _):
    request = messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size) for size in RESPONSES])
    sizes = [len(r.payload.body) for r in stub.StreamingOutputCall(request, timeout=DEADLINE_S)]
    equal(sizes, list(RESPONSES))


class Pipe:
    """Requests that are given one by one."""

    def __init__(self):
        import queue
        self.queue = queue.Queue()

    def __iter__(self):
        return iter(self.queue.get, None)

    def put(self, request):
        self.queue.put(request)


def ping_pong(stub, _):
    pipe = Pipe()
    answers = stub.FullDuplexCall(iter(pipe), timeout=DEADLINE_S)
    for size, response_size in zip(REQUESTS, RESPONSES):
        pipe.put(output(size, response_size))
        equal(len(next(answers).payload.body), response_size)
    pipe.put(None)
    equal(list(answers), [])


def empty_stream(stub, _):
    equal(list(stub.FullDuplexCall(iter(()), timeout=DEADLINE_S)), [])


def custom_metadata(stub, _):
    initial = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
    trailing = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
    _, call = stub.UnaryCall.with_call(simple(), metadata=(initial, trailing), timeout=DEADLINE_S)
    check(initial in [tuple(m) for m in call.initial_metadata()], call.initial_metadata())
    check(trailing in [tuple(m) for m in call.trailing_metadata()], call.trailing_metadata())
    call = stub.FullDuplexCall(iter([output(1, 1)]), metadata=(initial, trailing), timeout=DEADLINE_S)
    equal(len(list(call)), 1)
    check(initial in [tuple(m) for m in call.initial_metadata()], call.initial_metadata())
    check(trailing in [tuple(m) for m in call.trailing_metadata()], call.trailing_metadata())


def status(stub, message):
    asked = messages.EchoStatus(code=2, message=message)
    want = (grpc.StatusCode.UNKNOWN, message)
    equal(code_of(lambda: stub.UnaryCall(simple(response_status=asked), timeout=DEADLINE_S)), want)
    request = messages.StreamingOutputCallRequest(response_status=asked)
    equal(code_of(lambda: list(stub.FullDuplexCall(iter([request]), timeout=DEADLINE_S))), want)


def status_code_and_message(stub, _):
    status(stub, "test status message")


def special_status_message(stub, _):
    status(stub, "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")


def unimplemented_method(stub, _):
    equal(code_of(lambda: stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))[0],
          grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(_, channel):
    stub = services.UnimplementedServiceStub(channel)
    equal(code_of(lambda: stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))[0],
          grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin(stub, _):
    call = stub.StreamingInputCall.future(iter(Pipe()), timeout=DEADLINE_S)
    call.cancel()
    check(call.cancelled(), "not cancelled")
    equal(call.code(), grpc.StatusCode.CANCELLED)


def cancel_after_first_response(stub, _):
    pipe = Pipe()
    answers = stub.FullDuplexCall(iter(pipe), timeout=DEADLINE_S)
    pipe.put(output(REQUESTS[0], RESPONSES[0]))
    equal(len(next(answers).payload.body), RESPONSES[0])
    answers.cancel()
    equal(code_of(lambda: next(answers))[0], grpc.StatusCode.CANCELLED)
    pipe.put(None)


def timeout_on_sleeping_server(stub, _):
    pipe = Pipe()
    pipe.put(messages.StreamingOutputCallRequest(payload=payload(REQUESTS[0])))
    equal(code_of(lambda: list(stub.FullDuplexCall(iter(pipe), timeout=0.001)))[0],
          grpc.StatusCode.DEADLINE_EXCEEDED)
    pipe.put(None)


def client_compressed_unary(stub, _):
    # Does the server look at all?
    equal(code_of(lambda: stub.UnaryCall(simple(expect_compressed=flag(True)), timeout=DEADLINE_S))[0],
          grpc.StatusCode.INVALID_ARGUMENT)
    for gzip in (True, False):
        how = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        answer = stub.UnaryCall(simple(expect_compressed=flag(gzip)), compression=how, timeout=DEADLINE_S)
        equal(len(answer.payload.body), LARGE_RESPONSE)


def server_compressed_unary(stub, _):
    for gzip in (True, False):
        answer = stub.UnaryCall(simple(response_compressed=flag(gzip)), timeout=DEADLINE_S)
        equal(len(answer.payload.body), LARGE_RESPONSE)


CASES = (empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream,
         client_compressed_unary, server_compressed_unary, custom_metadata, status_code_and_message,
         special_status_message, unimplemented_method, unimplemented_service, cancel_after_begin,
         cancel_after_first_response, timeout_on_sleeping_server)


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def connect(folder, target):
    if not target.startswith("tls:"):
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target[4:], grpc.ssl_channel_credentials(
        read(folder, "ca.pem"), read(folder, "client.key"), read(folder, "client.pem")))


def main():
    failed = False
    with connect(sys.argv[1], sys.argv[2]) as channel:
        stub = services.TestServiceStub(channel)
        for case in CASES:
            try:
                case(stub, channel)
                print("ok", case.__name__)
            except (AssertionError, grpc.RpcError) as error:
                failed = True
                print(f"FAIL {case.__name__}: {error!r}")
    sys.exit(failed)


main()
