// grpc-go's own interop test service, and its health service, on loopback TCP, on TCP with mutual TLS 1.3, and on a Unix
// socket. Prints the ports that the kernel chose.
//
//	server PKI_FOLDER SOCKET
//
// google.golang.org/grpc/interop/server listens on all interfaces, and knows neither client
// certificates nor gzip. What comes as metadata "echo-…" goes back in the headers, "trail-…" in the
// trailers, whatever the method.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"

	"banger.test/interop/pki"
)

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func port(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port
}

// echoed is what of a call's metadata begins with prefix.
func echoed(ctx context.Context, prefix string) metadata.MD {
	came, _ := metadata.FromIncomingContext(ctx)
	back := metadata.MD{}
	for key, values := range came {
		if strings.HasPrefix(key, prefix) {
			back.Append(key, values...)
		}
	}
	return back
}

func echoUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := grpc.SetHeader(ctx, echoed(ctx, "echo-")); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, echoed(ctx, "trail-")); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

func echoStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := stream.SetHeader(echoed(stream.Context(), "echo-")); err != nil {
		return err
	}
	stream.SetTrailer(echoed(stream.Context(), "trail-"))
	return handler(service, stream)
}

// newServer has the test service, with load reports in trailers and, by a service of its own, beside
// the calls.
func newServer(options ...grpc.ServerOption) *grpc.Server {
	metrics := orca.NewServerMetricsRecorder()
	server := grpc.NewServer(append(options, orca.CallMetricsServerOption(nil),
		grpc.ChainUnaryInterceptor(echoUnary), grpc.ChainStreamInterceptor(echoStream))...)
	healthgrpc.RegisterHealthServer(server, health.NewServer())
	err := orca.Register(server, orca.ServiceOptions{ServerMetricsProvider: metrics})
	if err != nil {
		log.Fatal(err)
	}
	testgrpc.RegisterTestServiceServer(server,
		interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: metrics}))
	return server
}

func main() {
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s PKI_FOLDER SOCKET", os.Args[0])
	}
	config, err := pki.Config(os.Args[1], "server")
	if err != nil {
		log.Fatal(err)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	plain, secure := newServer(), newServer(grpc.Creds(credentials.NewTLS(config)))
	tcp, over := listen("tcp", "127.0.0.1:0"), listen("tcp", "127.0.0.1:0")
	socket := listen("unix", os.Args[2])
	fmt.Printf("ready %d %d\n", port(tcp), port(over))
	go func() { log.Fatal(plain.Serve(tcp)) }()
	go func() { log.Fatal(plain.Serve(socket)) }()
	log.Fatal(secure.Serve(over))
}
