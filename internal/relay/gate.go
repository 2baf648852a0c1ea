// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"container/list"
	"net/netip"
	"sync"
)

// gate counts connections and keeps them below the limits. At a limit a new
// connection takes the place of the oldest one that has not said anything: a
// flood of silent connections keeps nobody out. Data connections are not
// displaced, they are silent until the first packet.
type gate struct {
	limit, perPeer int // 0 = no limit

	mu     sync.Mutex
	open   int                      // guarded by mu
	peers  map[netip.Addr]peerState // guarded by mu
	silent list.List                // guarded by mu; of *controlConn, oldest first
}

// peerState is what is known of an address that has connections.
type peerState struct {
	open   int
	newest *worker // that serves its newest session; nil before the first
}

func newGate(limit, perPeer int) *gate {
	return &gate{limit: limit, perPeer: perPeer, peers: make(map[netip.Addr]peerState)}
}

// served remembers which worker serves the newest session of a peer.
func (g *gate) served(peer netip.Addr, w *worker) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.peers[peer]
	p.newest = w
	g.peers[peer] = p
}

// newest returns the worker of the peer's newest session, or nil. The next
// data connection of that peer is likely to be for it.
func (g *gate) newest(peer netip.Addr) *worker {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.peers[peer].newest
}

// enter admits a connection, or not. The caller has to close displaced, which
// made room for it and is not counted any more.
func (g *gate) enter(peer netip.Addr) (ok bool, displaced *controlConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.limit > 0 && g.open >= g.limit
	own := g.perPeer > 0 && g.peers[peer].open >= g.perPeer
	if all || own {
		if displaced = g.oldestSilentLocked(peer, own); displaced == nil {
			return false, nil
		}
		g.leaveLocked(displaced.peer)
	}
	g.open++
	p := g.peers[peer]
	p.open++
	g.peers[peer] = p
	return true, displaced
}

// oldestSilentLocked takes the oldest silent connection off the list, of any
// peer or of the given one.
func (g *gate) oldestSilentLocked(peer netip.Addr, own bool) *controlConn {
	for e := g.silent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*controlConn); !own || c.peer == peer {
			g.silent.Remove(e)
			c.silent = nil
			return c
		}
	}
	return nil
}

// wait lists a connection that has not said anything.
func (g *gate) wait(c *controlConn) {
	g.mu.Lock()
	c.silent = g.silent.PushBack(c)
	g.mu.Unlock()
}

// spoke takes a connection off that list. It reports whether it was on it: if
// not, it has lost its place.
func (g *gate) spoke(c *controlConn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.silent == nil {
		return false
	}
	g.silent.Remove(c.silent)
	c.silent = nil
	return true
}

func (g *gate) leave(peer netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveLocked(peer)
}

func (g *gate) leaveLocked(peer netip.Addr) {
	g.open--
	p := g.peers[peer]
	if p.open--; p.open <= 0 {
		delete(g.peers, peer)
		return
	}
	g.peers[peer] = p
}
