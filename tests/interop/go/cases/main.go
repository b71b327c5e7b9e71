// The cases of grpc-go's interop package over any transport; its own client knows no client
// certificates and no compression. A case that fails ends the program.
//
//	cases PKI_FOLDER TARGET CASE
//
// TARGET is HOST:PORT (without TLS), tls:HOST:PORT (mutual TLS 1.3) or unix:PATH.
package main

import (
	"context"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"banger.test/interop/pki"
)

const reports = `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}`

var plain = map[string]func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
	"empty_unary":                 interop.DoEmptyUnaryCall,
	"large_unary":                 interop.DoLargeUnaryCall,
	"client_streaming":            interop.DoClientStreaming,
	"server_streaming":            interop.DoServerStreaming,
	"ping_pong":                   interop.DoPingPong,
	"empty_stream":                interop.DoEmptyStream,
	"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
	"cancel_after_begin":          interop.DoCancelAfterBegin,
	"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
	"custom_metadata":             interop.DoCustomMetadata,
	"status_code_and_message":     interop.DoStatusCodeAndMessage,
	"special_status_message":      interop.DoSpecialStatusMessage,
}

// dialer makes connections that are alike.
type dialer struct {
	target  string
	options []grpc.DialOption
}

func newDialer(folder, target string) (*dialer, error) {
	d := &dialer{target: target, options: []grpc.DialOption{grpc.WithDefaultServiceConfig(reports)}}
	address, secure := strings.CutPrefix(target, "tls:")
	if !secure {
		d.options = append(d.options, grpc.WithTransportCredentials(insecure.NewCredentials()))
		return d, nil
	}
	config, err := pki.Config(folder, "client")
	if err != nil {
		return nil, err
	}
	d.target = address
	d.options = append(d.options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	return d, nil
}

func (d *dialer) dial(more ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(d.target, append(more, d.options...)...)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

func (d *dialer) soak(ctx context.Context, channel func() (*grpc.ClientConn, func())) {
	interop.DoSoakTest(ctx, interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, ServerAddr: d.target, NumWorkers: 2, Iterations: 40,
		PerIterationMaxAcceptableLatency: 10 * time.Second, OverallTimeout: 25 * time.Second,
		ChannelForTest: channel,
	})
}

func run(ctx context.Context, d *dialer, name string) {
	w := &watch{}
	conn := d.dial(grpc.WithStatsHandler(w))
	defer conn.Close()
	client := testgrpc.NewTestServiceClient(conn)
	if do := plain[name]; do != nil {
		do(ctx, client)
		return
	}
	if do := compressed[name]; do != nil {
		do(ctx, client, w)
		return
	}
	switch name {
	case "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, conn)
	case "unimplemented_service":
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
	case "pick_first_unary":
		interop.DoPickFirstUnary(ctx, client)
	case "orca_per_rpc":
		interop.DoORCAPerRPCTest(ctx, client)
	case "orca_oob":
		interop.DoORCAOOBTest(ctx, client)
	case "rpc_soak":
		d.soak(ctx, func() (*grpc.ClientConn, func()) { return conn, func() {} })
	case "channel_soak":
		d.soak(ctx, func() (*grpc.ClientConn, func()) {
			c := d.dial()
			return c, func() { c.Close() }
		})
	default:
		log.Fatalf("there is no case %q", name)
	}
}

func main() {
	if len(os.Args) != 4 {
		log.Fatalf("usage: %s PKI_FOLDER TARGET CASE", os.Args[0])
	}
	d, err := newDialer(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	run(ctx, d, os.Args[3])
}
