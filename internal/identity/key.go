// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Kinds of PEM blocks.
const (
	keyBlock         = "PRIVATE KEY"
	certificateBlock = "CERTIFICATE"
	requestBlock     = "CERTIFICATE REQUEST"
)

// NewKey makes a key, ECDSA on P-256.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// KeyFingerprint is KeyOf for who has the key and no certificate yet.
func KeyFingerprint(key *ecdsa.PrivateKey) (Fingerprint, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return Fingerprint{}, fmt.Errorf("key: %w", err)
	}
	return sha256.Sum256(der), nil
}

// EncodeKey returns a key as PEM.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// DecodeKey reads a key as EncodeKey writes it, and returns what follows.
func DecodeKey(text []byte) (*ecdsa.PrivateKey, []byte, error) {
	der, rest, err := block(text, keyBlock)
	if err != nil {
		return nil, nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, nil, fmt.Errorf("key: got %T, want ECDSA on P-256", any)
	}
	return key, rest, nil
}

// EncodeCertificate returns a certificate as PEM.
func EncodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw})
}

// DecodeCertificate reads one certificate as PEM, and returns what follows.
func DecodeCertificate(text []byte) (*x509.Certificate, []byte, error) {
	der, rest, err := block(text, certificateBlock)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	return c, rest, nil
}

// NewRequest makes a request for a certificate. It has no name: who signs decides.
func NewRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: requestBlock, Bytes: der}), nil
}

// DecodeRequest reads a request whose sender has shown to have the key. Of what it
// says nothing but the key is of use.
func DecodeRequest(text []byte) (*ecdsa.PublicKey, Fingerprint, error) {
	der, rest, err := block(text, requestBlock)
	if err == nil && len(rest) > 0 {
		err = errors.New("there is more behind it")
	}
	if err != nil {
		return nil, Fingerprint{}, fmt.Errorf("certificate request: %w", err)
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, Fingerprint{}, fmt.Errorf("certificate request: %w", err)
	}
	key, ok := r.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, Fingerprint{}, fmt.Errorf("certificate request: got a key of %v, want ECDSA on P-256", r.PublicKeyAlgorithm)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, Fingerprint{}, fmt.Errorf("certificate request: %w", err)
	}
	return key, sha256.Sum256(r.RawSubjectPublicKeyInfo), nil
}

// block reads a PEM block that text begins with.
func block(text []byte, kind string) (der, rest []byte, err error) {
	b, rest := pem.Decode(text)
	switch {
	case b == nil:
		return nil, nil, fmt.Errorf("no PEM block, want %s", kind)
	case b.Type != kind || len(b.Headers) > 0:
		return nil, nil, fmt.Errorf("PEM block %.40q, want %s", b.Type, kind)
	}
	return b.Bytes, rest, nil
}
