// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// epoch is when the tests are.
var epoch = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func atEpoch() time.Time { return epoch }

// authority signs for the tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: key(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.make(template, template, a.key)
	return a
}

// make signs a certificate for a key.
func (a *authority) make(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// grant makes credentials of a peer.
func (a *authority) grant(p Peer, change ...func(*x509.Certificate)) Credentials {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(90 * time.Hour),
		URIs: []*url.URL{p.URI()}, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	for _, c := range change {
		c(template)
	}
	k := key(a.t)
	return Credentials{Key: k, Certificate: a.make(template, a.cert, k), Authority: a.cert}
}

func (a *authority) member(role Role, name string, change ...func(*x509.Certificate)) *Member {
	a.t.Helper()
	m, err := NewMember(a.grant(Peer{role, name}, change...), atEpoch)
	if err != nil {
		a.t.Fatal(err)
	}
	return m
}

// meet has a client and a server make a handshake and send each other a byte, and returns
// what each of them says of it.
func meet(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	l := listen(t)
	done := make(chan error, 1)
	go func() { // received below
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		done <- exchange(tls.Server(conn, server))
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	clientErr = exchange(tls.Client(conn, client))
	conn.Close()
	return clientErr, <-done
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// exchange writes a byte and reads one.
func exchange(conn *tls.Conn) error {
	if err := conn.Handshake(); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	var b [1]byte
	_, err := io.ReadFull(conn, b[:])
	return err
}
