// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Credentials are a certificate with its key, and who has signed it.
type Credentials struct {
	Key         *ecdsa.PrivateKey
	Certificate *x509.Certificate
	Authority   *x509.Certificate
}

// Member is a process with a certificate. Its methods may be used by any number of
// goroutines; what it is asked for in a handshake is what it has then.
type Member struct {
	now   func() time.Time
	peer  Peer
	state atomic.Pointer[memberState]

	mu      sync.Mutex
	refused map[Fingerprint]bool  // guarded by mu
	open    map[*tracked]struct{} // guarded by mu: connections of listeners, with the peer's key
}

type memberState struct {
	Credentials
	pair tls.Certificate
}

// NewMember returns who has these credentials. Now is the clock; nil: the machine's.
func NewMember(c Credentials, now func() time.Time) (*Member, error) {
	if now == nil {
		now = time.Now
	}
	m := &Member{now: now, refused: make(map[Fingerprint]bool), open: make(map[*tracked]struct{})}
	peer, err := PeerOf(c.Certificate)
	if err != nil {
		return nil, err
	}
	m.peer = peer
	return m, m.Set(c)
}

// Set replaces the certificate by a newer one of the same peer.
func (m *Member) Set(c Credentials) error {
	peer, err := PeerOf(c.Certificate)
	switch {
	case err != nil:
		return err
	case peer != m.peer:
		return fmt.Errorf("%w: got %s, want %s", ErrRole, peer, m.peer)
	}
	key, err := KeyFingerprint(c.Key)
	if err != nil {
		return err
	}
	if key != KeyOf(c.Certificate) {
		return fmt.Errorf("certificate of %s is for another key", peer)
	}
	if err := c.Certificate.CheckSignatureFrom(c.Authority); err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	m.state.Store(&memberState{Credentials: c, pair: tls.Certificate{
		// With the authority: who has a token knows its hash alone.
		Certificate: [][]byte{c.Certificate.Raw, c.Authority.Raw}, PrivateKey: c.Key, Leaf: c.Certificate,
	}})
	return nil
}

// Peer is who the member is.
func (m *Member) Peer() Peer { return m.peer }

// Credentials are those of now.
func (m *Member) Credentials() Credentials { return m.state.Load().Credentials }

// Verify is [Verify] by the member's authority and clock, without who was expelled.
func (m *Member) Verify(shown []*x509.Certificate) (Peer, error) {
	p, err := Verify(m.state.Load().Authority, shown, m.now())
	if err != nil {
		return Peer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused[KeyOf(shown[0])] {
		return Peer{}, fmt.Errorf("%w: %s", ErrRefused, p)
	}
	return p, nil
}

// Client makes the configuration for calling one that check finds good.
func (m *Member) Client(check func(Peer) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The name of the server is that in its URI: see the package's comment.
		// Everything is checked by VerifyConnection.
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &m.state.Load().pair, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			p, err := m.Verify(s.PeerCertificates)
			if err != nil {
				return fmt.Errorf("who answers: %w", err)
			}
			return check(p)
		},
	}
}

// Server makes the configuration of what serves whoever check finds good; nil: whoever
// comes, with or without a certificate, which is then to be looked at by each request.
func (m *Member) Server(check func(Peer) error) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &m.state.Load().pair, nil },
		ClientAuth:     tls.RequestClientCert,
	}
	if check != nil {
		cfg.ClientAuth = tls.RequireAnyClientCert
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			p, err := m.Verify(s.PeerCertificates)
			if err != nil {
				return fmt.Errorf("who calls: %w", err)
			}
			return check(p)
		}
	}
	return cfg
}

// Pinned makes the configuration for calling a hub of which nothing is known but the
// hash of its authority's certificate. Nothing is sent before it was found good. What
// the hub's authority is, it tells by found.
func Pinned(authority Fingerprint, now func() time.Time, found func(*x509.Certificate)) *tls.Config {
	if now == nil {
		now = time.Now
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does, by the hash
		VerifyConnection: func(s tls.ConnectionState) error {
			for _, c := range s.PeerCertificates {
				if AuthorityOf(c) != authority {
					continue
				}
				p, err := Verify(c, s.PeerCertificates, now())
				if err != nil {
					return fmt.Errorf("hub: %w", err)
				}
				if err := Expect(Hub, "")(p); err != nil {
					return fmt.Errorf("hub: %w", err)
				}
				found(c)
				return nil
			}
			return fmt.Errorf("hub: %w: the token is of the one with the hash %.16s…; nothing was sent", ErrForeign, authority)
		},
	}
}
