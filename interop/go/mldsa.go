//go:build go1.27

package main

import (
	"context"
	"crypto"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
)

func init() {
	for oid, known := range map[string]struct {
		parameters mldsa.Parameters
		signature  x509.SignatureAlgorithm
	}{
		"2.16.840.1.101.3.4.3.17": {mldsa.MLDSA44(), x509.MLDSA44},
		"2.16.840.1.101.3.4.3.18": {mldsa.MLDSA65(), x509.MLDSA65},
		"2.16.840.1.101.3.4.3.19": {mldsa.MLDSA87(), x509.MLDSA87},
	} {
		algorithms[oid] = algorithm{
			known.signature,
			func() (crypto.Signer, error) { return mldsa.GenerateKey(known.parameters) },
			func(key crypto.Signer, message []byte) ([]byte, error) {
				return key.Sign(rand.Reader, message, &mldsa.Options{})
			},
		}
	}
	commands["sign"] = command{[]string{"FOLDER..."}, sign}
	commands["verify"] = command{[]string{"FOLDER..."}, verify}
}

func parametersOf(folder string) (mldsa.Parameters, error) {
	name, err := os.ReadFile(filepath.Join(folder, "algorithm"))
	return map[string]mldsa.Parameters{
		"ml-dsa-44": mldsa.MLDSA44(), "ml-dsa-65": mldsa.MLDSA65(), "ml-dsa-87": mldsa.MLDSA87(),
	}[strings.TrimSpace(string(name))], err
}

// sign signs what is in each folder, message and context, with a key of its own, and leaves public and signature.
func sign(_ context.Context, folders []string) (any, error) {
	for _, folder := range folders {
		parameters, err := parametersOf(folder)
		if err != nil {
			return nil, err
		}
		key, err := mldsa.GenerateKey(parameters)
		if err != nil {
			return nil, err
		}
		message, options, err := signed(folder)
		if err != nil {
			return nil, err
		}
		signature, err := key.Sign(rand.Reader, message, options)
		if err != nil {
			return nil, err
		}
		for name, content := range map[string][]byte{"public": key.PublicKey().Bytes(), "signature": signature} {
			if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return true, nil
}

// verify says of each folder, by its name, whether its signature is its public key's.
func verify(_ context.Context, folders []string) (any, error) {
	reports := map[string]any{}
	for _, folder := range folders {
		message, options, err := signed(folder)
		if err != nil {
			return nil, err
		}
		parameters, err := parametersOf(folder)
		if err != nil {
			return nil, err
		}
		public, err := os.ReadFile(filepath.Join(folder, "public"))
		if err != nil {
			return nil, err
		}
		key, err := mldsa.NewPublicKey(parameters, public)
		if err != nil {
			return nil, err
		}
		signature, err := os.ReadFile(filepath.Join(folder, "signature"))
		if err != nil {
			return nil, err
		}
		reports[filepath.Base(folder)] = mldsa.Verify(key, message, signature, options) == nil
	}
	return reports, nil
}

func signed(folder string) ([]byte, *mldsa.Options, error) {
	message, err := os.ReadFile(filepath.Join(folder, "message"))
	if err != nil {
		return nil, nil, err
	}
	context, err := os.ReadFile(filepath.Join(folder, "context"))
	return message, &mldsa.Options{Context: string(context)}, err
}
