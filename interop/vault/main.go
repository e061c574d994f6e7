// The server of HashiCorp Vault, as released, for tests: its core, its HTTP API, its PKI secrets engine, and the methods
// `token`, `approle` and `cert` by which clients are let in. Storage is in memory, and there is one key to unseal it, which
// nobody else gets. Only this file is ours: the `vault` command itself would be built from every database's and every
// cloud's client.
//
// `serve` runs it; `call` asks it something, as its operator would.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/logical/pki"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("serve or call?")
	}
	switch arguments[0] {
	case "serve":
		return serve(arguments[1:])
	case "call":
		return call(arguments[1:])
	default:
		return fmt.Errorf("%q is neither serve nor call", arguments[0])
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address of the API")
	certificate := flags.String("certificate", "", "file of the certificate that is shown")
	key := flags.String("key", "", "file of its key")
	addressFile := flags.String("address-file", "", "file that the address is written to when the API serves")
	tokenFile := flags.String("root-token", "", "file that the root token is written to when the API serves")
	if err := flags.Parse(arguments); err != nil {
		return err
	}

	// First of all: between looking for a free port and using it somebody else could take it.
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		LogicalBackends:    logicals,
		CredentialBackends: credentials,
		BuiltinRegistry:    builtins{},
	})
	if err != nil {
		return err
	}
	token, err := open(core)
	if err != nil {
		return err
	}

	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		return err
	}
	config := &configutil.Listener{Type: "tcp", Address: listener.Addr().String()}
	server := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: config}),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{pair},
			// As Vault's own listener has it: the method `cert` judges what is shown.
			ClientAuth: tls.RequestClientCert,
		},
		ReadHeaderTimeout: 10 * time.Second,
	}
	if err := os.WriteFile(*tokenFile, []byte(token), 0o600); err != nil {
		return err
	}
	// Whoever waits for this file may call at once, and finds all of it.
	unfinished := *addressFile + ".new"
	if err := os.WriteFile(unfinished, []byte(listener.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(unfinished, *addressFile); err != nil {
		return err
	}
	return server.ServeTLS(listener, "", "")
}

// Makes an empty storage ready, and gives the token of its operator.
func open(core *vault.Core) (string, error) {
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: one, RecoveryConfig: one})
	if err != nil {
		return "", err
	}
	unsealed, err := core.Unseal(made.SecretShares[0])
	if err == nil && !unsealed {
		err = errors.New("it stays sealed")
	}
	return made.RootToken, err
}

// `call METHOD PATH` with the body on standard input; prints what was answered.
func call(arguments []string) error {
	flags := flag.NewFlagSet("call", flag.ContinueOnError)
	address := flags.String("address", "", "host and port of the API")
	roots := flags.String("roots", "", "file of the certificates that its own is under")
	tokenFile := flags.String("token", "", "file of the token")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("a method and a path are wanted")
	}
	pem, err := os.ReadFile(*roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", *roots)
	}
	token, err := os.ReadFile(*tokenFile)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(flags.Arg(0), "https://"+*address+"/v1/"+flags.Arg(1), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Token", string(token))
	client := http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		said, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, said)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

var (
	logicals    = map[string]logical.Factory{"pki": pki.Factory}
	credentials = map[string]logical.Factory{"approle": approle.Factory, "cert": cert.Factory}
)

// What is built in: the same again, as Vault's catalogue of plugins asks for it.
type builtins struct{}

func of(kind consts.PluginType) map[string]logical.Factory {
	switch kind {
	case consts.PluginTypeSecrets:
		return logicals
	case consts.PluginTypeCredential:
		return credentials
	default:
		return nil
	}
}

func (builtins) Contains(name string, kind consts.PluginType) bool {
	return of(kind)[name] != nil
}

func (builtins) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory := of(kind)[name]
	return func() (interface{}, error) { return factory, nil }, factory != nil
}

func (builtins) Keys(kind consts.PluginType) []string {
	var names []string
	for name := range of(kind) {
		names = append(names, name)
	}
	return names
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool {
	return false
}
