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

// firstPorts is how long the first message waits for what drivers say.
const firstPorts = 200 * time.Millisecond

// ports are what drivers say of how their links run. A goroutine asks them,
// as long as someone wants to know: some wait for hardware.
type ports struct {
	engine  *Engine
	current atomic.Pointer[map[string]rtlink.Port]
	wanted  atomic.Int64 // when, in ns since the engine started
	running atomic.Bool

	first sync.Once
	ready chan struct{} // closed when there were answers
	told  sync.Once
}

func newPorts(e *Engine) *ports { return &ports{engine: e, ready: make(chan struct{})} }

// of returns the last answers, and sees to it that they are renewed. The first call
// waits for them, but not for long.
func (s *ports) of(now time.Time) map[string]rtlink.Port {
	s.wanted.Store(int64(now.Sub(s.engine.started)))
	if s.running.CompareAndSwap(false, true) {
		s.engine.running.Go(s.run) // ends when nobody asks, or by Engine.Close, which waits
	}
	s.first.Do(s.await)
	if m := s.current.Load(); m != nil {
		return *m
	}
	return nil
}

func (s *ports) await() {
	t := time.NewTimer(firstPorts)
	defer t.Stop()
	select {
	case <-s.ready:
	case <-s.engine.quit:
	case <-t.C:
	}
}

func (s *ports) run() {
	defer s.running.Store(false)
	for {
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
		s.told.Do(func() { close(s.ready) })
		idle := time.Since(s.engine.started) - time.Duration(s.wanted.Load())
		if idle > idlePeriods*s.engine.o.SlowPeriod || !s.engine.links.pause(s.engine.o.SlowPeriod) {
			return
		}
	}
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
