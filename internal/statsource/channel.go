// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

const (
	// packetAge is how long an event waits for its packet to end where no timer says
	// less.
	packetAge = time.Second
	// primeTimeout bounds the sample that shows what there is to declare. Sections
	// that hang are late by a second each, once.
	primeTimeout = 5 * time.Second
)

// channel is a set of rules with their events, in one stream.
type channel struct {
	// Immutable.
	t    *trace
	d    *declared
	name string
	log  *slog.Logger
	age  uint64 // ns, after which a packet ends
	lag  uint64 // ns, by which events of live sessions may be late; 0: not live
	each bool   // packets end with each sample

	// Owned by the session.
	rules  []*rule
	primed bool               // what there was is declared
	cancel context.CancelFunc // ends the sampler; nil: there is none
	ended  chan struct{}      // closed by the sampler

	active  atomic.Pointer[[]*rule] // that are enabled; the list is not changed
	changed chan struct{}           // has one when active was replaced; never closed
	missed  atomic.Uint64           // times at which a rule was due and nothing was read
	spared  atomic.Uint64           // sections that the host did not read again though they were due

	mu sync.Mutex
	// Guarded by mu.
	shapes shapes
	out    source.Outlet
	lost   string // why events were lost, as last logged
}

func newChannel(t *trace, d *declared, name string, set agent.ChannelSettings) *channel {
	c := &channel{
		t: t, d: d, name: name, log: t.s.log.With("session", t.info.Name, "channel", name),
		age: uint64(packetAge), changed: make(chan struct{}, 1),
	}
	c.out = source.Outlet{Name: name, Class: d.Class(), Settings: set, Now: t.now, Log: c.log}
	if set.SwitchTimer > 0 {
		c.age = min(c.age, uint64(set.SwitchTimer))
	}
	// The consumer tells viewers that what is older than two live timers was sent.
	c.lag = uint64(t.info.LiveTimer / 2)
	c.each = c.lag > 0 || t.info.Mode == agent.Snapshot
	c.shapes.plan = newPlan(t.s.host.Model())
	c.active.Store(new([]*rule))
	return c
}

// AddRule implements source.Channel.
func (c *channel) AddRule(r *agent.EventRule) ([]error, error) {
	made, err := newRule(c.t.s.host, r)
	if err != nil {
		return nil, err
	}
	matches := 0
	newPlan(c.t.s.host.Model()).events(made.sel.Wants, func(*nodeInfo) { matches++ })
	r.Matches = matches
	if c.primed {
		c.prime([]*rule{made})
		if err := c.t.Follow(); err != nil {
			return nil, err
		}
		c.markPublished()
	}
	c.rules = append(c.rules, made)
	c.activate()
	return nil, nil
}

// SetRule implements source.Channel.
func (c *channel) SetRule(r *agent.EventRule, on bool) error {
	for i, old := range c.rules {
		if !old.is(r) {
			continue
		}
		made, err := newRule(c.t.s.host, r) // the sampler may have the old one yet
		if err != nil {
			return err
		}
		made.off = !on
		c.rules[i] = made
		c.activate()
		return nil
	}
	return agent.NewProblem(agent.CodeNoEvent, "no such event rule")
}

// activate gives the sampler the rules that are enabled.
func (c *channel) activate() {
	var on []*rule
	for _, r := range c.rules {
		if !r.off {
			on = append(on, r)
		}
	}
	c.active.Store(&on)
	select {
	case c.changed <- struct{}{}:
	default: // it will look
	}
}

// AddContext implements source.Channel.
func (c *channel) AddContext(name string) error {
	return agent.NewProblem(agent.CodeContextUnavailable, "domain stat has no context "+name)
}

// Periods implements source.Periodic.
func (c *channel) Periods() (least, most time.Duration) { return leastPeriod, mostPeriod }

// Prepare implements source.Channel: it declares what the host has now, which the
// session publishes before anything is recorded.
func (c *channel) Prepare() error {
	if c.primed {
		return nil
	}
	c.primed = true
	c.prime(*c.active.Load())
	c.t.mu.Lock()
	count := c.t.count
	c.t.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shapes.publish(count)
	return nil
}

// prime declares the events of rules as they are now.
func (c *channel) prime(rules []*rule) {
	ctx, cancel := context.WithTimeout(context.Background(), primeTimeout)
	defer cancel()
	s := newSampler(c)
	defer s.reader.Close()
	s.declareOnly = true
	for _, r := range rules {
		s.due, s.raw = append(s.due, r), append(s.raw, r.raw...)
	}
	s.tick(ctx)
}

// markPublished takes note of what the session has published.
func (c *channel) markPublished() {
	c.t.mu.Lock()
	published := c.t.published
	c.t.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shapes.publish(published)
}

// Describe implements source.Channel.
func (c *channel) Describe(*handover.Channel) (*os.File, error) { return nil, nil }

// Streams implements source.Channel: a new socket, for a new consumer.
func (c *channel) Streams() ([]source.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Streams()
}

// Start implements source.Channel.
func (c *channel) Start() error {
	if c.cancel != nil {
		return nil
	}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	c.ended = make(chan struct{})
	s := newSampler(c)
	go func() { // ends by Stop, which waits
		defer close(c.ended)
		defer s.reader.Close()
		s.run(ctx)
	}()
	return nil
}

// Stop implements source.Channel.
func (c *channel) Stop() error {
	if c.cancel == nil {
		return nil
	}
	err := c.t.Follow() // the sampler may be waiting for it
	c.cancel()
	<-c.ended
	c.cancel = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.End() // as in endIfOld; what is told of it goes by a reserve of room
	return errors.Join(err, c.out.Tell())
}

// write writes an event at a time, or when the one before was. The caller holds mu.
func (c *channel) write(ev *event, sh *shape, at uint64) {
	w := c.out.Writer()
	if w == nil {
		return
	}
	if err := ev.write(w.Event(sh.class, max(at, w.Now()))); err != nil {
		c.lose(err)
		return
	}
	c.out.Wrote()
}

// lose counts an event that was not written, and logs why if it is not the consumer
// and not what was logged last. The caller holds mu.
func (c *channel) lose(err error) {
	c.out.Lose(1)
	if text := err.Error(); !c.out.Full() && c.lost != text {
		c.lost = text
		c.log.Warn("events are lost", "err", err)
	}
}

// endIfOld ends the packet if it would be too old at the next sample. The caller
// holds mu.
func (c *channel) endIfOld(next uint64) {
	if since, _ := c.out.Open(); !c.each && next < since+c.age {
		return
	}
	_ = c.out.End() // a packet that is lost is counted, and told in the next one
}

// warnings are what a user should know.
func (c *channel) warnings() (all []string) {
	if n := c.missed.Load(); n > 0 {
		all = append(all, fmt.Sprintf("domain stat, channel %s: %d samples were left out, as the host was too busy to take them in time", c.name, n))
	}
	if n := c.spared.Load(); n > 0 {
		all = append(all, fmt.Sprintf("domain stat, channel %s: %d times a costly section was not read again, to keep the budget of host statistics", c.name, n))
	}
	return all
}

func (c *channel) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Close()
}
