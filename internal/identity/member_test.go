// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Who meets whom, and what is said to who may not.
func TestMembersMeet(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	hub, host, monitor := ours.member(Hub, "h"), ours.member(Host, "n1"), ours.member(Monitor, "bob")
	ended := func(c *x509.Certificate) { c.NotAfter = epoch.Add(-time.Minute) }
	early := func(c *x509.Certificate) { c.NotBefore = epoch.Add(time.Minute) }
	toHub, toHost := Expect(Hub, ""), Expect(Host, "n1")
	for _, tt := range []struct {
		name                 string
		client               *tls.Config
		server               *tls.Config
		clientErr, serverErr error // errors.Is
	}{
		{"hub calls host", hub.Client(toHost), host.Server(AnyOf(Hub, Monitor)), nil, nil},
		{"monitor calls host", monitor.Client(toHost), host.Server(AnyOf(Hub, Monitor)), nil, nil},
		{"host calls hub", host.Client(toHub), hub.Server(AnyOf(Host)), nil, nil},
		{"host calls a hub that looks later", host.Client(toHub), hub.Server(nil), nil, nil},
		{"host calls host", ours.member(Host, "n2").Client(toHost), host.Server(AnyOf(Hub, Monitor)), nil, ErrRole},
		{"host passes for the hub", host.Client(toHub), ours.member(Host, "h").Server(AnyOf(Host)), ErrRole, nil},
		{"another host answers", hub.Client(toHost), ours.member(Host, "n2").Server(AnyOf(Hub)), ErrRole, nil},
		{"a hub of another authority calls", other.member(Hub, "h").Client(toHost), host.Server(AnyOf(Hub)), ErrForeign, nil},
		{"a host of another authority answers", hub.Client(toHost), other.member(Host, "n1").Server(AnyOf(Hub)), ErrForeign, nil},
		{"the authority itself answers", hub.Client(toHost), foreignServer(Credentials{Key: ours.key, Certificate: ours.cert}), ErrNoPeer, nil},
		{"ended", ours.member(Monitor, "bob", ended).Client(toHost), host.Server(AnyOf(Monitor)), nil, ErrEnded},
		{"not begun", ours.member(Monitor, "bob", early).Client(toHost), host.Server(AnyOf(Monitor)), nil, ErrNotBegun},
		{"hub's has ended", host.Client(toHub), ours.member(Hub, "h", ended).Server(nil), ErrEnded, nil},
	} {
		clientErr, serverErr := meet(t, tt.client, tt.server)
		check := func(side string, got, want error, others bool) {
			if want != nil && !errors.Is(got, want) || want == nil && !others && got != nil {
				t.Errorf("%s: %s: got %v, want %v", tt.name, side, got, want)
			}
		}
		check("client", clientErr, tt.clientErr, tt.serverErr != nil)
		check("server", serverErr, tt.serverErr, tt.clientErr != nil)
		if tt.clientErr != nil || tt.serverErr != nil {
			if clientErr == nil || serverErr == nil {
				t.Errorf("%s: one of them goes on: %v, %v", tt.name, clientErr, serverErr)
			}
		}
	}
	older := hub.Client(toHost)
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if clientErr, serverErr := meet(t, older, host.Server(AnyOf(Hub))); clientErr == nil || serverErr == nil {
		t.Errorf("TLS 1.2: %v, %v", clientErr, serverErr)
	}
	bare := &tls.Config{InsecureSkipVerify: true}
	if clientErr, serverErr := meet(t, bare, host.Server(AnyOf(Hub))); clientErr == nil || serverErr == nil {
		t.Errorf("without a certificate: %v, %v", clientErr, serverErr)
	}
}

// foreignServer serves with whatever certificate.
func foreignServer(c Credentials) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Certificate.Raw}, PrivateKey: c.Key}}}
}

// A hub is known by the hash of its authority; whoever is between gets not a byte behind
// the handshake.
func TestPinned(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	var found *x509.Certificate
	pinned := func() *tls.Config {
		found = nil
		return Pinned(AuthorityOf(ours.cert), atEpoch, func(c *x509.Certificate) { found = c })
	}
	if clientErr, serverErr := meet(t, pinned(), ours.member(Hub, "h").Server(nil)); clientErr != nil || serverErr != nil || !found.Equal(ours.cert) {
		t.Errorf("%v, %v, %v", clientErr, serverErr, found)
	}
	both := other.grant(Peer{Hub, "h"})
	for name, tt := range map[string]struct {
		server *tls.Config
		want   error
	}{
		"another authority": {other.member(Hub, "h").Server(nil), ErrForeign},
		"a host of it":      {ours.member(Host, "n1").Server(nil), ErrRole},
		// It shows the certificate that is pinned beside its own.
		"another authority with ours beside": {&tls.Config{Certificates: []tls.Certificate{{
			Certificate: [][]byte{both.Certificate.Raw, ours.cert.Raw}, PrivateKey: both.Key,
		}}}, ErrForeign},
	} {
		clientErr, serverErr := meet(t, pinned(), tt.server)
		if !errors.Is(clientErr, tt.want) || serverErr == nil || found != nil {
			t.Errorf("%s: client %v, server %v, found %v; want %v", name, clientErr, serverErr, found, tt.want)
		}
	}
}

// A certificate is replaced between two handshakes, by one of the same peer only.
func TestSet(t *testing.T) {
	ours := newAuthority(t)
	m := ours.member(Host, "n1")
	next := ours.grant(Peer{Host, "n1"})
	if err := m.Set(next); err != nil {
		t.Fatal(err)
	}
	var seen *x509.Certificate
	hub := ours.member(Hub, "h")
	cfg := hub.Client(func(Peer) error { return nil })
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(s tls.ConnectionState) error { seen = s.PeerCertificates[0]; return verify(s) }
	if err, _ := meet(t, cfg, m.Server(AnyOf(Hub))); err != nil || !seen.Equal(next.Certificate) {
		t.Errorf("%v, %v", err, seen)
	}
	strange := next
	strange.Key = key(t)
	for name, c := range map[string]Credentials{
		"another name": ours.grant(Peer{Host, "n2"}), "another role": ours.grant(Peer{Monitor, "n1"}),
		"another key": strange, "another authority": {Key: next.Key, Certificate: next.Certificate, Authority: newAuthority(t).cert},
	} {
		if err := m.Set(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Who is expelled is cut off, and not let in again; others stay.
func TestRefuse(t *testing.T) {
	ours := newAuthority(t)
	host, bob, eve := ours.member(Host, "n1"), ours.member(Monitor, "bob"), ours.member(Monitor, "eve")
	inner := listen(t)
	l := host.Listen(inner, AnyOf(Monitor))
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // to its end
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() }) // after those of the callers
	call := func(m *Member) *tls.Conn {
		conn, err := tls.Dial("tcp", inner.Addr().String(), m.Client(Expect(Host, "n1")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	echo := func(conn *tls.Conn) error {
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		var b [1]byte
		_, err := io.ReadFull(conn, b[:])
		return err
	}
	b, e := call(bob), call(eve)
	if err := errors.Join(echo(b), echo(e)); err != nil {
		t.Fatal(err)
	}
	if !host.Refuse([]Fingerprint{KeyOf(eve.Credentials().Certificate)}) || host.Refuse(host.Refused()) {
		t.Error("a list that is new is not, or one that is not is")
	}
	if _, err := host.Verify([]*x509.Certificate{eve.Credentials().Certificate}); !errors.Is(err, ErrRefused) {
		t.Errorf("the expelled one's certificate: %v", err)
	}
	var one [1]byte
	if _, err := io.ReadFull(e, one[:]); err == nil {
		t.Error("the expelled one reads on")
	}
	if err := echo(b); err != nil {
		t.Errorf("the other one: %v", err)
	}
	if err := echo(call(eve)); err == nil {
		t.Error("the expelled one is let in again")
	}
	host.Refuse(nil)
	if err := echo(call(eve)); err != nil {
		t.Errorf("the one that may again: %v", err)
	}
	b.Close()
}

// A peer that may speak plain does, or by TLS.
func TestSniff(t *testing.T) {
	ours := newAuthority(t)
	host, hub := ours.member(Host, "n1"), ours.member(Hub, "h")
	serve := func(check func(Peer) error) (net.Conn, <-chan error) {
		l := listen(t)
		done := make(chan error, 1)
		go func() { // received by the caller
			raw, err := l.Accept()
			if err != nil {
				done <- err
				return
			}
			conn := host.Sniff(raw, check)
			defer conn.Close()
			if _, err := conn.Write([]byte("early")); !errors.Is(err, errUndecided) {
				t.Errorf("written before the peer has said how it speaks: %v", err)
			}
			var b [5]byte
			if _, err = io.ReadFull(conn, b[:]); err == nil {
				_, err = conn.Write(bytes.ToUpper(b[:]))
			}
			done <- err
		}()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn, done
	}
	say := func(conn net.Conn) string {
		if _, err := io.WriteString(conn, "hello"); err != nil {
			return err.Error()
		}
		b, err := io.ReadAll(conn)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	plain, done := serve(AnyOf(Hub))
	if got := say(plain); got != "HELLO" || <-done != nil {
		t.Errorf("plain: %q", got)
	}
	raw, done := serve(AnyOf(Hub))
	if got := say(tls.Client(raw, hub.Client(Expect(Host, "n1")))); got != "HELLO" || <-done != nil {
		t.Errorf("TLS: %q", got)
	}
	raw, done = serve(AnyOf(Monitor))
	if got := say(tls.Client(raw, hub.Client(Expect(Host, "n1")))); got == "HELLO" || !errors.Is(<-done, ErrRole) {
		t.Errorf("another role: %q", got)
	}
	raw, done = serve(AnyOf(Hub))
	raw.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("silent: %v", err)
	}
}

func TestPeerOf(t *testing.T) {
	uri := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	p, err := PeerOf(&x509.Certificate{URIs: []*url.URL{uri("weir://host/node-1.example_:7")}})
	if err != nil || p != (Peer{Host, "node-1.example_:7"}) {
		t.Errorf("%v, %v", p, err)
	}
	for _, bad := range [][]*url.URL{
		nil,
		{uri("weir://host/a"), uri("weir://host/a")},
		{uri("weir://chief/a")},
		{uri("weir://host/")},
		{uri("weir://host")},
		{uri("http://host/a")},
		{uri("weir://host/a/b")},
		{uri("weir://host/a?b")},
		{uri("weir://host/a#b")},
		{uri("weir://x@host/a")},
		{uri("weir://host:1/a")},
		{uri("weir://host/%61")},
		{uri("weir:host/a")},
		{uri("weir://host//a")},
		{uri("weir://host/..")},
	} {
		if p, err := PeerOf(&x509.Certificate{URIs: bad}); !errors.Is(err, ErrNoPeer) {
			t.Errorf("%v: %v, %v", bad, p, err)
		}
	}
}
