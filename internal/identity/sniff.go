// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// handshakeTime bounds handshakes that begin with a read.
const handshakeTime = 5 * time.Second

// tlsRecord is the first byte of a TLS connection: a handshake record. No text begins so.
const tlsRecord = 0x16

// Sniff returns a connection of a peer that may speak by TLS or plain: the first byte
// that it sends decides. By TLS it must be one that check finds good. Nothing can be
// written before something was read.
func (m *Member) Sniff(conn net.Conn, check func(Peer) error) net.Conn {
	return &sniffed{Conn: conn, m: m, check: check}
}

// sniffed is such a connection. Deadlines and Close are those of the connection below,
// whatever lies on it.
type sniffed struct {
	net.Conn
	m     *Member
	check func(Peer) error

	upper atomic.Pointer[net.Conn] // what is read and written; nil: nothing was read yet
}

var errUndecided = errors.New("a peer that has said nothing was written to")

// Read reads what the peer says. The first read makes the handshake, if there is to be one.
func (s *sniffed) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	upper := s.upper.Load()
	if upper == nil {
		var first [1]byte
		if _, err := s.Conn.Read(first[:]); err != nil {
			return 0, err
		}
		if first[0] != tlsRecord {
			s.upper.Store(&s.Conn)
			b[0] = first[0]
			return 1, nil
		}
		t := s.m.Secure(&again{Conn: s.Conn, first: first[:]}, s.check)
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return 0, err
		}
		var conn net.Conn = t
		upper = &conn
		s.upper.Store(upper)
	}
	return (*upper).Read(b)
}

// Write writes to the peer.
func (s *sniffed) Write(b []byte) (int, error) {
	upper := s.upper.Load()
	if upper == nil {
		return 0, errUndecided
	}
	return (*upper).Write(b)
}

// Close closes the connection.
func (s *sniffed) Close() error {
	if upper := s.upper.Load(); upper != nil {
		return (*upper).Close()
	}
	return s.Conn.Close()
}

// again is a connection of which the first bytes were read already.
type again struct {
	net.Conn
	first []byte // owned by who reads
}

// Read reads those bytes first.
func (a *again) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(b)
}
