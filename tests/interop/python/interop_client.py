"""gRPC's interop cases by grpcio, against any interop test server.

usage: interop_client.py PKI_FOLDER TARGET

TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
why"; stubs are made from the .proto files on the spot.
"""
import queue
import sys

import grpc

from common import (DEADLINE_S, INITIAL, LARGE_RESPONSE, REQUESTS, RESPONSES, SPECIAL_TEXT, TEXT, TRAILING, Report,
                    check, empty, equal, flag, messages, output, outputs, payload, read, services, simple)


def code_of(call):
    """The status that a call fails with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call did not fail")


def empty_unary(stub, _):
    equal(stub.EmptyCall(empty.Empty(), timeout=DEADLINE_S), empty.Empty())


def large_unary(stub, _):
    equal(len(stub.UnaryCall(simple(), timeout=DEADLINE_S).payload.body), LARGE_RESPONSE)


def client_streaming(stub, _):
    requests = (messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS)
    equal(stub.StreamingInputCall(requests, timeout=DEADLINE_S).aggregated_payload_size, sum(REQUESTS))


def server_streaming(stub, _):
    sizes = [len(r.payload.body) for r in stub.StreamingOutputCall(outputs(), timeout=DEADLINE_S)]
    equal(sizes, list(RESPONSES))


class Pipe:
    """Requests that are given one by one."""

    def __init__(self):
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
    def echoed(call):
        check(INITIAL in [tuple(m) for m in call.initial_metadata()], call.initial_metadata())
        check(TRAILING in [tuple(m) for m in call.trailing_metadata()], call.trailing_metadata())

    _, call = stub.UnaryCall.with_call(simple(), metadata=(INITIAL, TRAILING), timeout=DEADLINE_S)
    echoed(call)
    call = stub.FullDuplexCall(iter([output(1, 1)]), metadata=(INITIAL, TRAILING), timeout=DEADLINE_S)
    equal(len(list(call)), 1)
    echoed(call)


def status(stub, message):
    asked = messages.EchoStatus(code=2, message=message)
    want = (grpc.StatusCode.UNKNOWN, message)
    equal(code_of(lambda: stub.UnaryCall(simple(response_status=asked), timeout=DEADLINE_S)), want)
    request = messages.StreamingOutputCallRequest(response_status=asked)
    equal(code_of(lambda: list(stub.FullDuplexCall(iter([request]), timeout=DEADLINE_S))), want)


def status_code_and_message(stub, _):
    status(stub, TEXT)


def special_status_message(stub, _):
    status(stub, SPECIAL_TEXT)


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


def connect(folder, target):
    if not target.startswith("tls:"):
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target[4:], grpc.ssl_channel_credentials(
        read(folder, "ca.pem"), read(folder, "client.key"), read(folder, "client.pem")))


def main():
    report = Report()
    with connect(sys.argv[1], sys.argv[2]) as channel:
        stub = services.TestServiceStub(channel)
        for case in CASES:
            with report.case(case.__name__):
                case(stub, channel)
    sys.exit(report.failed)


main()
