// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/kernel/rtlink"
)

// Waits for what drivers say: of the first message, and of one that comes when the
// last answers are older than those of who asks all the time.
const (
	firstPorts = 200 * time.Millisecond
	laterPorts = 5 * time.Millisecond
)

// ports are what drivers say of how their links run. A goroutine asks them when
// someone wants to know: some wait for hardware.
type ports struct {
	engine  *Engine
	current atomic.Pointer[map[string]rtlink.Port]

	mu    sync.Mutex
	asked time.Time     // guarded by mu: when the last answers were asked for; zero: never
	turn  chan struct{} // guarded by mu: closed when those that are waited for are there; nil: nobody asks
	late  bool          // guarded by mu: somebody has waited for them in vain
}

func newPorts(e *Engine) *ports { return &ports{engine: e} }

// of returns the last answers. If they are old it has them renewed, which it waits
// for, but not for long, and but once for drivers that hang.
func (s *ports) of(now time.Time) map[string]rtlink.Port {
	period := s.engine.o.SlowPeriod
	s.mu.Lock()
	wait, age := time.Duration(0), now.Sub(s.asked)
	switch {
	case s.asked.IsZero():
		wait = firstPorts
	case age >= period*3/2:
		wait = laterPorts
	}
	if s.turn == nil && age >= period {
		s.turn, s.late = make(chan struct{}), false
		s.engine.running.Go(s.run) // ends with the answers, or by Engine.Close, which waits
	}
	turn := s.turn
	if s.late {
		wait = 0
	}
	s.mu.Unlock()
	if wait > 0 && turn != nil && !s.await(turn, wait) {
		s.mu.Lock()
		s.late = s.turn == turn
		s.mu.Unlock()
	}
	if m := s.current.Load(); m != nil {
		return *m
	}
	return nil
}

// await waits for a turn to be over. It reports false if that takes too long.
func (s *ports) await(turn chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-turn:
		return true
	case <-s.engine.quit:
	case <-t.C:
	}
	return false
}

// run asks all drivers once.
func (s *ports) run() {
	began := time.Now()
	m := make(map[string]rtlink.Port)
	for _, l := range s.engine.links.now().list {
		if !l.Up {
			continue // what it says then is not so
		}
		if port, ok := rtlink.PortOf(l.Name); ok {
			m[l.Name] = port
		}
	}
	s.current.Store(&m)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = began
	close(s.turn)
	s.turn = nil
}

// hostNames are the names of the host's own addresses, as the name service has
// them. Nobody waits for it.
type hostNames struct {
	engine *Engine
	lookup func(context.Context, netip.Addr) ([]string, error)
	gate   chan struct{} // bounds the look-ups

	mu    sync.Mutex
	names map[netip.Addr]*hostName // guarded by mu
}

type hostName struct {
	text    []byte // empty: not known
	until   time.Time
	pending bool
}

// Limits of the name service.
const (
	nameAge     = 10 * time.Minute
	noNameAge   = time.Minute
	nameTimeout = 2 * time.Second
	maxLookups  = 4
	maxHosts    = 1024 // addresses that are remembered
	maxHostName = 255
)

func newHostNames(e *Engine) *hostNames {
	return &hostNames{
		engine: e, lookup: lookupAddress, gate: make(chan struct{}, maxLookups), names: make(map[netip.Addr]*hostName),
	}
}

func lookupAddress(ctx context.Context, a netip.Addr) ([]string, error) {
	return net.DefaultResolver.LookupAddr(ctx, a.String())
}

// of returns the name of an address, nil while it is not known.
func (h *hostNames) of(a netip.Addr, now time.Time) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.names[a]
	if n == nil {
		if len(h.names) >= maxHosts {
			clear(h.names)
		}
		n = new(hostName)
		h.names[a] = n
	}
	if !n.pending && now.After(n.until) {
		n.pending = true
		h.engine.running.Go(func() { h.ask(a) }) // ends after the time-out
	}
	return n.text
}

// ask looks an address up.
func (h *hostNames) ask(a netip.Addr) {
	select {
	case h.gate <- struct{}{}:
	case <-h.engine.quit:
		return
	}
	defer func() { <-h.gate }()
	ctx, cancel := context.WithTimeout(context.Background(), nameTimeout)
	defer cancel()
	found, err := h.lookup(ctx, a)
	n := &hostName{until: time.Now().Add(noNameAge)}
	if err == nil && len(found) > 0 {
		name := strings.TrimSuffix(found[0], ".")
		n.text, n.until = []byte(name[:min(len(name), maxHostName)]), time.Now().Add(nameAge)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[a] = n
}
