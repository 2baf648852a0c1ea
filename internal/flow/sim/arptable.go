// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"sync"
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// arpMemory is an ARPTable that knows which requests are to be repeated and which
// were given up.
type arpMemory struct {
	jitter func() float64

	mu      sync.RWMutex
	entries map[Neighbour]arpEntry // guarded by mu
	asked   map[Neighbour]*arpLoop // guarded by mu
}

type arpEntry struct {
	mac    packet.MAC
	stored Instant
}

// arpLoop is a request that is repeated until it is answered or given up.
type arpLoop struct {
	port    topology.ID
	begun   Instant
	next    Instant
	factor  float64 // of the time to the next
	retries int
}

func newARPMemory(jitter func() float64) *arpMemory {
	if jitter == nil {
		jitter = func() float64 { return 0.5 }
	}
	return &arpMemory{jitter: jitter, entries: map[Neighbour]arpEntry{}, asked: map[Neighbour]*arpLoop{}}
}

func (t *arpMemory) Lookup(n Neighbour, now Instant) (packet.MAC, Freshness) {
	t.mu.RLock()
	e, ok := t.entries[n]
	t.mu.RUnlock()
	switch age := now - e.stored; {
	case !ok || age >= arpExpiry:
		return packet.MAC{}, Unknown
	case age >= arpStale:
		return e.mac, Stale
	default:
		return e.mac, Fresh
	}
}

func (t *arpMemory) Store(n Neighbour, mac packet.MAC, now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries[n] = arpEntry{mac, now}
	delete(t.asked, n)
}

func (t *arpMemory) Ask(n Neighbour, port topology.ID, now Instant) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.asked[n]; ok && now-l.begun < arpTimeout {
		return false
	}
	const low, gap = 0.75, 0.5
	l := &arpLoop{port: port, begun: now, factor: low + gap*t.jitter()}
	l.wait(now)
	t.asked[n] = l
	return true
}

// wait sets the time of the next request, each later than the one before.
func (l *arpLoop) wait(now Instant) {
	const growth = 0.1
	l.next = now + Instant(float64(arpRetry)*(l.factor+growth*float64(l.retries)))
	l.retries++
}

// ARPRequest is a request that is due.
type ARPRequest struct {
	Neighbour
	Port topology.ID
}

// Due returns the requests that are to be sent again now, the addresses that were
// given up, and when to ask next.
func (t *arpMemory) Due(now Instant) (again []ARPRequest, failed []Neighbour, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = arpRetry
	for n, l := range t.asked {
		if now-l.begun >= arpTimeout {
			failed = append(failed, n)
			delete(t.asked, n)
			continue
		}
		if l.next <= now {
			again = append(again, ARPRequest{n, l.port})
			l.wait(now)
		}
		next = min(next, l.next-now, l.begun+arpTimeout-now)
	}
	return again, failed, next
}
