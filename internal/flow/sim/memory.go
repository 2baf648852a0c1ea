// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"sync"
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// How long entries live.
const (
	macLife      = 15 * time.Second // after the last use
	arpStale     = 60 * time.Second
	arpExpiry    = 90 * time.Second
	arpRetry     = 10 * time.Second
	arpTimeout   = 60 * time.Second
	stateKeyLife = 60 * time.Second // conntrack and NAT, idle
)

// NewState returns empty tables in memory. Jitter, of 0 to 1, spreads the repetitions
// of ARP requests; nil is none.
func NewState(jitter func() float64) *State {
	return &State{
		MACs: newMACMemory(), ARP: newARPMemory(jitter), Hosts: &hostMemory{m: map[hostKey]packet.MAC{}},
		Conns: newExpiring[ConnKey, struct{}](), NAT: natMemory{newExpiring[NATKey, Binding]()}, Leases: NewLeases(nil),
	}
}

// Expire forgets what is too old in tables of NewState, and gives back the ports of
// translations that ended. Tables of other kinds expire as they like.
func (s *State) Expire(now Instant) {
	if t, ok := s.MACs.(*macMemory); ok {
		t.expire(now)
	}
	if t, ok := s.Conns.(*expiring[ConnKey, struct{}]); ok {
		t.expire(now, func(ConnKey, struct{}) {})
	}
	if t, ok := s.NAT.(natMemory); ok {
		t.expire(now, func(k NATKey, b Binding) { releaseLease(s.Leases, k, b) })
	}
}

// releaseLease gives back what a translation of a source leased.
func releaseLease(l Leaser, k NATKey, b Binding) {
	if k.Kind == ForwardSNAT && k.Proto != packet.ProtoICMP {
		l.Release(k.Device, b, k.destination())
	}
}

// macMemory is a MACTable.
type macMemory struct {
	mu sync.RWMutex
	m  map[Station]*macEntry // guarded by mu; the entries' fields too
}

type macEntry struct {
	port topology.ID
	used Instant
	held int // by flows
}

func newMACMemory() *macMemory { return &macMemory{m: map[Station]*macEntry{}} }

func (t *macMemory) Lookup(s Station) (topology.ID, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.m[s]
	if !ok {
		return topology.ID{}, false
	}
	return e.port, true
}

// macGrain is how exactly the last use of an entry is known. It keeps the lock of
// writers away from frames of stations that are busy.
const macGrain = time.Second

func (t *macMemory) Learn(s Station, port topology.ID, now Instant) Learned {
	t.mu.RLock()
	e, ok := t.m[s]
	current := ok && e.port == port && now-e.used < macGrain
	t.mu.RUnlock()
	if current {
		return Known
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok = t.m[s]
	switch {
	case !ok:
		t.m[s] = &macEntry{port: port, used: now}
		return New
	case e.port != port:
		*e = macEntry{port: port, used: now}
		return Moved
	default:
		e.used = now
		return Known
	}
}

// Hold keeps a station from being forgotten while a flow uses it.
func (t *macMemory) Hold(s Station, port topology.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.m[s]; ok && e.port == port {
		e.held++
	}
}

// Drop ends what Hold began.
func (t *macMemory) Drop(s Station, port topology.ID, now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.m[s]; ok && e.port == port && e.held > 0 {
		e.held--
		e.used = now
	}
}

// expire forgets stations that were not heard of for long.
func (t *macMemory) expire(now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, e := range t.m {
		if e.held == 0 && now-e.used >= macLife {
			delete(t.m, s)
		}
	}
}

// hostMemory is a HostTable.
type hostMemory struct {
	mu sync.RWMutex
	m  map[hostKey]packet.MAC // guarded by mu
}

type hostKey struct {
	bridge topology.ID
	addr   packet.IPv4
}

func (t *hostMemory) Lookup(bridge topology.ID, addr packet.IPv4) (packet.MAC, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	mac, ok := t.m[hostKey{bridge, addr}]
	return mac, ok
}

func (t *hostMemory) Store(bridge topology.ID, addr packet.IPv4, mac packet.MAC) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[hostKey{bridge, addr}] = mac
}

// expiring is a table whose entries are forgotten when they have not been used for
// long. It is a ConnTable.
type expiring[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]expiringEntry[V] // guarded by mu
}

type expiringEntry[V any] struct {
	value V
	used  Instant
}

func newExpiring[K comparable, V any]() *expiring[K, V] {
	return &expiring[K, V]{m: map[K]expiringEntry[V]{}}
}

func (t *expiring[K, V]) get(k K, now Instant) (v V, ok bool) {
	t.mu.RLock()
	e, ok := t.m[k]
	t.mu.RUnlock()
	if !ok || now-e.used >= stateKeyLife {
		return v, false
	}
	return e.value, true
}

func (t *expiring[K, V]) put(k K, v V, now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[k] = expiringEntry[V]{v, now}
}

// expire forgets what was not used for long, and tells of each.
func (t *expiring[K, V]) expire(now Instant, gone func(K, V)) {
	type pair struct {
		k K
		v V
	}
	var old []pair
	t.mu.Lock()
	for k, e := range t.m {
		if now-e.used >= stateKeyLife {
			delete(t.m, k)
			old = append(old, pair{k, e.value})
		}
	}
	t.mu.Unlock()
	for _, p := range old {
		gone(p.k, p.v)
	}
}

func (t *expiring[K, V]) Lookup(k K, now Instant) bool {
	_, ok := t.get(k, now)
	return ok
}

func (t *expiring[K, V]) Store(k K, now Instant) {
	var v V
	t.put(k, v, now)
}

// natMemory is a NATTable.
type natMemory struct{ *expiring[NATKey, Binding] }

func (t natMemory) Lookup(k NATKey, now Instant) (Binding, bool) { return t.get(k, now) }

func (t natMemory) Store(k NATKey, b Binding, now Instant) { t.put(k, b, now) }
