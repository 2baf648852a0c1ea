// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/relaytest"
)

// troubles is what happens to datagrams on their way, each with its probability.
type troubles struct {
	loss, twice, late, changed float64
}

// path is a producer's UDP socket behind which there are troubles. The seed
// makes them the same each time, as far as the same is sent.
type path struct {
	net.Conn
	troubles

	mu   sync.Mutex
	rng  *rand.Rand
	held [][]byte // late ones
	lost int
}

func (p *path) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	chance := func(of float64) bool { return p.rng.Float64() < of }
	var out [][]byte
	switch {
	case chance(p.loss):
		p.lost++
	case chance(p.changed):
		c := slices.Clone(b)
		c[p.rng.IntN(len(c))] ^= 1 << p.rng.IntN(8)
		out = append(out, c)
	case chance(p.late):
		p.held = append(p.held, slices.Clone(b))
	case chance(p.twice):
		out = append(out, b, b)
	default:
		out = append(out, b)
	}
	if len(p.held) > p.rng.IntN(20) {
		out = append(out, p.held...)
		p.held = nil
	}
	for _, one := range out {
		if _, err := p.Conn.Write(one); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// byUDP makes a producer whose packets take a path with troubles.
func byUDP(t *testing.T, streams int, how troubles) (*returning, *path) {
	p := newReturning(t, streams)
	way := &path{troubles: how, rng: rand.New(rand.NewPCG(1, 2))}
	p.wrap = func(c net.Conn) net.Conn {
		way.Conn = c
		return way
	}
	p.udp = true
	return p, way
}

// gaps wants each packet either stored, or counted as lost.
func (p *returning) gaps(session string, packets uint64) (lost uint64) {
	p.t.Helper()
	for i, st := range p.data() {
		stored := uint64(0)
		for _, numbers := range relaytest.StoredPackets(p.t, session, "ch_"+strconv.Itoa(i)) {
			last, first := uint64(0), true
			for _, n := range numbers {
				if !first && n <= last {
					p.t.Errorf("stream %d: packet %d behind packet %d", i, n, last)
				}
				last, first = n, false
			}
			stored += uint64(len(numbers))
		}
		if stored+st.Lost() != packets {
			p.t.Errorf("stream %d: %d packets stored, %d lost, want %d together", i, stored, st.Lost(), packets)
		}
		lost += st.Lost()
	}
	return lost
}

func checkDatagramMemory(t *testing.T, r *relaytest.Relay) {
	t.Helper()
	r.WaitSettled()
	if n := r.Server.Counters().DatagramMemory.Load(); n != 0 {
		t.Errorf("%d bytes of datagrams are left", n)
	}
}
