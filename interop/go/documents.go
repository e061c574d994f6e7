package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// authorities is what a bundle holds: SHA-256 and key type of certificates, and the names of JWT keys.
type authorities struct {
	X509 []string `json:"x509"`
	Keys []string `json:"keys"`
	JWT  []string `json:"jwt"`
}

func authoritiesOf(certificates []*x509.Certificate, keys map[string]crypto.PublicKey) authorities {
	found := authorities{X509: []string{}, Keys: []string{}, JWT: slices.Sorted(maps.Keys(keys))}
	for _, certificate := range certificates {
		digest := sha256.Sum256(certificate.Raw)
		found.X509 = append(found.X509, hex.EncodeToString(digest[:]))
		found.Keys = append(found.Keys, certificate.PublicKeyAlgorithm.String())
	}
	return found
}

func load(name, file string) (*spiffebundle.Bundle, error) {
	trustDomain, err := spiffeid.TrustDomainFromString(name)
	if err != nil {
		return nil, err
	}
	return spiffebundle.Load(trustDomain, file)
}

// bundle reads a SPIFFE bundle document.
func bundle(_ context.Context, arguments []string) (any, error) {
	bundle, err := load(arguments[0], arguments[1])
	if err != nil {
		return nil, err
	}
	sequence, _ := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	return struct {
		authorities
		Sequence uint64  `json:"sequence"`
		Hint     float64 `json:"hint"`
	}{authoritiesOf(bundle.X509Authorities(), bundle.JWTAuthorities()), sequence, hint.Seconds()}, nil
}

// chain reads an SVID of two certificates with its key, and verifies it.
func chain(_ context.Context, arguments []string) (any, error) {
	trustDomain, err := spiffeid.TrustDomainFromString(arguments[0])
	if err != nil {
		return nil, err
	}
	read := func(name string) []byte {
		content, failure := os.ReadFile(filepath.Join(arguments[1], name))
		if failure != nil {
			err = failure
		}
		return content
	}
	certificates := append(read("leaf.der"), read("intermediate.der")...)
	key, root := read("key.der"), read("root.der")
	if err != nil {
		return nil, err
	}
	svid, err := x509svid.ParseRaw(certificates, key)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	roots, err := x509bundle.ParseRaw(trustDomain, root)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	id, chains, err := x509svid.Verify(svid.Certificates, roots)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return map[string]any{"spiffe_id": id, "length": len(chains[0])}, nil
}

// token verifies a JWT-SVID with a SPIFFE bundle document.
func token(_ context.Context, arguments []string) (any, error) {
	bundle, err := load(arguments[0], arguments[1])
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(arguments[2])
	if err != nil {
		return nil, err
	}
	svid, err := jwtsvid.ParseAndValidate(string(content), bundle, arguments[3:])
	if err != nil {
		return nil, err
	}
	return map[string]any{"spiffe_id": svid.ID, "audience": svid.Audience}, nil
}
