// h2spec's suite over plain TCP or mutual TLS; its own command cannot show a client certificate.
//
//	h2spec PORT JUNIT_FILE [PKI_FOLDER]
//
// With a folder: TLS. The strict cases are among them. Failed cases are in the file, not in the exit
// status.
package main

import (
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		log.Fatalf("usage: %s PORT JUNIT_FILE [PKI_FOLDER]", os.Args[0])
	}
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	c := &config.Config{
		Host: "127.0.0.1", Port: port, Path: "/grpc.testing.TestService/UnaryCall", Timeout: 3 * time.Second,
		MaxHeaderLen: 4000, JUnitReport: os.Args[2], Strict: true,
	}
	if len(os.Args) == 4 {
		c.TLS = true
		c.CertFile = filepath.Join(os.Args[3], "client.pem")
		c.CertKeyFile = filepath.Join(os.Args[3], "client.key")
		// Go takes the CAs to trust from there.
		os.Setenv("SSL_CERT_FILE", filepath.Join(os.Args[3], "ca.pem"))
	}
	if _, err := h2spec.Run(c); err != nil {
		log.Fatal(err)
	}
}
