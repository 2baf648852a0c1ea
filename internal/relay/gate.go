// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"sync"
)

// gate counts connections and refuses those above the limits.
type gate struct {
	limit, perPeer int // 0 = no limit

	mu    sync.Mutex
	open  int                // guarded by mu
	peers map[netip.Addr]int // guarded by mu
}

func newGate(limit, perPeer int) *gate {
	return &gate{limit: limit, perPeer: perPeer, peers: make(map[netip.Addr]int)}
}

func (g *gate) enter(peer netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit > 0 && g.open >= g.limit || g.perPeer > 0 && g.peers[peer] >= g.perPeer {
		return false
	}
	g.open++
	g.peers[peer]++
	return true
}

func (g *gate) leave(peer netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.peers[peer]--; g.peers[peer] <= 0 {
		delete(g.peers, peer)
	}
}
