package main

import (
	"context"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// The compressed cases, which grpc-go's interop package leaves out, with grpc-go's own gzip.
var compressed = map[string]func(context.Context, testgrpc.TestServiceClient, *watch){
	"client_compressed_unary":     clientUnary,
	"server_compressed_unary":     serverUnary,
	"client_compressed_streaming": clientStreaming,
	"server_compressed_streaming": serverStreaming,
}

// watch notes for each incoming message whether it was smaller on the wire.
type watch struct{ compressed []bool }

func (w *watch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (w *watch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (w *watch) HandleConn(context.Context, stats.ConnStats)                       {}
func (w *watch) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok {
		w.compressed = append(w.compressed, in.CompressedLength < in.Length)
	}
}

func must(ok bool, format string, args ...any) {
	if !ok {
		log.Fatalf(format, args...)
	}
}

func request(expect, response *testgrpc.BoolValue) *testgrpc.SimpleRequest {
	return &testgrpc.SimpleRequest{
		ResponseSize: 314159, ExpectCompressed: expect, ResponseCompressed: response,
		Payload: &testgrpc.Payload{Body: make([]byte, 271828)},
	}
}

func yes(v bool) *testgrpc.BoolValue { return &testgrpc.BoolValue{Value: v} }

func clientUnary(ctx context.Context, c testgrpc.TestServiceClient, _ *watch) {
	_, err := c.UnaryCall(ctx, request(yes(true), nil))
	must(status.Code(err) == codes.InvalidArgument, "a wrong expectation: %v", err)
	r, err := c.UnaryCall(ctx, request(yes(true), nil), grpc.UseCompressor(gzip.Name))
	must(err == nil && len(r.Payload.Body) == 314159, "compressed: %v", err)
	r, err = c.UnaryCall(ctx, request(yes(false), nil))
	must(err == nil && len(r.Payload.Body) == 314159, "plain: %v", err)
}

func serverUnary(ctx context.Context, c testgrpc.TestServiceClient, w *watch) {
	for i, want := range []bool{true, false} {
		r, err := c.UnaryCall(ctx, request(nil, yes(want)))
		must(err == nil && len(r.Payload.Body) == 314159, "%v: %v", want, err)
		must(len(w.compressed) == i+1 && w.compressed[i] == want, "want %v, have %v", want, w.compressed)
	}
}

func clientStreaming(ctx context.Context, c testgrpc.TestServiceClient, _ *watch) {
	send := func(size int, compressed bool, expect bool) (*testgrpc.StreamingInputCallResponse, error) {
		options := []grpc.CallOption{}
		if compressed {
			options = append(options, grpc.UseCompressor(gzip.Name))
		}
		stream, err := c.StreamingInputCall(ctx, options...)
		must(err == nil, "%v", err)
		for i := 0; i < 3; i++ {
			err = stream.Send(&testgrpc.StreamingInputCallRequest{
				Payload: &testgrpc.Payload{Body: make([]byte, size)}, ExpectCompressed: yes(expect)})
			if err != nil {
				break
			}
		}
		return stream.CloseAndRecv()
	}
	_, err := send(27182, false, true)
	must(status.Code(err) == codes.InvalidArgument, "a wrong expectation: %v", err)
	for _, compressed := range []bool{true, false} {
		r, err := send(27182, compressed, compressed)
		must(err == nil && r.AggregatedPayloadSize == 3*27182, "%v: %v", compressed, err)
	}
}

func serverStreaming(ctx context.Context, c testgrpc.TestServiceClient, w *watch) {
	stream, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{
		ResponseParameters: []*testgrpc.ResponseParameters{
			{Size: 31415, Compressed: yes(true)}, {Size: 92653, Compressed: yes(false)}}})
	must(err == nil, "%v", err)
	for i, size := range []int{31415, 92653} {
		r, err := stream.Recv()
		must(err == nil && len(r.Payload.Body) == size, "message %d: %v", i, err)
		must(w.compressed[i] == (i == 0), "message %d: compressed %v", i, w.compressed[i])
	}
	_, err = stream.Recv()
	must(err != nil && err.Error() == "EOF", "the end: %v", err)
}
