package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// message is what is signed to see whether two keys belong together.
var message = []byte("signed with the key that was read")

const workload = "spiffe://example.org/interop/workload"

// algorithm is what Go signs certificates with.
type algorithm struct {
	signature x509.SignatureAlgorithm
	generate  func() (crypto.Signer, error)
	// sign makes a signature on a message as certificates have it.
	sign func(key crypto.Signer, message []byte) ([]byte, error)
}

// algorithms by the object identifiers of their signatures; releases that know ML-DSA add it.
var algorithms = map[string]algorithm{
	"1.2.840.10045.4.3.2": {
		x509.ECDSAWithSHA256,
		func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		digested(crypto.SHA256),
	},
	"1.2.840.10045.4.3.3": {
		x509.ECDSAWithSHA384,
		func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		digested(crypto.SHA384),
	},
	"1.3.101.112": {
		x509.PureEd25519,
		func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
		func(key crypto.Signer, message []byte) ([]byte, error) {
			return key.Sign(rand.Reader, message, crypto.Hash(0))
		},
	},
}

func digested(hash crypto.Hash) func(crypto.Signer, []byte) ([]byte, error) {
	return func(key crypto.Signer, message []byte) ([]byte, error) {
		digest := hash.New()
		digest.Write(message)
		return key.Sign(rand.Reader, digest.Sum(nil), hash)
	}
}

// outcome is what was found, or the error.
func outcome(found any, err error) any {
	if err != nil {
		return err.Error()
	}
	return found
}

// certificates says what crypto/x509 makes of chains, requests, keys and signatures, by the names of their folders.
func certificates(_ context.Context, folders []string) (any, error) {
	reports := map[string]any{}
	for _, folder := range folders {
		reports[filepath.Base(folder)] = outcome(inspect(folder))
	}
	return reports, nil
}

func inspect(folder string) (any, error) {
	var chain [3]*x509.Certificate
	for i, name := range []string{"leaf", "intermediate", "root"} {
		der, err := os.ReadFile(filepath.Join(folder, name+".der"))
		if err != nil {
			return nil, err
		}
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	leaf, intermediate, root := chain[0], chain[1], chain[2]
	return map[string]any{
		"issued": []any{
			outcome(true, leaf.CheckSignatureFrom(intermediate)),
			outcome(true, intermediate.CheckSignatureFrom(root)),
			outcome(true, root.CheckSignatureFrom(root)),
		},
		"path":      outcome(path(leaf, intermediate, root)),
		"request":   outcome(request(folder)),
		"key":       outcome(key(folder, leaf)),
		"signature": outcome(signature(folder, leaf)),
	}, nil
}

func path(leaf, intermediate, root *x509.Certificate) (any, error) {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	between.AddCert(intermediate)
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"length": len(chains[0]), "uris": fmt.Sprint(leaf.URIs)}, nil
}

func request(folder string) (any, error) {
	der, err := os.ReadFile(filepath.Join(folder, "csr.der"))
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	return true, request.CheckSignature()
}

// key reads the private key, signs with it, has the certificate's public key verify that, and writes it again.
func key(folder string, leaf *x509.Certificate) (any, error) {
	der, err := os.ReadFile(filepath.Join(folder, "key.der"))
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	known, err := algorithmOf(leaf)
	if err != nil {
		return nil, err
	}
	signed, err := known.sign(parsed.(crypto.Signer), message)
	if err != nil {
		return nil, err
	}
	written, err := x509.MarshalPKCS8PrivateKey(parsed)
	return map[string]any{
		"is_the_leafs": leaf.CheckSignature(known.signature, message, signed) == nil,
		"signature":    hex.EncodeToString(signed),
		"written":      hex.EncodeToString(written),
	}, err
}

func algorithmOf(certificate *x509.Certificate) (algorithm, error) {
	for _, known := range algorithms {
		if known.signature == certificate.SignatureAlgorithm {
			return known, nil
		}
	}
	return algorithm{}, fmt.Errorf("unknown algorithm %v", certificate.SignatureAlgorithm)
}

func signature(folder string, leaf *x509.Certificate) (any, error) {
	signed, err := os.ReadFile(filepath.Join(folder, "signature"))
	if err != nil {
		return nil, err
	}
	return true, leaf.CheckSignature(leaf.SignatureAlgorithm, message, signed)
}

// issue makes, in a folder for each algorithm, a root, a workload's certificate below it, and the workload's request.
func issue(_ context.Context, arguments []string) (any, error) {
	reports := map[string]any{}
	for _, oid := range arguments[1:] {
		known, found := algorithms[oid]
		if !found {
			reports[oid] = "unknown algorithm"
			continue
		}
		folder := filepath.Join(arguments[0], oid)
		reports[oid] = outcome(true, known.issue(folder))
	}
	return reports, nil
}

func (known algorithm) issue(folder string) error {
	authority, err := known.generate()
	if err != nil {
		return err
	}
	subject, err := known.generate()
	if err != nil {
		return err
	}
	trustDomain, id := &url.URL{Scheme: "spiffe", Host: "example.org"}, must(url.Parse(workload))
	root := template(trustDomain, x509.KeyUsageCertSign|x509.KeyUsageCRLSign)
	root.IsCA, root.SubjectKeyId = true, []byte("an authority of Go's")
	leaf := template(id, x509.KeyUsageDigitalSignature)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

	files := map[string]func() ([]byte, error){
		"root.der": func() ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, root, root, authority.Public(), authority)
		},
		"leaf.der": func() ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, leaf, root, subject.Public(), authority)
		},
		"csr.der": func() ([]byte, error) {
			return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: leaf.URIs}, subject)
		},
		"key.der":   func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(subject) },
		"signature": func() ([]byte, error) { return known.sign(subject, message) },
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, make := range files {
		content, err := make()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func template(uri *url.URL, usage x509.KeyUsage) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))),
		Subject:               pkix.Name{Country: []string{"US"}, Organization: []string{"Go"}},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              usage,
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
	}
}

// must is for what cannot fail here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
