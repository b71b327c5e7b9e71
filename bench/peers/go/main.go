// The echo service by grpc-go: a peer of the benchmarks.
//
//	grpc-go-echo --unix PATH [--certs FOLDER] [--workers N]
//
// Prints "ready" once it listens. With certificates it listens on 127.0.0.1 too, in plain text and
// with mutual TLS 1.3, and prints "ready PORT TLS_PORT". --workers: goroutines that are kept for calls, grpc-go's NumStreamWorkers; without it
// each call has a goroutine of its own, which is its default.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"banger.test/bench/grpcgo/echo"
)

type server struct {
	echo.UnimplementedEchoServiceServer
}

func (server) Unary(_ context.Context, r *echo.EchoRequest) (*echo.EchoResponse, error) {
	return &echo.EchoResponse{Text: r.Text, Payload: r.Payload, Seq: 1}, nil
}

func (server) Bidi(stream echo.EchoService_BidiServer) error {
	var seq, total uint64
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		seq++
		total += uint64(len(r.Payload))
		err = stream.Send(&echo.EchoResponse{Text: r.Text, Payload: r.Payload, Seq: seq, TotalBytes: total})
		if err != nil {
			return err
		}
	}
}

func mutualTLS(folder string) credentials.TransportCredentials {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key"))
	if err != nil {
		log.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		log.Fatal("no certificate in ca.pem")
	}
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
	})
}

// serve returns the listener's port, 0 for a socket file.
func serve(network, address string, options ...grpc.ServerOption) int {
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(options...)
	echo.RegisterEchoServiceServer(s, server{})
	go func() { log.Fatal(s.Serve(listener)) }()
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func main() {
	path := flag.String("unix", "", "socket to listen on")
	certs := flag.String("certs", "", "folder with ca.pem, server.pem and server.key")
	workers := flag.Uint("workers", 0, "kept goroutines")
	flag.Parse()
	os.Remove(*path)
	kept := grpc.NumStreamWorkers(uint32(*workers))
	serve("unix", *path, kept)
	if *certs == "" {
		fmt.Println("ready")
	} else {
		port := serve("tcp", "127.0.0.1:0", kept)
		fmt.Println("ready", port, serve("tcp", "127.0.0.1:0", kept, grpc.Creds(mutualTLS(*certs))))
	}
	select {}
}
