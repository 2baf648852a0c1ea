// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a registry.
const (
	DefaultLease  = 30 * time.Second
	DefaultForget = time.Hour
	DefaultMax    = 16384
)

// Refusals.
var (
	ErrTaken   = errors.New("a living agent of another address has this name")
	ErrFull    = errors.New("as many hosts as are allowed are known")
	ErrForeign = errors.New("only its own agent may do that")
	ErrFixed   = errors.New("the host is in the hub's configuration")
	ErrUnknown = errors.New("no such host")
)

// Options are what a registry is made of.
type Options struct {
	Allow  Networks
	Lease  time.Duration // without a renewal a host is lost; 0: DefaultLease
	Forget time.Duration // a lost host is forgotten; 0: DefaultForget
	Max    int           // hosts by registration; 0: DefaultMax
	Now    func() time.Time
	Log    *slog.Logger

	// Changed is called after hosts have come, gone or moved. It runs without a lock,
	// on the goroutine of who has changed something, and must not block.
	Changed func()
}

// Registry knows hosts. It may be used by any number of goroutines.
type Registry struct {
	o Options

	// Counters.
	Renewals atomic.Uint64 // registrations taken, again included
	Refused  atomic.Uint64

	mu         sync.Mutex
	hosts      map[string]*Host // guarded by mu
	registered int              // guarded by mu: hosts that are not configured
}

// New returns a registry without hosts.
func New(o Options) *Registry {
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.Forget <= 0 {
		o.Forget = DefaultForget
	}
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Registry{o: o, hosts: make(map[string]*Host)}
}

// Lease is how long a registration lasts.
func (r *Registry) Lease() time.Duration { return r.o.Lease }

// Allows tells whether a peer may register.
func (r *Registry) Allows(peer netip.Addr) bool { return r.o.Allow.Contain(peer) }

// AllowsCertified tells whether a peer may that has a certificate: from anywhere, unless
// somebody has said from where.
func (r *Registry) AllowsCertified(peer netip.Addr) bool {
	return !r.o.Allow.Given() || r.o.Allow.Contain(peer)
}

// Configure says which hosts are known without an agent. They stay until it is called
// again; those that are as they were then are not disturbed.
func (r *Registry) Configure(list ...Registration) {
	r.mu.Lock()
	now := r.o.Now()
	named := make(map[string]bool, len(list))
	for _, reg := range list {
		named[reg.Name] = true
		h := r.hosts[reg.Name]
		if h != nil && h.fixed && h.Address == reg.Address && h.TLS == reg.TLS && h.Group == reg.Group {
			continue
		}
		if h != nil && !h.fixed {
			r.registered--
		}
		r.hosts[reg.Name] = &Host{Registration: reg, Since: now, fixed: true}
	}
	for name, h := range r.hosts {
		if h.fixed && !named[name] {
			delete(r.hosts, name)
		}
	}
	r.mu.Unlock()
	r.o.Changed()
}

// Register takes a registration, or renews one. Errors are those of this package,
// wrapped.
func (r *Registry) Register(reg Registration) (Host, error) {
	reg.Peer = reg.Peer.Unmap().WithZone("")
	h, changed, err := r.register(reg)
	if err != nil {
		r.Refused.Add(1)
		return Host{}, fmt.Errorf("register %.64q: %w", reg.Name, err)
	}
	r.Renewals.Add(1)
	if changed {
		r.o.Log.Info("host registered", "host", h.Name, "address", h.Address, "peer", reg.Peer.String())
		r.o.Changed()
	}
	return h, nil
}

func (r *Registry) register(reg Registration) (_ Host, changed bool, err error) {
	if err := checkName(reg.Name); err != nil {
		return Host{}, false, err
	}
	if !r.Allows(reg.Peer) && !reg.Certified {
		return Host{}, false, fmt.Errorf("%w: %v is in none of the networks that may register", ErrForeign, reg.Peer)
	}
	address, problem, err := r.o.Allow.place(reg.Address, reg.Peer)
	if err != nil {
		return Host{}, false, err
	}
	if reg.Feeds, _, err = r.o.Allow.place(reg.Feeds, reg.Peer); err != nil {
		return Host{}, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	h := r.hosts[reg.Name]
	switch {
	case h == nil && r.registered >= r.o.Max:
		return Host{}, false, fmt.Errorf("%w: %d", ErrFull, r.o.Max)
	case h == nil:
		h = &Host{Since: now}
		r.registered++
		r.hosts[reg.Name] = h
	case h.fixed || reg.Certified: // by its certificate it is the one, wherever it is
	case h.Certified:
		return Host{}, false, fmt.Errorf("%w: %v, which has shown a certificate of it", ErrTaken, h.Peer)
	case h.Peer != reg.Peer && now.Sub(h.Seen) <= r.o.Lease:
		return Host{}, false, fmt.Errorf("%w: %v", ErrTaken, h.Peer)
	}
	changed = h.Seen.IsZero()
	h.Seen, h.Version, h.Peer = now, reg.Version, reg.Peer
	if !h.fixed {
		changed = changed || h.Address != address || h.TLS != reg.TLS || h.Group != reg.Group || h.Feeds != reg.Feeds || h.Enrolled != reg.Enrolled
		h.Registration, h.Problem = reg, problem
		h.Address = address
	}
	return r.show(h, now), changed, nil
}

// Remove forgets a host, if it is its own agent or a peer of loopback that asks.
func (r *Registry) Remove(name string, peer netip.Addr) error { return r.removeAs(name, peer, false) }

// RemoveCertified forgets a host whose agent has shown a certificate of its name, or has
// lost it.
func (r *Registry) RemoveCertified(name string, peer netip.Addr) error {
	return r.removeAs(name, peer, true)
}

func (r *Registry) removeAs(name string, peer netip.Addr, certified bool) error {
	err := r.remove(name, peer.Unmap().WithZone(""), certified)
	if err != nil {
		return fmt.Errorf("remove %.64q: %w", name, err)
	}
	r.o.Log.Info("host removed", "host", name, "peer", peer.String())
	r.o.Changed()
	return nil
}

func (r *Registry) remove(name string, peer netip.Addr, certified bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[name]
	switch {
	case h == nil:
		return ErrUnknown
	case !certified && !peer.IsLoopback() && (h.Peer != peer || h.Certified):
		return ErrForeign
	case h.fixed:
		return ErrFixed
	}
	delete(r.hosts, name)
	r.registered--
	return nil
}

// show returns a copy of a host as it is now, r.mu held.
func (r *Registry) show(h *Host, now time.Time) Host {
	c := *h
	switch {
	case h.fixed:
		c.State = Configured
	case now.Sub(h.Seen) > r.o.Lease:
		c.State = Lost
	default:
		c.State = Registered
	}
	return c
}

// Get returns a host.
func (r *Registry) Get(name string) (Host, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[name]
	if h == nil {
		return Host{}, false
	}
	return r.show(h, r.o.Now()), true
}

// List returns all hosts by name.
func (r *Registry) List() []Host {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	list := make([]Host, 0, len(r.hosts))
	for h := range maps.Values(r.hosts) {
		list = append(list, r.show(h, now))
	}
	slices.SortFunc(list, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Run forgets hosts that have been lost for long, until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	tick := time.NewTicker(r.o.Lease)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.Expire()
		}
	}
}

// Expire forgets hosts that have been lost for long, once.
func (r *Registry) Expire() {
	var gone []string
	r.mu.Lock()
	now := r.o.Now()
	for name, h := range r.hosts {
		if !h.fixed && now.Sub(h.Seen) > r.o.Lease+r.o.Forget {
			delete(r.hosts, name)
			r.registered--
			gone = append(gone, name)
		}
	}
	r.mu.Unlock()
	for _, name := range gone {
		r.o.Log.Info("host forgotten: its agent has not renewed", "host", name)
	}
	if len(gone) > 0 {
		r.o.Changed()
	}
}
