// Stock grpc-go calls the echo server on a Unix socket. Messages are built from the .proto's
// descriptor set at run time, so that no generated Go code is needed.
//
//	interop DESCRIPTOR_SET SOCKET
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const service = "/banger.test.v1.EchoService/"

var (
	requestType, responseType protoreflect.MessageDescriptor
	failed                    int
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

func load(path string) {
	data, err := os.ReadFile(path)
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(data, &set))
	files, err := protodesc.NewFiles(&set)
	must(err)
	find := func(name protoreflect.FullName) protoreflect.MessageDescriptor {
		d, err := files.FindDescriptorByName(name)
		must(err)
		return d.(protoreflect.MessageDescriptor)
	}
	requestType = find("banger.test.v1.EchoRequest")
	responseType = find("banger.test.v1.EchoResponse")
}

func request(fields map[string]any) *dynamicpb.Message {
	m := dynamicpb.NewMessage(requestType)
	for name, value := range fields {
		m.Set(requestType.Fields().ByName(protoreflect.Name(name)), protoreflect.ValueOf(value))
	}
	return m
}

func response() *dynamicpb.Message { return dynamicpb.NewMessage(responseType) }

func get(m *dynamicpb.Message, name string) protoreflect.Value {
	return m.Get(responseType.Fields().ByName(protoreflect.Name(name)))
}

func unary(conn *grpc.ClientConn) {
	for i := 0; i < 200; i++ {
		r := response()
		must(conn.Invoke(context.Background(), service+"Unary", request(map[string]any{"text": "hello"}), r))
		check(get(r, "text").String() == "hello", "unary text %v", r)
	}
	big := bytes.Repeat([]byte("banger"), 500000)
	r := response()
	must(conn.Invoke(context.Background(), service+"Unary", request(map[string]any{"payload": big}), r))
	check(bytes.Equal(get(r, "payload").Bytes(), big), "3 MB payload differs")
}

func errors(conn *grpc.ClientConn) {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-some-bin", "\x00\x01\xff")
	err := conn.Invoke(ctx, service+"Unary", request(map[string]any{
		"text": "é%", "fail_code": uint32(codes.NotFound), "fail_reason": "VM_UNKNOWN"}), response())
	s := status.Convert(err)
	check(s.Code() == codes.NotFound, "code %v", s.Code())
	check(s.Message() == "asked to fail: é%", "message %q", s.Message())
	details := s.Proto().GetDetails()
	check(len(details) == 1 && details[0].TypeUrl == "type.googleapis.com/banger.v1.ErrorInfo", "details %v", details)
	check(len(details) == 1 && bytes.Contains(details[0].Value, []byte("VM_UNKNOWN")), "reason is missing")
	for method, want := range map[string]codes.Code{"Missing": codes.Unimplemented, "Nope": codes.Unimplemented} {
		err = conn.Invoke(ctx, service+method, request(nil), response())
		check(status.Code(err) == want, "%s: %v", method, err)
	}
	err = conn.Invoke(ctx, service+"Unary", request(map[string]any{"payload": make([]byte, 5<<20)}), response())
	check(status.Code(err) == codes.ResourceExhausted, "too large: %v", err)
	err = conn.Invoke(ctx, service+"Unary", request(nil), response(), grpc.UseCompressor("gzip"))
	check(err == nil, "gzip: %v", err)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err = conn.Invoke(short, service+"Unary", request(map[string]any{"hang": true}), response())
	check(status.Code(err) == codes.DeadlineExceeded, "deadline: %v", err)
	stop, cancel2 := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel2)
	err = conn.Invoke(stop, service+"Unary", request(map[string]any{"hang": true}), response())
	check(status.Code(err) == codes.Canceled, "cancel: %v", err)
}

func streams(conn *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	s, err := conn.NewStream(ctx, desc, service+"ServerStream")
	must(err)
	must(s.SendMsg(request(map[string]any{"count": uint32(500), "payload": make([]byte, 10000)})))
	must(s.CloseSend())
	n := uint64(0)
	for {
		r := response()
		if err = s.RecvMsg(r); err != nil {
			break
		}
		n++
		check(get(r, "seq").Uint() == n, "seq %d, want %d", get(r, "seq").Uint(), n)
	}
	check(err == io.EOF && n == 500, "server stream: %d, %v", n, err)

	s, err = conn.NewStream(ctx, desc, service+"ClientStream")
	must(err)
	for i := 0; i < 300; i++ {
		must(s.SendMsg(request(map[string]any{"payload": make([]byte, 20000)})))
	}
	must(s.CloseSend())
	r := response()
	must(s.RecvMsg(r))
	check(get(r, "total_bytes").Uint() == 300*20000, "client stream: %v", get(r, "total_bytes"))

	s, err = conn.NewStream(ctx, desc, service+"Bidi")
	must(err)
	for i := 0; i < 200; i++ {
		must(s.SendMsg(request(map[string]any{"text": fmt.Sprint(i)})))
		r = response()
		must(s.RecvMsg(r))
		check(get(r, "text").String() == fmt.Sprint(i), "bidi %d: %v", i, r)
	}
	must(s.CloseSend())
	check(s.RecvMsg(response()) == io.EOF, "bidi: no end")
}

func main() {
	load(os.Args[1])
	conn, err := grpc.NewClient("unix:"+os.Args[2], grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	unary(conn)
	errors(conn)
	streams(conn)
	conn.Close()
	if failed > 0 {
		os.Exit(1)
	}
	fmt.Println("grpc-go", grpc.Version, "ok")
}
