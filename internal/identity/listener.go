// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
)

// tracked is an accepted connection below TLS, which is closed when its peer is
// expelled.
type tracked struct {
	net.Conn
	m    *Member
	key  Fingerprint // guarded by m.mu, with its place in m.open
	once sync.Once
}

// Close closes the connection.
func (c *tracked) Close() error {
	c.once.Do(func() {
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		delete(c.m.open, c)
	})
	return c.Conn.Close()
}

// Secure puts TLS on an accepted connection: a peer that check finds good is served until
// it is expelled.
func (m *Member) Secure(conn net.Conn, check func(Peer) error) *tls.Conn {
	c := &tracked{Conn: conn, m: m}
	cfg := m.Server(check)
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if err := verify(s); err != nil {
			return err
		}
		key := KeyOf(s.PeerCertificates[0])
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.refused[key] { // since it was verified
			return ErrRefused
		}
		c.key = key
		m.open[c] = struct{}{}
		return nil
	}
	return tls.Server(c, cfg)
}

// Listen makes a listener one by TLS, as Secure does with each connection.
func (m *Member) Listen(l net.Listener, check func(Peer) error) net.Listener {
	return &listener{l, m, check}
}

type listener struct {
	net.Listener
	m     *Member
	check func(Peer) error
}

// Accept returns a connection before its handshake.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.m.Secure(conn, l.check), nil
}

// Refuse says whom the hub has expelled, by their keys: their connections are closed, and
// no more are taken. It replaces what was said before, and tells whether that was
// another list.
func (m *Member) Refuse(keys []Fingerprint) (changed bool) {
	refused := make(map[Fingerprint]bool, len(keys))
	for _, k := range keys {
		refused[k] = true
	}
	var cut []*tracked
	m.mu.Lock()
	changed = len(refused) != len(m.refused)
	for k := range refused {
		changed = changed || !m.refused[k]
	}
	m.refused = refused
	for c := range m.open {
		if refused[c.key] {
			cut = append(cut, c)
		}
	}
	m.mu.Unlock()
	for _, c := range cut {
		_ = c.Close() // it is the peer's no more, whatever the kernel says
	}
	return changed
}

// Refused returns whom the hub has expelled.
func (m *Member) Refused() []Fingerprint {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Fingerprint, 0, len(m.refused))
	for k := range m.refused {
		list = append(list, k)
	}
	return list
}

// String tells who it is.
func (m *Member) String() string { return fmt.Sprint(m.peer) }
