"""A stock Python gRPC client against a running bangerd: what a user's script would do.

usage: daemon_client.py SOCKET STUBS_FOLDER

Creates a VM, runs commands in it, attaches in both directions, writes files, watches a folder, and looks at
errors. Messages come from protoc's Python output, calls from grpcio's generic channel: no code of ours is
involved.
"""
import hashlib
import queue
import sys

import grpc

SOCKET, STUBS = sys.argv[1:3]
# grpc.health and google.rpc would hide, or be hidden by, the installed packages grpc and google.
sys.path[:0] = [STUBS, STUBS + "/google/rpc", STUBS + "/grpc/health/v1"]

from banger.v1 import (attach_pb2, common_pb2, event_pb2, file_pb2, guest_session_pb2, operation_pb2,  # noqa: E402
                       snapshot_pb2, vm_pb2)
import health_pb2  # noqa: E402
import status_pb2  # noqa: E402

channel = grpc.insecure_channel("unix:" + SOCKET)
DEADLINE_S = 60


def check(ok, what):
    if not ok:
        sys.exit("not true: " + what)


def unary(service, method, request, response_type):
    call = channel.unary_unary(f"/{service}/{method}",
                               request_serializer=type(request).SerializeToString,
                               response_deserializer=response_type.FromString)
    return call(request, timeout=DEADLINE_S)


def vm(method, request, response_type=operation_pb2.Operation):
    return unary("banger.v1.VMService", method, request, response_type)


def session(method, request, response_type):
    return unary("banger.v1.GuestSessionService", method, request, response_type)


def wait(operation):
    """Watches to the end, as a progress display would."""
    call = channel.unary_stream("/banger.v1.OperationService/WatchOperation",
                                request_serializer=operation_pb2.WatchOperationRequest.SerializeToString,
                                response_deserializer=operation_pb2.Operation.FromString)
    last = None
    for last in call(operation_pb2.WatchOperationRequest(operation=operation.id), timeout=DEADLINE_S):
        pass
    check(last is not None, "the watch said something")
    check(last.state == operation_pb2.OPERATION_STATE_SUCCEEDED, f"{last.kind} succeeded: {last.error}")
    return last


def error_of(call):
    try:
        call()
    except grpc.RpcError as e:
        details = {key: value for key, value in (e.trailing_metadata() or ())}
        info = common_pb2.ErrorInfo()
        if "grpc-status-details-bin" in details:
            status = status_pb2.Status.FromString(details["grpc-status-details-bin"])
            check(status.code == e.code().value[0], "status and details agree")
            for any_detail in status.details:
                if any_detail.Is(common_pb2.ErrorInfo.DESCRIPTOR):
                    any_detail.Unpack(info)
        return e.code(), info, e.details()
    sys.exit("the call did not fail")


def attach(session_id, stdin):
    """Writes stdin, reads to the end; returns (stdout, stderr, last frame)."""
    def requests():
        yield attach_pb2.AttachRequest(open=attach_pb2.AttachOpen(
            session=session_id, role=attach_pb2.ATTACH_ROLE_WRITER))
        offset = 0
        for piece in stdin:
            yield attach_pb2.AttachRequest(stdin_data=attach_pb2.AttachStdin(offset=offset, data=piece))
            offset += len(piece)
        yield attach_pb2.AttachRequest(stdin_eof=attach_pb2.AttachStdinEof())

    call = channel.stream_stream("/banger.v1.GuestSessionService/Attach",
                                 request_serializer=attach_pb2.AttachRequest.SerializeToString,
                                 response_deserializer=attach_pb2.AttachResponse.FromString)
    out, last, ends = {1: b"", 2: b""}, None, 0
    for frame in call(requests(), timeout=DEADLINE_S):
        check(last is None or last.WhichOneof("frame") not in ("exit", "lost"), "nothing follows Exit")
        last = frame
        kind = frame.WhichOneof("frame")
        if kind == "data":
            check(frame.data.offset == len(out[frame.data.stream]), "offsets are contiguous")
            out[frame.data.stream] += frame.data.data
        ends += kind == "stream_end"
    check(ends == 2, "both streams ended before Exit")
    return out[1], out[2], last


def write_file(vm_name, path, pieces, begins_at=0, **open_fields):
    """Sends pieces from where the daemon says; returns the file's info. begins_at: where it has to be."""
    said = queue.Queue()

    def requests():
        yield file_pb2.WriteFileRequest(open=file_pb2.WriteFileOpen(vm=vm_name, path=path, **open_fields))
        skip = said.get(timeout=DEADLINE_S)
        offset = 0
        for piece in pieces:
            end = offset + len(piece)
            if end > skip:
                rest = piece[max(skip - offset, 0):]
                yield file_pb2.WriteFileRequest(chunk=file_pb2.FileChunk(offset=end - len(rest), data=rest))
            offset = end

    call = channel.stream_stream("/banger.v1.FileService/WriteFile",
                                 request_serializer=file_pb2.WriteFileRequest.SerializeToString,
                                 response_deserializer=file_pb2.WriteFileResponse.FromString)
    first, last = True, None
    try:
        for last in call(requests(), timeout=DEADLINE_S):
            if first:
                check(last.offset == begins_at, f"it begins at {last.offset}, not {begins_at}")
                said.put(last.offset)
            first = False
    finally:
        said.put(0)
    check(last is not None and last.HasField("info"), "the last response has the file")
    return last.info


def cut_off_write(vm_name, path, token, data):
    """Sends data, and goes away once all of it is written."""
    class Gone(Exception):
        pass

    written = queue.Queue()

    def requests():
        yield file_pb2.WriteFileRequest(open=file_pb2.WriteFileOpen(vm=vm_name, path=path, resume_token=token))
        yield file_pb2.WriteFileRequest(chunk=file_pb2.FileChunk(offset=0, data=data))
        written.get(timeout=DEADLINE_S)  # no end of the stream: it is cancelled before

    call = channel.stream_stream("/banger.v1.FileService/WriteFile",
                                 request_serializer=file_pb2.WriteFileRequest.SerializeToString,
                                 response_deserializer=file_pb2.WriteFileResponse.FromString)
    stream = call(requests(), timeout=DEADLINE_S)
    for response in stream:
        check(not response.HasField("info"), "it is not done")
        if response.offset == len(data):
            break
    stream.cancel()
    written.put(None)


def read_file(vm_name, path):
    call = channel.unary_stream("/banger.v1.FileService/ReadFile",
                                request_serializer=file_pb2.ReadFileRequest.SerializeToString,
                                response_deserializer=file_pb2.FileChunk.FromString)
    return b"".join(chunk.data for chunk in call(file_pb2.ReadFileRequest(vm=vm_name, path=path), timeout=DEADLINE_S))


def files(vm_name, folder):
    """Files are written and a folder is watched meanwhile; folder is this test's alone."""
    watch = channel.unary_stream("/banger.v1.FileService/WatchFiles",
                                 request_serializer=file_pb2.WatchFilesRequest.SerializeToString,
                                 response_deserializer=file_pb2.FileEvent.FromString)
    events = watch(file_pb2.WatchFilesRequest(vm=vm_name, path=folder), timeout=DEADLINE_S)
    check(next(events).kind == file_pb2.FILE_EVENT_KIND_READY, "READY comes first")

    data = bytes(range(256)) * 4096  # a MiB
    pieces = [data[i:i + 200000] for i in range(0, len(data), 200000)]
    sha256 = hashlib.sha256(data).hexdigest()
    info = write_file(vm_name, folder + "/one", pieces, mode=0o640, sha256=sha256)
    check(info.size_bytes == len(data) and info.mode == 0o640, f"the file as it was asked for: {info}")
    check(read_file(vm_name, folder + "/one") == data, "what was written is read")
    seen = []
    while not any(path == "one" for _, path in seen):
        event = next(events)
        seen.append((event.kind, event.to or event.path))
    check(all(kind != file_pb2.FILE_EVENT_KIND_GAP for kind, _ in seen), f"no gap: {seen}")

    code, info, text = error_of(lambda: write_file(vm_name, folder + "/two", pieces, sha256="0" * 64))
    check(code == grpc.StatusCode.DATA_LOSS and info.reason == "DIGEST_MISMATCH", f"another sha256: {code} {text}")
    code, _, _ = error_of(lambda: read_file(vm_name, folder + "/two"))
    check(code == grpc.StatusCode.NOT_FOUND, "a file that is not what was promised does not appear")

    cut_off_write(vm_name, folder + "/three", "token-of-ours", pieces[0])
    code, _, _ = error_of(lambda: read_file(vm_name, folder + "/three"))
    check(code == grpc.StatusCode.NOT_FOUND, "half a file does not appear")
    write_file(vm_name, folder + "/three", pieces, len(pieces[0]), resume_token="token-of-ours", sha256=sha256)
    check(read_file(vm_name, folder + "/three") == data, "one that was cut off goes on")

    code, _, _ = error_of(lambda: list(watch(file_pb2.WatchFilesRequest(vm=vm_name, path=folder + "/none"),
                                             timeout=DEADLINE_S)))
    check(code == grpc.StatusCode.NOT_FOUND, "a folder that is not there")
    unary("banger.v1.FileService", "RemoveFile",
          file_pb2.RemoveFileRequest(vm=vm_name, path=folder, recursive=True), common_pb2.Empty)
    last = None
    for last in events:
        pass
    check(last is not None and last.kind == file_pb2.FILE_EVENT_KIND_GONE, "the watch ends with its folder")


def main():
    health = unary("grpc.health.v1.Health", "Check", health_pb2.HealthCheckRequest(),
                   health_pb2.HealthCheckResponse)
    check(health.status == health_pb2.HealthCheckResponse.SERVING, "the daemon serves")

    spec = vm_pb2.VMSpec(driver="sim", ephemeral=True)
    created = wait(vm("CreateVM", vm_pb2.CreateVMRequest(name="from-python", spec=spec)))
    box = vm("GetVM", vm_pb2.GetVMRequest(vm="from-python"), vm_pb2.VM)
    check(created.result == "vm/" + box.id, "the operation names its VM")
    check(box.runtime.state == vm_pb2.VM_STATE_RUNNING, "the VM runs")

    code, info, text = error_of(lambda: vm("CreateVM", vm_pb2.CreateVMRequest(name="from-python", spec=spec)))
    check(code == grpc.StatusCode.ALREADY_EXISTS and info.reason == "VM_NAME_TAKEN", f"name taken: {text}")
    code, info, _ = error_of(lambda: vm("GetVM", vm_pb2.GetVMRequest(vm="nobody"), vm_pb2.VM))
    check(code == grpc.StatusCode.NOT_FOUND and info.reason == "VM_NOT_FOUND", "an unknown VM is not found")
    code, _, _ = error_of(lambda: unary("banger.v1.SnapshotService", "ListSnapshots",
                                        snapshot_pb2.ListSnapshotsRequest(vm="from-python"),
                                        snapshot_pb2.ListSnapshotsResponse))
    check(code == grpc.StatusCode.UNIMPLEMENTED, "what is not built says so")

    from banger.v1 import session_types_pb2 as types
    start = guest_session_pb2.StartSessionRequest(vm="from-python", spec=types.SessionSpec(
        argv=["sh", "-c", "tr a-z A-Z; echo done >&2; exit 42"], stdin_mode=types.STDIN_MODE_PIPE))
    started = session("StartSession", start, types.GuestSession)
    out, err, last = attach(started.id, [b"hello ", b"x" * 20000, b"\n"])
    check(out == b"HELLO " + b"X" * 20000 + b"\n", "stdin came back in capitals")
    check(err == b"done\n", "stderr is a stream of its own")
    check(last.exit.exit.code == 42, "the exit code is the command's")
    ended = session("GetSession", guest_session_pb2.GetSessionRequest(session=started.id), types.GuestSession)
    check(ended.state == types.SESSION_STATE_EXITED and ended.exit.code == 42, "and it is kept")

    made = session("StartSession", guest_session_pb2.StartSessionRequest(vm="from-python", spec=types.SessionSpec(
        argv=["mktemp", "-d", "/tmp/banger-py-files-XXXXXX"])), types.GuestSession)
    out, _, _ = attach(made.id, [])
    files("from-python", out.decode().strip())

    events = unary("banger.v1.EventService", "ListEvents", event_pb2.ListEventsRequest(resource="vm/" + box.id),
                   event_pb2.ListEventsResponse)
    check(any(e.detail == "RUNNING" for e in events.events), "events tell of it")
    wait(vm("DeleteVM", vm_pb2.DeleteVMRequest(vm=box.id)))
    print("python client: all well")


main()
