// gRPC's interop cases by connect-go, against any interop test server; and what a session says.
//
//	connect PKI_FOLDER TARGET [attach SESSION TIMES]
//
// TARGET is HOST:PORT (without TLS), tls:HOST:PORT (mutual TLS 1.3) or unix:PATH. Prints "ok CASE" or
// "FAIL CASE: why".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"connectrpc.com/connect"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"banger.test/interop/pki"
)

const (
	largeRequest  = 271828
	largeResponse = 314159
	initialKey    = "x-grpc-test-echo-initial"
	initialValue  = "test_initial_metadata_value"
	trailingKey   = "x-grpc-test-echo-trailing-bin"
	trailingValue = "\xab\xab\xab"
)

var (
	requests  = []int{27182, 8, 1828, 45904}
	responses = []int{31415, 9, 2653, 58979}
)

// server is where all calls go.
var server struct {
	url  string
	http http.Client
}

func connectTo(folder, target string) {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	server.http.Transport = transport
	if address, secure := strings.CutPrefix(target, "tls:"); secure {
		config, err := pki.Config(folder, "client")
		must(err)
		transport.TLSClientConfig = config
		transport.Protocols.SetHTTP2(true)
		server.url = "https://" + address
		return
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	server.url = "http://" + target
	if path, unix := strings.CutPrefix(target, "unix:"); unix {
		server.url = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
}

func method[Q, S any](name string, options ...connect.ClientOption) *connect.Client[Q, S] {
	return connect.NewClient[Q, S](&server.http, server.url+name, append(options, connect.WithGRPC())...)
}

const service = "/grpc.testing.TestService/"

func unary(options ...connect.ClientOption) *connect.Client[testgrpc.SimpleRequest, testgrpc.SimpleResponse] {
	return method[testgrpc.SimpleRequest, testgrpc.SimpleResponse](service+"UnaryCall", options...)
}

func input() *connect.Client[testgrpc.StreamingInputCallRequest, testgrpc.StreamingInputCallResponse] {
	return method[testgrpc.StreamingInputCallRequest, testgrpc.StreamingInputCallResponse](service + "StreamingInputCall")
}

type duplex = connect.BidiStreamForClient[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]

func output(name string) *connect.Client[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse] {
	return method[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse](service + name)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Errorf(format, args...))
	}
}

func equal(got, want any) {
	check(reflect.DeepEqual(got, want), "%v, want %v", got, want)
}

func fails(err error, code connect.Code, text string) {
	var failure *connect.Error
	check(errors.As(err, &failure), "ended with %v, want %v", err, code)
	equal(failure.Code(), code)
	if text != "" {
		equal(failure.Message(), text)
	}
}

func payload(size int) *testgrpc.Payload { return &testgrpc.Payload{Body: make([]byte, size)} }

func simple() *testgrpc.SimpleRequest {
	return &testgrpc.SimpleRequest{ResponseSize: largeResponse, Payload: payload(largeRequest)}
}

func wanted(size, responseSize int) *testgrpc.StreamingOutputCallRequest {
	return &testgrpc.StreamingOutputCallRequest{Payload: payload(size),
		ResponseParameters: []*testgrpc.ResponseParameters{{Size: int32(responseSize)}}}
}

func yes(v bool) *testgrpc.BoolValue { return &testgrpc.BoolValue{Value: v} }

// receive reads to the end: the sizes of what came, and the error that ended it, nil for OK.
func receive(stream *duplex) (sizes []int, err error) {
	for {
		message, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return sizes, nil
		}
		if err != nil {
			return sizes, err
		}
		sizes = append(sizes, len(message.Payload.Body))
	}
}

func emptyUnary(ctx context.Context) {
	_, err := method[testgrpc.Empty, testgrpc.Empty](service+"EmptyCall").CallUnary(ctx, connect.NewRequest(&testgrpc.Empty{}))
	must(err)
}

func large(ctx context.Context, request *testgrpc.SimpleRequest, options ...connect.ClientOption) {
	answer, err := unary(options...).CallUnary(ctx, connect.NewRequest(request))
	must(err)
	equal(len(answer.Msg.Payload.Body), largeResponse)
}

func largeUnary(ctx context.Context) { large(ctx, simple()) }

func clientStreaming(ctx context.Context) {
	stream := input().CallClientStream(ctx)
	for _, size := range requests {
		must(stream.Send(&testgrpc.StreamingInputCallRequest{Payload: payload(size)}))
	}
	sum, err := stream.CloseAndReceive()
	must(err)
	equal(sum.Msg.AggregatedPayloadSize, int32(74922))
}

func serverStreaming(ctx context.Context) {
	request := &testgrpc.StreamingOutputCallRequest{}
	for _, size := range responses {
		request.ResponseParameters = append(request.ResponseParameters, &testgrpc.ResponseParameters{Size: int32(size)})
	}
	stream, err := output("StreamingOutputCall").CallServerStream(ctx, connect.NewRequest(request))
	must(err)
	var sizes []int
	for stream.Receive() {
		sizes = append(sizes, len(stream.Msg().Payload.Body))
	}
	must(stream.Err())
	equal(sizes, responses)
}

func pingPong(ctx context.Context) {
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	for i, size := range requests {
		must(stream.Send(wanted(size, responses[i])))
		message, err := stream.Receive()
		must(err)
		equal(len(message.Payload.Body), responses[i])
	}
	must(stream.CloseRequest())
	sizes, err := receive(stream)
	must(err)
	equal(len(sizes), 0)
}

func emptyStream(ctx context.Context) {
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	must(stream.CloseRequest())
	sizes, err := receive(stream)
	must(err)
	equal(len(sizes), 0)
}

func clientCompressedUnary(ctx context.Context) {
	request := simple()
	request.ExpectCompressed = yes(true)
	// Does the server look at all?
	_, err := unary().CallUnary(ctx, connect.NewRequest(request))
	fails(err, connect.CodeInvalidArgument, "")
	large(ctx, request, connect.WithSendGzip())
	request.ExpectCompressed = yes(false)
	large(ctx, request)
}

func serverCompressedUnary(ctx context.Context) {
	for _, gzip := range []bool{true, false} {
		request := simple()
		request.ResponseCompressed = yes(gzip)
		large(ctx, request)
	}
}

func checkEchoed(header, trailer http.Header) {
	equal(header.Get(initialKey), initialValue)
	value, err := connect.DecodeBinaryHeader(trailer.Get(trailingKey))
	must(err)
	equal(string(value), trailingValue)
}

func customMetadata(ctx context.Context) {
	request := connect.NewRequest(simple())
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	for _, header := range []http.Header{request.Header(), stream.RequestHeader()} {
		header.Set(initialKey, initialValue)
		header.Set(trailingKey, connect.EncodeBinaryHeader([]byte(trailingValue)))
	}
	answer, err := unary().CallUnary(ctx, request)
	must(err)
	checkEchoed(answer.Header(), answer.Trailer())
	must(stream.Send(wanted(1, 1)))
	must(stream.CloseRequest())
	_, err = receive(stream)
	must(err)
	checkEchoed(stream.ResponseHeader(), stream.ResponseTrailer())
}

func status(ctx context.Context, message string) {
	asked := &testgrpc.EchoStatus{Code: int32(connect.CodeUnknown), Message: message}
	request := simple()
	request.ResponseStatus = asked
	_, err := unary().CallUnary(ctx, connect.NewRequest(request))
	fails(err, connect.CodeUnknown, message)
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	must(stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseStatus: asked}))
	must(stream.CloseRequest())
	_, err = receive(stream)
	fails(err, connect.CodeUnknown, message)
}

func statusCodeAndMessage(ctx context.Context) { status(ctx, "test status message") }

func specialStatusMessage(ctx context.Context) {
	status(ctx, "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")
}

func unimplemented(ctx context.Context, name string) {
	_, err := method[testgrpc.Empty, testgrpc.Empty](name).CallUnary(ctx, connect.NewRequest(&testgrpc.Empty{}))
	fails(err, connect.CodeUnimplemented, "")
}

func unimplementedMethod(ctx context.Context) { unimplemented(ctx, service+"UnimplementedCall") }

func unimplementedService(ctx context.Context) {
	unimplemented(ctx, "/grpc.testing.UnimplementedService/UnimplementedCall")
}

func cancelAfterBegin(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	stream := input().CallClientStream(ctx)
	cancel()
	_, err := stream.CloseAndReceive()
	fails(err, connect.CodeCanceled, "")
}

func cancelAfterFirstResponse(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	must(stream.Send(wanted(requests[0], responses[0])))
	message, err := stream.Receive()
	must(err)
	equal(len(message.Payload.Body), responses[0])
	cancel()
	_, err = receive(stream)
	fails(err, connect.CodeCanceled, "")
}

func timeoutOnSleepingServer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	stream := output("FullDuplexCall").CallBidiStream(ctx)
	_ = stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(requests[0])})
	_, err := receive(stream)
	fails(err, connect.CodeDeadlineExceeded, "")
}

type testCase struct {
	name string
	run  func(context.Context)
}

var cases = []testCase{
	{"empty_unary", emptyUnary},
	{"large_unary", largeUnary},
	{"client_streaming", clientStreaming},
	{"server_streaming", serverStreaming},
	{"ping_pong", pingPong},
	{"empty_stream", emptyStream},
	{"client_compressed_unary", clientCompressedUnary},
	{"server_compressed_unary", serverCompressedUnary},
	{"custom_metadata", customMetadata},
	{"status_code_and_message", statusCodeAndMessage},
	{"special_status_message", specialStatusMessage},
	{"unimplemented_method", unimplementedMethod},
	{"unimplemented_service", unimplementedService},
	{"cancel_after_begin", cancelAfterBegin},
	{"cancel_after_first_response", cancelAfterFirstResponse},
	{"timeout_on_sleeping_server", timeoutOnSleepingServer},
}

// run is false where a check did not hold.
func run(c testCase) (ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer func() {
		if why := recover(); why != nil {
			fmt.Printf("FAIL %s: %v\n", c.name, strings.ReplaceAll(fmt.Sprint(why), "\n", " "))
			return
		}
		fmt.Println("ok", c.name)
		ok = true
	}()
	c.run(ctx)
	return
}

func main() {
	connectTo(os.Args[1], os.Args[2])
	if len(os.Args) > 3 {
		cases = []testCase{{"attach", attachTimes(os.Args[4], os.Args[5])}}
	}
	code := 0
	for _, c := range cases {
		if !run(c) {
			code = 1
		}
	}
	os.Exit(code)
}
