// Stock grpc-go drives a daemon on a Unix socket: a VM of the sim driver, an operation watched to its
// end, a session with stdin, output and exit code, errors with their details. Messages are JSON,
// turned into protobuf by the descriptor set that the product is made from.
//
//	daemon DESCRIPTOR_SET SOCKET
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

var (
	files  *protoregistry.Files
	failed int
)

func check(ok bool, format string, args ...any) {
	if !ok {
		failed++
		fmt.Printf("FAIL "+format+"\n", args...)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

func message(name string) *dynamicpb.Message {
	d, err := files.FindDescriptorByName(protoreflect.FullName("banger.v1." + name))
	must(err)
	return dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
}

func request(name, json string) *dynamicpb.Message {
	m := message(name)
	must(protojson.Unmarshal([]byte(json), m))
	return m
}

// get walks down a path of field names.
func get(m protoreflect.Message, path ...string) protoreflect.Value {
	var v protoreflect.Value
	for i, name := range path {
		v = m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
		if i < len(path)-1 {
			m = v.Message()
		}
	}
	return v
}

func enum(m protoreflect.Message, field string) string {
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(field))
	return string(fd.Enum().Values().ByNumber(m.Get(fd).Enum()).Name())
}

type client struct {
	conn *grpc.ClientConn
	ctx  context.Context
}

func (c client) call(method, input, json, output string) (*dynamicpb.Message, error) {
	answer := message(output)
	return answer, c.conn.Invoke(c.ctx, "/banger.v1."+method, request(input, json), answer)
}

func (c client) must(method, input, json, output string) *dynamicpb.Message {
	answer, err := c.call(method, input, json, output)
	must(err)
	return answer
}

var both = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

// finish watches an operation to its end.
func (c client) finish(op *dynamicpb.Message) {
	s, err := c.conn.NewStream(c.ctx, both, "/banger.v1.OperationService/WatchOperation")
	must(err)
	must(s.SendMsg(request("WatchOperationRequest", fmt.Sprintf(`{"operation": %q}`, get(op, "id")))))
	must(s.CloseSend())
	last := ""
	for {
		m := message("Operation")
		if err = s.RecvMsg(m); err != nil {
			break
		}
		last = enum(m, "state")
	}
	check(err == io.EOF && last == "OPERATION_STATE_SUCCEEDED", "%v ended %s, %v", get(op, "kind"), last, err)
}

func (c client) attach(session string) {
	s, err := c.conn.NewStream(c.ctx, both, "/banger.v1.GuestSessionService/Attach")
	must(err)
	must(s.SendMsg(request("AttachRequest",
		fmt.Sprintf(`{"open": {"session": %q, "role": "ATTACH_ROLE_WRITER"}}`, session))))
	must(s.SendMsg(request("AttachRequest", `{"stdinData": {"offset": 0, "data": "d29ybGQK"}}`))) // "world\n"
	must(s.SendMsg(request("AttachRequest", `{"stdinEof": {}}`)))
	text, order := map[string]string{}, ""
	for {
		m := message("AttachResponse")
		if err = s.RecvMsg(m); err != nil {
			break
		}
		frame := m.WhichOneof(m.Descriptor().Oneofs().ByName("frame"))
		body := m.Get(frame).Message()
		order += string(frame.Name()) + " "
		switch frame.Name() {
		case "data":
			text[enum(body, "stream")] += string(get(body, "data").Bytes())
		case "exit":
			check(get(body, "exit", "code").Int() == 42, "exit %v", body)
			check(get(body, "stdout_total").Uint() == 12, "totals %v", body)
		}
	}
	check(err == io.EOF, "attach ended with %v", err)
	check(text["OUTPUT_STREAM_STDOUT"] == "hello world\n", "stdout %q", text["OUTPUT_STREAM_STDOUT"])
	check(text["OUTPUT_STREAM_STDERR"] == "problem\n", "stderr %q", text["OUTPUT_STREAM_STDERR"])
	check(len(order) > 5 && order[:6] == "opened" && order[len(order)-5:] == "exit ", "frames %s", order)
}

func (c client) errors() {
	for _, e := range []struct {
		method, input, json, output, reason string
		code                                codes.Code
	}{
		{"VMService/GetVM", "GetVMRequest", `{"vm": "nobody"}`, "VM", "VM_NOT_FOUND", codes.NotFound},
		{"VMService/CreateVM", "CreateVMRequest", `{"name": "go-box", "spec": {"driver": "sim"}}`, "Operation",
			"VM_NAME_TAKEN", codes.AlreadyExists},
		{"VMService/CreateVM", "CreateVMRequest", `{"name": "No Name"}`, "Operation", "", codes.InvalidArgument},
		{"SnapshotService/ListSnapshots", "ListSnapshotsRequest", `{}`, "ListSnapshotsResponse", "",
			codes.Unimplemented},
	} {
		_, err := c.call(e.method, e.input, e.json, e.output)
		s := status.Convert(err)
		check(s.Code() == e.code, "%s %s: %v", e.method, e.json, err)
		if e.reason == "" {
			continue
		}
		details := s.Proto().GetDetails()
		check(len(details) == 1, "%s: details %v", e.method, details)
		if len(details) == 1 {
			info := message("ErrorInfo")
			must(proto.Unmarshal(details[0].Value, info))
			check(get(info, "reason").String() == e.reason, "%s: reason %v", e.method, get(info, "reason"))
		}
	}
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(data, &set))
	files, err = protodesc.NewFiles(&set)
	must(err)
	conn, err := grpc.NewClient("unix:"+os.Args[2], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true))) // the daemon may still be starting
	must(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c := client{conn, ctx}

	list := c.must("VMService/ListVMs", "ListVMsRequest", `{}`, "ListVMsResponse")
	check(get(list, "vms").List().Len() == 0, "there are VMs already")
	c.finish(c.must("VMService/CreateVM", "CreateVMRequest",
		`{"name": "go-box", "requestId": "go-1", "spec": {"driver": "sim"}, "labels": [{"key": "from", "value": "go"}]}`,
		"Operation"))
	vm := c.must("VMService/GetVM", "GetVMRequest", `{"vm": "go-box"}`, "VM")
	check(enum(get(vm, "runtime").Message(), "state") == "VM_STATE_RUNNING", "state %v", get(vm, "runtime"))
	list = c.must("VMService/ListVMs", "ListVMsRequest",
		`{"selector": {"match": [{"key": "from", "value": "go"}]}}`, "ListVMsResponse")
	check(get(list, "vms").List().Len() == 1, "the label finds %d VMs", get(list, "vms").List().Len())

	session := c.must("GuestSessionService/StartSession", "StartSessionRequest",
		`{"vm": "go-box", "spec": {"stdinMode": "STDIN_MODE_PIPE",
		  "argv": ["sh", "-c", "read x; echo hello $x; echo problem >&2; exit 42"]}}`, "GuestSession")
	c.attach(get(session, "id").String())
	c.errors()

	c.finish(c.must("VMService/DeleteVM", "DeleteVMRequest", `{"vm": "go-box"}`, "Operation"))
	list = c.must("VMService/ListVMs", "ListVMsRequest", `{}`, "ListVMsResponse")
	check(get(list, "vms").List().Len() == 0, "the VM is still there")
	if failed > 0 {
		os.Exit(1)
	}
	fmt.Println("grpc-go", grpc.Version, "ok")
}
