package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
)

// connection is what a handshake settled.
type connection struct {
	Peer        string `json:"peer"`
	PeerKey     string `json:"peer_key"`
	Version     string `json:"version"`
	KeyExchange string `json:"key_exchange"`
	Said        string `json:"said"`
}

func connectionOf(state tls.ConnectionState, said string) (connection, error) {
	peer, err := spiffetls.PeerIDFromConnectionState(state)
	return connection{
		Peer:        peer.String(),
		PeerKey:     state.PeerCertificates[0].PublicKeyAlgorithm.String(),
		Version:     tls.VersionName(state.Version),
		KeyExchange: state.CurveID.String(),
		Said:        said,
	}, err
}

// connect makes a mutual TLS connection to a listener that echoes lines, with what the Workload API gave.
func connect(ctx context.Context, arguments []string) (any, error) {
	id, err := spiffeid.FromString(arguments[2])
	if err != nil {
		return nil, err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(arguments[0])))
	if err != nil {
		return nil, err
	}
	defer source.Close()
	return greet(ctx, arguments[1], tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id)))
}

// listen accepts one mutual TLS connection and echoes one line. It prints its address first.
func listen(ctx context.Context, arguments []string) (any, error) {
	id, err := spiffeid.FromString(arguments[1])
	if err != nil {
		return nil, err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(arguments[0])))
	if err != nil {
		return nil, err
	}
	defer source.Close()
	return echo(tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(id)))
}

// server asks a SPIRE server for its bundle, as an agent does: first without an identity, then with a workload's.
func server(ctx context.Context, arguments []string) (any, error) {
	trustDomain, err := spiffeid.TrustDomainFromString(arguments[2])
	if err != nil {
		return nil, err
	}
	id, err := spiffeid.FromPath(trustDomain, "/spire/server")
	if err != nil {
		return nil, err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(arguments[0])))
	if err != nil {
		return nil, err
	}
	defer source.Close()

	authorize := tlsconfig.AuthorizeID(id)
	seen := map[string]any{}
	for name, config := range map[string]*tls.Config{
		"without identity": tlsconfig.TLSClientConfig(source, authorize),
		"with identity":    tlsconfig.MTLSClientConfig(source, source, authorize),
	} {
		var found connection
		config.VerifyConnection = func(state tls.ConnectionState) (err error) {
			found, err = connectionOf(state, "")
			return err
		}
		bundle, err := bundleOf(ctx, arguments[1], config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		seen[name] = map[string]any{"connection": found, "bundle": bundle}
	}
	return seen, nil
}

// bundleOf calls GetBundle and reads the answer as strictly as SPIRE's agent does: one key that it cannot read, and
// the whole bundle is refused.
func bundleOf(ctx context.Context, address string, config *tls.Config) (authorities, error) {
	channel, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return authorities{}, err
	}
	defer channel.Close()
	bundle, err := bundlev1.NewBundleClient(channel).GetBundle(ctx, &bundlev1.GetBundleRequest{})
	if err != nil {
		return authorities{}, err
	}
	return read(bundle)
}

func read(bundle *types.Bundle) (authorities, error) {
	var certificates []*x509.Certificate
	for _, authority := range bundle.X509Authorities {
		found, err := x509.ParseCertificates(authority.Asn1)
		if err != nil {
			return authorities{}, err
		}
		certificates = append(certificates, found...)
	}
	keys := map[string]crypto.PublicKey{}
	for _, authority := range bundle.JwtAuthorities {
		key, err := x509.ParsePKIXPublicKey(authority.PublicKey)
		if err != nil {
			return authorities{}, err
		}
		keys[authority.KeyId] = key
	}
	return authoritiesOf(certificates, keys), nil
}
