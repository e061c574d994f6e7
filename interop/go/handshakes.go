package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// groups by their names in IANA's registry.
var groups = map[string]tls.CurveID{
	"X25519MLKEM768":     tls.X25519MLKEM768,
	"SecP256r1MLKEM768":  tls.SecP256r1MLKEM768,
	"SecP384r1MLKEM1024": tls.SecP384r1MLKEM1024,
	"x25519":             tls.X25519,
	"secp256r1":          tls.CurveP256,
	"secp384r1":          tls.CurveP384,
}

// configuration is for one group, with the files in a folder: chain.pem, key.pem and root.pem.
func configuration(folder, group string) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "chain.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		return nil, err
	}
	trusted, err := os.ReadFile(filepath.Join(folder, "root.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusted) {
		return nil, errors.New("root.pem has no certificate")
	}
	known, found := groups[group]
	if !found {
		return nil, fmt.Errorf("no group %q", group)
	}
	return &tls.Config{
		Certificates:     []tls.Certificate{own},
		RootCAs:          roots,
		ClientCAs:        roots,
		ClientAuth:       tls.RequireAndVerifyClientCert,
		CurvePreferences: []tls.CurveID{known},
		ServerName:       "localhost",
	}, nil
}

// dial makes a mutual TLS connection to a listener that echoes lines.
func dial(ctx context.Context, arguments []string) (any, error) {
	config, err := configuration(arguments[1], arguments[2])
	if err != nil {
		return nil, err
	}
	return greet(ctx, arguments[0], config)
}

// serve accepts one mutual TLS connection and echoes one line. It prints its address first.
func serve(_ context.Context, arguments []string) (any, error) {
	config, err := configuration(arguments[0], arguments[1])
	if err != nil {
		return nil, err
	}
	return echo(config)
}

// greet makes a connection, sends a line, and tells what came back.
func greet(ctx context.Context, address string, config *tls.Config) (any, error) {
	dialer := tls.Dialer{Config: config}
	plain, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	if _, err := fmt.Fprintln(plain, "hello from Go"); err != nil {
		return nil, err
	}
	said, err := bufio.NewReader(plain).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return connectionOf(plain.(*tls.Conn).ConnectionState(), said)
}

// echo accepts one connection and sends one line back. It prints its address first.
func echo(config *tls.Config) (any, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	if err := say(listener.Addr().String()); err != nil {
		return nil, err
	}
	plain, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	secured := tls.Server(plain, config)
	defer secured.Close()
	said, err := bufio.NewReader(secured).ReadString('\n')
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(secured, said); err != nil {
		return nil, err
	}
	return connectionOf(secured.ConnectionState(), said)
}

// version is the release that compiled this program.
func version(context.Context, []string) (any, error) {
	return runtime.Version(), nil
}
