package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// connect goes to the named context, or where there is no name to the socket.
func connect(name, socket string) (*grpc.ClientConn, error) {
	if name == "" {
		return grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	folder, err := contextFolder(name)
	if err != nil {
		return nil, err
	}
	target, err := os.ReadFile(filepath.Join(folder, "target"))
	if err != nil {
		return nil, err
	}
	config, err := tlsConfig(folder)
	if err != nil {
		return nil, err
	}
	address := strings.TrimPrefix(strings.TrimSpace(string(target)), "tls:")
	return grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

func contextFolder(name string) (string, error) {
	base := os.Getenv("BANGER_CONFIG_DIR")
	if base == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(config, "banger")
	}
	return filepath.Join(base, "contexts", name), nil
}

func tlsConfig(folder string) (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.pem holds no certificate", folder)
	}
	// The certificate and its key are in one file.
	identity := filepath.Join(folder, "identity.pem")
	pair, err := tls.LoadX509KeyPair(identity, identity)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}
