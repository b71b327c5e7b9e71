"""gRPC's interop cases by grpcio's asyncio, against any interop test server; and what a session says.

usage: aio_client.py PKI_FOLDER TARGET [attach SESSION TIMES]

TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
why"; stubs are made from the .proto files on the spot.
"""
import asyncio
import os
import sys

import grpc
from grpc import aio

from common import (DEADLINE_S, INITIAL, LARGE_RESPONSE, REQUESTS, RESPONSES, SESSION_PROTOS, SPECIAL_TEXT, TEXT,
                    TRAILING, Report, check, empty, equal, flag, make_stubs, messages, output, outputs, payload, read,
                    services, simple)


async def each(*requests):
    for request in requests:
        yield request


async def sizes_of(call):
    return [len(message.payload.body) async for message in call]


async def code_of(answer):
    """The status that a call fails with."""
    try:
        await answer
    except aio.AioRpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call did not fail")


async def empty_unary(stub, _):
    equal(await stub.EmptyCall(empty.Empty(), timeout=DEADLINE_S), empty.Empty())


async def large_unary(stub, _):
    equal(len((await stub.UnaryCall(simple(), timeout=DEADLINE_S)).payload.body), LARGE_RESPONSE)


async def client_streaming(stub, _):
    requests = each(*(messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS))
    equal((await stub.StreamingInputCall(requests, timeout=DEADLINE_S)).aggregated_payload_size, sum(REQUESTS))


async def server_streaming(stub, _):
    equal(await sizes_of(stub.StreamingOutputCall(outputs(), timeout=DEADLINE_S)), list(RESPONSES))


async def ping_pong(stub, _):
    call = stub.FullDuplexCall(timeout=DEADLINE_S)
    for size, response_size in zip(REQUESTS, RESPONSES):
        await call.write(output(size, response_size))
        equal(len((await call.read()).payload.body), response_size)
    await call.done_writing()
    equal(await call.read(), aio.EOF)
    equal(await call.code(), grpc.StatusCode.OK)


async def empty_stream(stub, _):
    equal(await sizes_of(stub.FullDuplexCall(each(), timeout=DEADLINE_S)), [])


async def client_compressed_unary(stub, _):
    # Does the server look at all?
    code, _ = await code_of(stub.UnaryCall(simple(expect_compressed=flag(True)), timeout=DEADLINE_S))
    equal(code, grpc.StatusCode.INVALID_ARGUMENT)
    for gzip in (True, False):
        how = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        answer = await stub.UnaryCall(simple(expect_compressed=flag(gzip)), compression=how, timeout=DEADLINE_S)
        equal(len(answer.payload.body), LARGE_RESPONSE)


async def server_compressed_unary(stub, _):
    for gzip in (True, False):
        answer = await stub.UnaryCall(simple(response_compressed=flag(gzip)), timeout=DEADLINE_S)
        equal(len(answer.payload.body), LARGE_RESPONSE)


async def custom_metadata(stub, _):
    async def echoed(call):
        check(INITIAL in list(await call.initial_metadata()), "no initial metadata")
        check(TRAILING in list(await call.trailing_metadata()), "no trailing metadata")

    call = stub.UnaryCall(simple(), metadata=(INITIAL, TRAILING), timeout=DEADLINE_S)
    await call
    await echoed(call)
    call = stub.FullDuplexCall(each(output(1, 1)), metadata=(INITIAL, TRAILING), timeout=DEADLINE_S)
    equal(len(await sizes_of(call)), 1)
    await echoed(call)


async def status(stub, message):
    asked = messages.EchoStatus(code=2, message=message)
    want = (grpc.StatusCode.UNKNOWN, message)
    equal(await code_of(stub.UnaryCall(simple(response_status=asked), timeout=DEADLINE_S)), want)
    request = messages.StreamingOutputCallRequest(response_status=asked)
    equal(await code_of(sizes_of(stub.FullDuplexCall(each(request), timeout=DEADLINE_S))), want)


async def status_code_and_message(stub, _):
    await status(stub, TEXT)


async def special_status_message(stub, _):
    await status(stub, SPECIAL_TEXT)


async def unimplemented_method(stub, _):
    code, _ = await code_of(stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))
    equal(code, grpc.StatusCode.UNIMPLEMENTED)


async def unimplemented_service(_, channel):
    stub = services.UnimplementedServiceStub(channel)
    code, _ = await code_of(stub.UnimplementedCall(empty.Empty(), timeout=DEADLINE_S))
    equal(code, grpc.StatusCode.UNIMPLEMENTED)


async def cancel_after_begin(stub, _):
    call = stub.StreamingInputCall(timeout=DEADLINE_S)
    call.cancel()
    equal(await call.code(), grpc.StatusCode.CANCELLED)


async def cancel_after_first_response(stub, _):
    call = stub.FullDuplexCall(timeout=DEADLINE_S)
    await call.write(output(REQUESTS[0], RESPONSES[0]))
    equal(len((await call.read()).payload.body), RESPONSES[0])
    call.cancel()
    equal(await call.code(), grpc.StatusCode.CANCELLED)


async def timeout_on_sleeping_server(stub, _):
    request = messages.StreamingOutputCallRequest(payload=payload(REQUESTS[0]))
    call = stub.FullDuplexCall(timeout=0.001)
    try:
        await call.write(request)
    except (aio.AioRpcError, asyncio.InvalidStateError):
        pass  # it may be over already
    equal(await call.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


CASES = (empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream,
         client_compressed_unary, server_compressed_unary, custom_metadata, status_code_and_message,
         special_status_message, unimplemented_method, unimplemented_service, cancel_after_begin,
         cancel_after_first_response, timeout_on_sleeping_server)


async def attach(stub, attach_pb2, session):
    """A session's output to its end, while the client has not said that it is done; tests/interop/attach_test.sh
    has the command."""
    call = stub.Attach(timeout=DEADLINE_S)
    await call.write(attach_pb2.AttachRequest(open=attach_pb2.AttachOpen(session=session)))
    got, code = {}, None
    while (message := await call.read()) is not aio.EOF:
        if message.WhichOneof("frame") == "data":
            got[message.data.stream] = got.get(message.data.stream, 0) + len(message.data.data)
        elif message.WhichOneof("frame") == "exit":
            code = message.exit.exit.code
    equal(await call.code(), grpc.StatusCode.OK)
    equal((got, code), ({1: 300000, 2: 8}, 42))


async def attach_times(channel, session, times):
    attach_pb2, sessions = make_stubs(os.environ["BANGER_PROTO_DIR"], SESSION_PROTOS,
                                      ["banger.v1.attach_pb2", "banger.v1.guest_session_pb2_grpc"])
    for _ in range(times):
        await attach(sessions.GuestSessionServiceStub(channel), attach_pb2, session)


def connect(folder, target):
    if not target.startswith("tls:"):
        return aio.insecure_channel(target)
    return aio.secure_channel(target[4:], grpc.ssl_channel_credentials(
        read(folder, "ca.pem"), read(folder, "client.key"), read(folder, "client.pem")))


async def main():
    report = Report()
    async with connect(sys.argv[1], sys.argv[2]) as channel:
        if len(sys.argv) > 3:
            with report.case("attach"):
                await attach_times(channel, sys.argv[4], int(sys.argv[5]))
            return report.failed
        stub = services.TestServiceStub(channel)
        for case in CASES:
            with report.case(case.__name__):
                await case(stub, channel)
    return report.failed


sys.exit(asyncio.run(main()))
