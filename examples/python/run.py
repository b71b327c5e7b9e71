#!/usr/bin/env python3
"""Runs a command in a fresh VM and ends as the command does.

usage: run.py [--context NAME | --socket PATH] COMMAND [ARGUMENT...]

Over a Unix socket, or with a context that `banger auth enroll` made: over TCP with mutual TLS.
"""
import argparse
import os
import pathlib
import sys
import uuid

import grpc
from grpc_status import rpc_status

# Where generate.sh puts the stubs.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "stubs"))

from banger.v1 import attach_pb2, common_pb2, guest_session_pb2, operation_pb2, vm_pb2  # noqa: E402
from banger.v1 import guest_session_pb2_grpc, operation_pb2_grpc, session_types_pb2, vm_pb2_grpc  # noqa: E402

CALL_S = 30
BOOT_S = 300
OWN_ERROR = 125  # as the banger command has it: the fault is not the command's


class Failure(Exception):
    pass


def context_folder(name):
    own, xdg = os.environ.get("BANGER_CONFIG_DIR"), os.environ.get("XDG_CONFIG_HOME")
    base = pathlib.Path(own) if own else pathlib.Path(xdg or pathlib.Path.home() / ".config") / "banger"
    return base / "contexts" / name


def connect(args):
    if not args.context:
        return grpc.insecure_channel("unix:" + args.socket)
    folder = context_folder(args.context)
    target = (folder / "target").read_text().strip().removeprefix("tls:")
    identity = (folder / "identity.pem").read_bytes()  # the certificate, and its key
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(
        root_certificates=(folder / "ca.pem").read_bytes(),
        private_key=identity, certificate_chain=identity))


class Banger:
    def __init__(self, channel):
        self.vms = vm_pb2_grpc.VMServiceStub(channel)
        self.sessions = guest_session_pb2_grpc.GuestSessionServiceStub(channel)
        self.operations = operation_pb2_grpc.OperationServiceStub(channel)

    def wait(self, operation):
        """What an operation made, such as "vm/ID"."""
        done = self.operations.WaitOperation(
            operation_pb2.WaitOperationRequest(operation=operation.id), timeout=BOOT_S)
        if done.state != operation_pb2.OPERATION_STATE_SUCCEEDED:
            raise Failure(f"{done.kind}: {done.error.message}")
        return done.result

    def create_vm(self):
        # The request's id makes it safe to send again: there will be one VM all the same.
        return self.wait(self.vms.CreateVM(
            vm_pb2.CreateVMRequest(request_id=str(uuid.uuid4())), timeout=CALL_S)).removeprefix("vm/")

    def delete_vm(self, vm):
        self.wait(self.vms.DeleteVM(
            vm_pb2.DeleteVMRequest(request_id=str(uuid.uuid4()), vm=vm, force=True), timeout=CALL_S))

    def start_session(self, vm, argv):
        return self.sessions.StartSession(guest_session_pb2.StartSessionRequest(
            request_id=str(uuid.uuid4()), vm=vm, spec=session_types_pb2.SessionSpec(argv=argv)), timeout=CALL_S)

    def follow(self, session):
        """Prints the session's output; returns the exit status that a shell would give."""
        opened = attach_pb2.AttachRequest(open=attach_pb2.AttachOpen(session=session.id))
        outputs = {attach_pb2.OUTPUT_STREAM_STDOUT: sys.stdout.buffer,
                   attach_pb2.OUTPUT_STREAM_STDERR: sys.stderr.buffer}
        for frame in self.sessions.Attach(iter([opened])):
            kind = frame.WhichOneof("frame")
            if kind == "data":
                outputs[frame.data.stream].write(frame.data.data)
                outputs[frame.data.stream].flush()
            elif kind == "gap":
                print(f"[{frame.gap.to - getattr(frame.gap, 'from')} bytes are lost: {frame.gap.reason}]",
                      file=sys.stderr)
            elif kind == "lost":
                raise Failure(f"the command was lost: {frame.lost.message}")
            elif kind == "exit":
                end = frame.exit.exit
                return 128 + end.signal if end.WhichOneof("kind") == "signal" else end.code
        raise Failure("the daemon ended the stream without an exit")


def describe(error):
    """A failed call, with banger's own word for it where there is one."""
    word = error.code().name
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = common_pb2.ErrorInfo()
        if detail.Unpack(info) and info.reason:
            word = info.reason
    return f"{error.details()} ({word})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--context", help="a host that banger auth enroll knows")
    parser.add_argument("--socket", default=os.environ.get("BANGER_SOCKET", "/run/banger/bangerd.sock"))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.command:
        parser.error("a command is missing")
    try:
        with connect(args) as channel:
            banger = Banger(channel)
            vm = banger.create_vm()
            try:
                return banger.follow(banger.start_session(vm, args.command))
            finally:
                banger.delete_vm(vm)
    except grpc.RpcError as error:
        print("run.py:", describe(error), file=sys.stderr)
    except (Failure, OSError) as error:
        print("run.py:", error, file=sys.stderr)
    return OWN_ERROR


if __name__ == "__main__":
    sys.exit(main())
