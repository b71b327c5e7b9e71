// The echo service on a Unix socket by grpc-go: the peer of bench/unary.py.
//
//	grpc-go-echo --unix PATH [--workers N]
//
// Prints "ready" once it listens. --workers: goroutines that are kept for calls, grpc-go's
// NumStreamWorkers; without it each call has a goroutine of its own, which is its default.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	"banger.test/bench/grpcgo/echo"
)

type server struct {
	echo.UnimplementedEchoServiceServer
}

func (server) Unary(_ context.Context, r *echo.EchoRequest) (*echo.EchoResponse, error) {
	return &echo.EchoResponse{Text: r.Text, Payload: r.Payload, Seq: 1}, nil
}

func main() {
	path := flag.String("unix", "", "socket to listen on")
	workers := flag.Uint("workers", 0, "kept goroutines")
	flag.Parse()
	os.Remove(*path)
	listener, err := net.Listen("unix", *path)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(grpc.NumStreamWorkers(uint32(*workers)))
	echo.RegisterEchoServiceServer(s, server{})
	fmt.Println("ready")
	log.Fatal(s.Serve(listener))
}
