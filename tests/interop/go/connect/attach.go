package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// attachMethod is the daemon's, by the descriptor set that the product is made from.
func attachMethod() protoreflect.MethodDescriptor {
	data, err := os.ReadFile(os.Getenv("BANGER_DESCRIPTORS"))
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(data, &set))
	files, err := protodesc.NewFiles(&set)
	must(err)
	service, err := files.FindDescriptorByName("banger.v1.GuestSessionService")
	must(err)
	return service.(protoreflect.ServiceDescriptor).Methods().ByName("Attach")
}

func get(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(name))
}

// attach reads a session's output to its end, while the client has not said that it is done;
// tests/interop/attach_test.sh has the command.
func attach(ctx context.Context, schema protoreflect.MethodDescriptor, session string) {
	client := method[dynamicpb.Message, dynamicpb.Message]("/banger.v1.GuestSessionService/Attach",
		connect.WithSchema(schema), connect.WithResponseInitializer(func(_ connect.Spec, message any) error {
			*message.(*dynamicpb.Message) = *dynamicpb.NewMessage(schema.Output())
			return nil
		}))
	stream := client.CallBidiStream(ctx)
	open := dynamicpb.NewMessage(schema.Input())
	must(protojson.Unmarshal([]byte(`{"open": {"session": "`+session+`"}}`), open))
	must(stream.Send(open))
	got, code := map[int]int{}, -1
	for {
		message, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		must(err)
		frame := message.WhichOneof(schema.Output().Oneofs().ByName("frame"))
		body := message.Get(frame).Message()
		switch frame.Name() {
		case "data":
			got[int(get(body, "stream").Enum())] += len(get(body, "data").Bytes())
		case "exit":
			code = int(get(get(body, "exit").Message(), "code").Int())
		}
	}
	must(stream.CloseRequest())
	equal(got, map[int]int{1: 300000, 2: 8})
	equal(code, 42)
}

func attachTimes(session, times string) func(context.Context) {
	return func(ctx context.Context) {
		n, err := strconv.Atoi(times)
		must(err)
		schema := attachMethod()
		for range n {
			attach(ctx, schema, session)
		}
	}
}
