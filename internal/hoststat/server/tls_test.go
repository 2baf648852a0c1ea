// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
)

// identity is a certificate that signs itself, in files.
type identity struct {
	cert, key string
	pair      tls.Certificate
	pool      *x509.CertPool
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id := identity{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	for path, text := range map[string][]byte{id.cert: certPEM, id.key: keyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if id.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	id.pool.AppendCertsFromPEM(certPEM)
	return id
}

// dialTLS returns a client after the handshake, or the error of the session: with
// TLS 1.3 a server refuses a client after that has the handshake behind it.
func (h *host) dialTLS(t *testing.T, c *tls.Config) (*client, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", h.at.String(), c)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "init\nsend\n"); err != nil {
		return nil, err
	}
	got := newClient(t, conn)
	_, _, err = readFrame(got.in)
	return got, err
}

func TestTLS(t *testing.T) {
	server, known, stranger := newIdentity(t), newIdentity(t), newIdentity(t)
	for _, tt := range []struct {
		name     string
		mutual   bool
		certs    []tls.Certificate
		versions uint16
		ok       bool
	}{
		{name: "no client certificate", ok: true},
		{name: "TLS 1.2", versions: tls.VersionTLS12, ok: true},
		{name: "TLS 1.1", versions: tls.VersionTLS11},
		{name: "mutual", mutual: true, certs: []tls.Certificate{known.pair}, ok: true},
		{name: "mutual without", mutual: true},
		{name: "mutual with a stranger's", mutual: true, certs: []tls.Certificate{stranger.pair}},
	} {
		ca := ""
		if tt.mutual {
			ca = known.cert
		}
		config, err := LoadTLS(server.cert, server.key, ca)
		if err != nil {
			t.Fatal(err)
		}
		h := start(t, Options{TLS: config})
		c, err := h.dialTLS(t, &tls.Config{RootCAs: server.pool, Certificates: tt.certs, MinVersion: tls.VersionTLS10, MaxVersion: tt.versions})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, want a session: %v", tt.name, err, tt.ok)
		}
		if err != nil {
			continue
		}
		// A message of several writes and records, and the end.
		if body := c.ask("on all\nsend\n"); len(body) < 20000 {
			t.Errorf("%s: a message of %d bytes", tt.name, len(body))
		}
		c.say("quit\nrest")
		if got := c.gone(); got != "" {
			t.Errorf("%s: at the end %q", tt.name, got)
		}
	}
}

func TestTLSWithoutTLS(t *testing.T) {
	id := newIdentity(t)
	config, err := LoadTLS(id.cert, id.key, "")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, Options{TLS: config})
	for _, garbage := range []string{"init\nsend\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", strings.Repeat("\x16\x03\x01\x00\x05hello", 1000), "\x16\x03\x03\x00\x00"} {
		c := h.dial(t)
		go func() { // ends with the connection
			_, _ = io.WriteString(c.Conn, garbage)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}()
		if got := c.gone(); strings.Contains(got, "Content-Length") || strings.Contains(got, "xml") {
			t.Errorf("%.20q: %q", garbage, got)
		}
	}
	if h.engine.Traffic.Messages.Load() != 0 {
		t.Error("a message was sent")
	}
}

// A connection that a super-server has accepted is as secure as one of the
// server's own, and as open to others.
func TestServeConn(t *testing.T) {
	id := newIdentity(t)
	config, err := LoadTLS(id.cert, id.key, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		allow string
		tls   *tls.Config
		want  bool
	}{{"", config, true}, {"127.0.0.1", config, true}, {"10.0.0.0/8", config, false}, {"10.0.0.0/8", nil, false}, {"", nil, false}} {
		o := Options{Engine: newEngine(t, hoststat.Options{}), TLS: tt.tls}
		if tt.allow != "" {
			if o.Access, err = ParseAccess(tt.allow); err != nil {
				t.Fatal(err)
			}
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { // received below
			defer close(ended)
			if conn, err := l.Accept(); err == nil {
				New(o).ServeConn(t.Context(), conn)
			}
		}()
		c, err := (&host{at: l.Addr()}).dialTLS(t, &tls.Config{RootCAs: id.pool})
		if (err == nil) != tt.want {
			t.Errorf("allow %q, TLS %v: %v, want a session: %v", tt.allow, tt.tls != nil, err, tt.want)
		}
		if c != nil {
			c.Close()
		}
		<-ended
		l.Close()
	}
}

// A TLS client on a plain port learns at once that it is one.
func TestPlainPortWithTLS(t *testing.T) {
	h := start(t, Options{})
	_, err := tls.Dial("tcp", h.at.String(), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		t.Error("a handshake with a plain port succeeds")
	}
}

func TestLoadTLS(t *testing.T) {
	id := newIdentity(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ cert, key, ca string }{
		{id.cert, "", ""}, {"", id.key, ""}, {"", "", id.cert}, {id.cert, empty, ""}, {id.cert, id.key, empty}, {id.cert, id.key, empty + "x"},
	} {
		if _, err := LoadTLS(tt.cert, tt.key, tt.ca); err == nil {
			t.Errorf("LoadTLS(%q, %q, %q) takes it", tt.cert, tt.key, tt.ca)
		}
	}
	if c, err := LoadTLS("", "", ""); c != nil || err != nil {
		t.Errorf("without files: %v, %v", c, err)
	}
}
