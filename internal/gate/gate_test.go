// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// conn stands for a connection.
type conn struct {
	from   netip.Addr
	seat   Seat
	silent bool
}

// house is a gate beside an obvious model of it: the connections that are in,
// the silent ones in the order in which they fell silent.
type house struct {
	gate           *Gate[*conn, int]
	limit, perPeer int
	in, quiet      []*conn
}

func remove(list []*conn, c *conn) []*conn {
	var kept []*conn
	for _, o := range list {
		if o != c {
			kept = append(kept, o)
		}
	}
	return kept
}

func (h *house) from(peer netip.Addr) int {
	n := 0
	for _, c := range h.in {
		if c.from == peer {
			n++
		}
	}
	return n
}

// victim returns who has to make room for a connection of peer, and whether
// that is let in.
func (h *house) victim(peer netip.Addr) (*conn, bool) {
	own := h.perPeer > 0 && peer.IsValid() && h.from(peer) >= h.perPeer
	if !own && (h.limit == 0 || len(h.in) < h.limit) {
		return nil, true
	}
	for _, c := range h.quiet {
		if !own || c.from == peer {
			return c, true
		}
	}
	return nil, false
}

func (h *house) enter(t *rapid.T, peer netip.Addr) {
	want, wantOK := h.victim(peer)
	got, ok := h.gate.Enter(peer)
	if got != want || ok != wantOK {
		t.Fatalf("Enter(%v) = %p, %v, want %p, %v", peer, got, ok, want, wantOK)
	}
	if got != nil {
		h.leave(got)
		if h.gate.Spoke(&got.seat) {
			t.Fatalf("displaced connection of %v still has its place", got.from)
		}
		h.gate.Leave(got.from, &got.seat) // it is closed, and counts no more
	}
	if ok {
		h.in = append(h.in, &conn{from: peer})
	}
}

func (h *house) leave(c *conn) {
	h.in, h.quiet = remove(h.in, c), remove(h.quiet, c)
}

func TestGateLikeItsModel(t *testing.T) {
	peers := []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1")}
	rapid.Check(t, func(t *rapid.T) {
		h := &house{limit: rapid.IntRange(0, 8).Draw(t, "limit"), perPeer: rapid.IntRange(0, 4).Draw(t, "perPeer")}
		h.gate = New[*conn, int](h.limit, h.perPeer)
		one := func(t *rapid.T) *conn {
			if len(h.in) == 0 {
				t.Skip("nobody is in")
			}
			return rapid.SampledFrom(h.in).Draw(t, "connection")
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) { h.enter(t, rapid.SampledFrom(peers).Draw(t, "peer")) },
			"wait": func(t *rapid.T) {
				c := one(t)
				h.gate.Wait(c.from, &c.seat, c)
				if !c.silent {
					h.quiet = append(h.quiet, c)
				}
				c.silent = true
			},
			"spoke": func(t *rapid.T) {
				c := one(t)
				if !h.gate.Spoke(&c.seat) {
					t.Fatalf("connection of %v has lost its place", c.from)
				}
				h.quiet, c.silent = remove(h.quiet, c), false
			},
			"leave": func(t *rapid.T) {
				c := one(t)
				h.leave(c)
				h.gate.Leave(c.from, &c.seat)
			},
			"": func(t *rapid.T) {
				if h.gate.open != len(h.in) || h.gate.silent.Len() != len(h.quiet) {
					t.Fatalf("%d open, %d silent, want %d and %d", h.gate.open, h.gate.silent.Len(), len(h.in), len(h.quiet))
				}
				for _, p := range peers {
					if got, want := h.gate.peers[p].open, h.from(p); got != want {
						t.Fatalf("%d of %v, want %d", got, p, want)
					}
				}
			},
		})
	})
}

// A note lasts as long as its address has connections.
func TestNotes(t *testing.T) {
	g := New[*conn, int](0, 0)
	here := netip.MustParseAddr("127.0.0.1")
	g.Note(here, 1)
	if got := g.Noted(here); got != 0 {
		t.Errorf("note of an address without connections: %d, want 0", got)
	}
	var a, b Seat
	g.Enter(here)
	g.Enter(here)
	g.Note(here, 2)
	g.Leave(here, &a)
	if got := g.Noted(here); got != 2 {
		t.Errorf("note = %d, want 2", got)
	}
	g.Leave(here, &b)
	if got := g.Noted(here); got != 0 {
		t.Errorf("note after the last connection: %d, want 0", got)
	}
}
