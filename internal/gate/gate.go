// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package gate counts the connections of a server and keeps them below two
// limits: of all, and of those from one address.
//
// At a limit a new connection takes the place of the oldest one that is silent:
// a flood of connections that say nothing keeps nobody out. Which are silent is
// the server's to say, with Wait and Spoke.
package gate

import (
	"container/list"
	"net/netip"
	"sync"
)

// Gate counts connections of type C, a pointer. N is what the server notes for
// an address while that has connections. It may be used by several goroutines.
type Gate[C comparable, N any] struct {
	limit, perPeer int // 0 = no limit

	mu     sync.Mutex
	open   int                    // guarded by mu
	peers  map[netip.Addr]peer[N] // guarded by mu
	silent list.List              // guarded by mu; of silence[C], oldest first
}

// peer is what is known of an address that has connections.
type peer[N any] struct {
	open int
	note N
}

// silence is a silent connection.
type silence[C any] struct {
	peer netip.Addr
	seat *Seat
	conn C
}

// Seat is a connection's place in the gate. The zero value is that of a
// connection that is not silent. It must not be copied once used.
type Seat struct {
	silent *list.Element // guarded by Gate.mu; place among the silent ones
	lost   bool          // guarded by Gate.mu; given to another connection
}

// New makes a gate that lets limit connections in, of them perPeer from one
// address; 0 means no limit.
func New[C comparable, N any](limit, perPeer int) *Gate[C, N] {
	return &Gate[C, N]{limit: limit, perPeer: perPeer, peers: make(map[netip.Addr]peer[N])}
}

// Enter admits a connection, or not. The caller has to close displaced, if that
// is not zero: it made room and is not counted any more. The invalid address,
// of sockets without one, has no limit of its own.
func (g *Gate[C, N]) Enter(from netip.Addr) (displaced C, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.limit > 0 && g.open >= g.limit
	own := g.perPeer > 0 && from.IsValid() && g.peers[from].open >= g.perPeer
	if all || own {
		s, found := g.oldestLocked(from, own)
		if !found {
			return displaced, false
		}
		displaced = s.conn
		s.seat.lost = true
		g.leaveLocked(s.peer)
	}
	g.open++
	p := g.peers[from]
	p.open++
	g.peers[from] = p
	return displaced, true
}

// oldestLocked takes the oldest silent connection off the list, of any address
// or of the given one.
func (g *Gate[C, N]) oldestLocked(from netip.Addr, own bool) (silence[C], bool) {
	for e := g.silent.Front(); e != nil; e = e.Next() {
		if s := e.Value.(silence[C]); !own || s.peer == from {
			g.silent.Remove(e)
			s.seat.silent = nil
			return s, true
		}
	}
	return silence[C]{}, false
}

// Wait says that a connection is silent from now on.
func (g *Gate[C, N]) Wait(from netip.Addr, seat *Seat, c C) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if seat.silent == nil && !seat.lost {
		seat.silent = g.silent.PushBack(silence[C]{from, seat, c})
	}
}

// Spoke says that a connection is not silent any more. It reports whether that
// still has its place.
func (g *Gate[C, N]) Spoke(seat *Seat) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spokeLocked(seat)
	return !seat.lost
}

func (g *Gate[C, N]) spokeLocked(seat *Seat) {
	if seat.silent != nil {
		g.silent.Remove(seat.silent)
		seat.silent = nil
	}
}

// Leave says that a connection has ended. One that lost its place is not
// counted any more.
func (g *Gate[C, N]) Leave(from netip.Addr, seat *Seat) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spokeLocked(seat)
	if !seat.lost {
		seat.lost = true
		g.leaveLocked(from)
	}
}

func (g *Gate[C, N]) leaveLocked(from netip.Addr) {
	g.open--
	p := g.peers[from]
	if p.open--; p.open <= 0 {
		delete(g.peers, from)
		return
	}
	g.peers[from] = p
}

// Note keeps a note for an address, until its last connection has left.
func (g *Gate[C, N]) Note(from netip.Addr, note N) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, known := g.peers[from]; known {
		p.note = note
		g.peers[from] = p
	}
}

// Noted returns the last note for an address, or the zero value.
func (g *Gate[C, N]) Noted(from netip.Addr) N {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.peers[from].note
}
