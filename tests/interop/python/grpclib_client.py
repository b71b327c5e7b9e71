"""gRPC's interop cases by grpclib, against any interop test server; and what a session says.

usage: grpclib_client.py PKI_FOLDER TARGET [attach SESSION TIMES]

TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
why"; stubs are made from the .proto files on the spot. grpclib has no compression.
"""
import asyncio
import os
import ssl
import sys

from google.protobuf.message_factory import GetMessageClass
from grpclib import Status
from grpclib.client import Channel, StreamStreamMethod, StreamUnaryMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.exceptions import GRPCError

from common import (DEADLINE_S, INITIAL, LARGE_RESPONSE, REQUESTS, RESPONSES, SESSION_PROTOS, SPECIAL_TEXT, TEXT,
                    TRAILING, Report, check, empty, equal, make_stubs, messages, output, outputs, payload, read, simple,
                    test)

KINDS = {(False, False): UnaryUnaryMethod, (False, True): UnaryStreamMethod,
         (True, False): StreamUnaryMethod, (True, True): StreamStreamMethod}


class Stub:
    """A service's methods by its descriptor."""

    def __init__(self, channel, service):
        for method in service.methods:
            kind = KINDS[method.client_streaming, method.server_streaming]
            setattr(self, method.name, kind(channel, f"/{service.full_name}/{method.name}",
                                            GetMessageClass(method.input_type), GetMessageClass(method.output_type)))


async def code_of(answer):
    """The status that a call fails with."""
    try:
        await answer
    except GRPCError as error:
        return error.status, error.message
    raise AssertionError("the call did not fail")


async def empty_unary(stub, _):
    equal(await stub.EmptyCall(empty.Empty(), timeout=DEADLINE_S), empty.Empty())


async def large_unary(stub, _):
    equal(len((await stub.UnaryCall(simple(), timeout=DEADLINE_S)).payload.body), LARGE_RESPONSE)


async def client_streaming(stub, _):
    requests = [messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS]
    equal((await stub.StreamingInputCall(requests, timeout=DEADLINE_S)).aggregated_payload_size, sum(REQUESTS))


async def server_streaming(stub, _):
    answers = await stub.StreamingOutputCall(outputs(), timeout=DEADLINE_S)
    equal([len(message.payload.body) for message in answers], list(RESPONSES))


async def ping_pong(stub, _):
    async with stub.FullDuplexCall.open(timeout=DEADLINE_S) as call:
        for size, response_size in zip(REQUESTS, RESPONSES):
            await call.send_message(output(size, response_size))
            equal(len((await call.recv_message()).payload.body), response_size)
        await call.end()
        equal(await call.recv_message(), None)


async def empty_stream(stub, _):
    async with stub.FullDuplexCall.open(timeout=DEADLINE_S) as call:
        await call.send_request(end=True)
        equal(await call.recv_message(), None)


async def custom_metadata(stub, _):
    async def echoed(method, request):
        async with method.open(timeout=DEADLINE_S, metadata=(INITIAL, TRAILING)) as call:
            await call.send_message(request, end=True)
            check(await call.recv_message() is not None, "no message")
            await call.recv_trailing_metadata()
        check(INITIAL in call.initial_metadata.items(), call.initial_metadata)
        check(TRAILING in call.trailing_metadata.items(), call.trailing_metadata)

    await echoed(stub.UnaryCall, simple())
    await echoed(stub.FullDuplexCall, output(1, 1))


async def status(stub, message):
    asked = messages.EchoStatus(code=2, message=message)
    want = (Status.UNKNOWN, message)
    equal(await code_of(stub.UnaryCall(simple(response_status=asked), timeout=DEADLINE_S)), want)
    request = messages.StreamingOutputCallRequest(response_status=asked)
    equal(await code_of(stub.FullDuplexCall([request], timeout=DEADLINE_S)), want)


async def status_code_and_message(stub, _):
    await status(stub, TEXT)


async def special_status_message(stub, _):
    await status(stub, SPECIAL_TEXT)


async def unimplemented_method(stub, _):
    code, _ = await code_of(stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))
    equal(code, Status.UNIMPLEMENTED)


async def unimplemented_service(_, channel):
    stub = Stub(channel, test.DESCRIPTOR.services_by_name["UnimplementedService"])
    code, _ = await code_of(stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))
    equal(code, Status.UNIMPLEMENTED)


# A cancelled call has no status to look at: the connection goes on.
async def cancel_after_begin(stub, _):
    async with stub.StreamingInputCall.open(timeout=DEADLINE_S) as call:
        await call.send_request()
        await call.cancel()
    await empty_unary(stub, None)


async def cancel_after_first_response(stub, _):
    async with stub.FullDuplexCall.open(timeout=DEADLINE_S) as call:
        await call.send_message(output(REQUESTS[0], RESPONSES[0]))
        equal(len((await call.recv_message()).payload.body), RESPONSES[0])
        await call.cancel()
    await empty_unary(stub, None)


async def timeout_on_sleeping_server(stub, _):
    try:
        async with stub.FullDuplexCall.open(timeout=0.001) as call:
            await call.send_message(messages.StreamingOutputCallRequest(payload=payload(REQUESTS[0])))
            await call.recv_message()
            await call.end() # before it looks at the status
    except asyncio.TimeoutError: # by its own timer, in the stead of a status
        return
    except GRPCError as error: # the server's timer was first
        equal(error.status, Status.DEADLINE_EXCEEDED)
        return
    raise AssertionError("no timeout")


CASES = (empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, custom_metadata,
         status_code_and_message, special_status_message, unimplemented_method, unimplemented_service,
         cancel_after_begin, cancel_after_first_response, timeout_on_sleeping_server)


async def attach(stub, attach_pb2, session):
    """A session's output to its end, while the client has not said that it is done; tests/interop/attach_test.sh
    has the command."""
    got, code = {}, None
    async with stub.Attach.open(timeout=DEADLINE_S) as call:
        await call.send_message(attach_pb2.AttachRequest(open=attach_pb2.AttachOpen(session=session)))
        async for message in call:
            if message.WhichOneof("frame") == "data":
                got[message.data.stream] = got.get(message.data.stream, 0) + len(message.data.data)
            elif message.WhichOneof("frame") == "exit":
                code = message.exit.exit.code
        await call.end() # before it looks at the status
    equal((got, code), ({1: 300000, 2: 8}, 42))


async def attach_times(channel, session, times):
    attach_pb2, sessions = make_stubs(os.environ["BANGER_PROTO_DIR"], SESSION_PROTOS,
                                      ["banger.v1.attach_pb2", "banger.v1.guest_session_pb2"])
    stub = Stub(channel, sessions.DESCRIPTOR.services_by_name["GuestSessionService"])
    for _ in range(times):
        await attach(stub, attach_pb2, session)


def connect(folder, target):
    if target.startswith("unix:"):
        return Channel(path=target[5:])
    context = None
    if target.startswith("tls:"):
        context = ssl.create_default_context(cadata=read(folder, "ca.pem").decode())
        context.load_cert_chain(os.path.join(folder, "client.pem"), os.path.join(folder, "client.key"))
        context.set_alpn_protocols(["h2"])
    host, port = target.removeprefix("tls:").split(":")
    return Channel(host, int(port), ssl=context)


async def main():
    report = Report()
    async with connect(sys.argv[1], sys.argv[2]) as channel:
        if len(sys.argv) > 3:
            with report.case("attach"):
                await attach_times(channel, sys.argv[4], int(sys.argv[5]))
            return report.failed
        stub = Stub(channel, test.DESCRIPTOR.services_by_name["TestService"])
        for case in CASES:
            with report.case(case.__name__):
                await case(stub, channel)
    return report.failed


sys.exit(asyncio.run(main()))
