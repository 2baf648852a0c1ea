// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/xmlsysd"
)

// Bounds of the period.
const (
	MinDelay     = 500 * time.Millisecond
	MaxDelay     = time.Minute
	DefaultDelay = 5 * time.Second
)

// Config says how to watch.
type Config struct {
	Delay   time.Duration // the period; 0: DefaultDelay. Below MinDelay is for tests
	Sync    bool          // all hosts are due at once
	Want    Want
	Select  []string // selectors of xmlsysd that hosts are asked for besides, for OnMessage
	Mask    string   // of processes, as the command task has it; "": those that do something
	Points  int      // of history at the period of polling; -1: none
	Minutes int      // of history; -1: none
	TLS     *tls.Config
	// Enrolled makes the configuration for a host of a name that has joined the hub; nil:
	// TLS is that, too.
	Enrolled func(name string) *tls.Config
	// Compress says whether messages are asked for compressed; "": CompressAuto.
	Compress Compression
	// RTT tells how far away the peer of a socket is; nil: as the kernel has found.
	RTT   func(fd int) time.Duration
	Rules []alarm.Rule
	// Triggers have hosts send a message when tasks wait, for alarms by
	// [StallCondition]. At most 8: daemons take no more.
	Triggers []xmlsysd.Trigger
	Limit    int            // bytes of a message; 0: xmlsysd.MaxMessage
	Jitter   func() float64 // in [0, 1); nil: at random

	// OnAlarm hears of alarms that begin and cease to fire, OnMessage of each
	// message, valid until it returns, OnState of changes of state. They run on the
	// loop and must not block, and not call back.
	OnAlarm   func(Event)
	OnMessage func(h *Host, body []byte)
	OnState   func(h *Host, before State)
}

// Event is an alarm that began or ceased to fire.
type Event struct {
	Time  time.Time
	Host  string
	Rule  *alarm.Rule
	State alarm.State
	Value float64 // what the first name in the rule came to
}

// Cluster watches hosts.
type Cluster struct {
	// Immutable after New.
	cfg   Config
	loop  *epoll.Loop
	slots *slots

	// Owned by the loop.
	reading  *xmlsysd.Reading
	buffer   []byte
	want     Want   // base and what rules need
	base     Want   // of SetWant
	mask     string // of processes
	triggers []trigger
	plans    map[planKey]string // lines that begin sessions; emptied when what they depend on changes
	unpacker *xmlsysd.Unpacker
	wheel    [wheelSlots][]*Host
	slot     int
	turn     time.Time // when the current turn of the wheel began
	tick     *epoll.Timer
	asked    []*link // whose answers are read together
	spare    []*link // the memory of the next ones
	queue    []*Host // in line to be dialled
	dialing  int
	resolved sync.WaitGroup // goroutines of names and TLS
	ctx      context.Context

	changed chan struct{} // of one place, never closed: View shows something else

	mu    sync.Mutex
	hosts []*Host       // guarded by mu, written by the loop only
	rules []alarm.Rule  // guarded by mu, written by the loop only; the list is not changed
	delay time.Duration // guarded by mu, written by the loop only
	log   []Event       // guarded by mu: the last ones
}

// maxLog bounds the events that are kept.
const maxLog = 1000

// New makes a cluster without hosts. It must be run, or closed by running it with
// a context that has ended.
func New(cfg Config) (*Cluster, error) {
	if cfg.Delay == 0 {
		cfg.Delay = DefaultDelay
	}
	if cfg.Points == 0 {
		cfg.Points = PointCount
	}
	if cfg.Minutes == 0 {
		cfg.Minutes = MinuteCount
	}
	if cfg.Limit == 0 {
		cfg.Limit = xmlsysd.MaxMessage
	}
	if cfg.Compress == "" {
		cfg.Compress = CompressAuto
	}
	if cfg.RTT == nil {
		cfg.RTT = roundTrip
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	loop, err := epoll.New()
	if err != nil {
		return nil, fmt.Errorf("watch hosts: %w", err)
	}
	c := &Cluster{
		cfg: cfg, loop: loop, slots: newSlots(), base: cfg.Want, want: cfg.Want | wantOf(cfg.Rules), mask: cfg.Mask, rules: cfg.Rules, delay: cfg.Delay,
		buffer: make([]byte, 256<<10), plans: make(map[planKey]string), unpacker: xmlsysd.NewUnpacker(cfg.Limit), changed: make(chan struct{}, 1),
	}
	c.reading = xmlsysd.NewReading(&c.slots.all)
	c.triggers = newTriggers(cfg.Triggers)
	return c, nil
}

// wantOf returns what rules need beyond the numbers that are always there.
func wantOf(rules []alarm.Rule) (w Want) {
	for i := range rules {
		for _, e := range []*alarm.Expr{rules[i].When, rules[i].Clear} {
			if e == nil {
				continue
			}
			for _, index := range e.Uses() {
				switch Metric(index) {
				case FSPctMax:
					w |= WantFilesystems
				case TempMax:
					w |= WantSensors
				case Sockets, TCPInUse, TCPTimeWait, UDPInUse, FilesOpen, FilesMax:
					w |= WantRest
				}
			}
		}
	}
	return w
}

// Run watches until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	c.ctx = ctx
	stop := context.AfterFunc(ctx, c.loop.Stop)
	defer stop()
	c.turn = time.Now()
	c.loop.After(0, c.advance)
	c.loop.After(sweepPeriod, c.sweep)
	err := c.loop.RunParked() // it rests most of the time
	for _, h := range c.hosts {
		h.closeLink(c)
	}
	c.resolved.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("watch hosts: %w", err)
	}
	return nil
}

// post runs fn on the loop. A loop that has ended has nothing to do any more.
func (c *Cluster) post(fn func()) { _ = c.loop.Post(fn) }

// SetTargets says which hosts to watch. Those that are watched already go on
// undisturbed.
func (c *Cluster) SetTargets(targets []Target) {
	c.post(func() { c.setTargets(targets) })
}

func (c *Cluster) setTargets(targets []Target) {
	known := make(map[Target]*Host, len(c.hosts))
	for _, h := range c.hosts {
		known[h.Target] = h
	}
	hosts := make([]*Host, 0, len(targets))
	var added []*Host
	for _, t := range targets {
		h := known[t]
		if h == nil {
			h = newHost(t, c.cfg.Points > 0 || c.cfg.Minutes > 0)
			h.rules, h.alarms = c.rules, make([]alarm.Status, len(c.rules))
			added = append(added, h)
		}
		delete(known, t)
		hosts = append(hosts, h)
	}
	for _, h := range known {
		h.gone = true
		h.closeLink(c)
	}
	c.mu.Lock()
	c.hosts = hosts
	c.mu.Unlock()
	c.place()
	for _, h := range added {
		c.enqueue(h)
	}
	c.change()
}

// SetDelay changes the period, within its bounds.
func (c *Cluster) SetDelay(d time.Duration) {
	d = min(max(d, MinDelay), MaxDelay)
	c.post(func() {
		c.mu.Lock()
		c.delay = d
		c.mu.Unlock()
		c.place()
		c.loop.Cancel(c.tick)
		c.turn, c.slot = time.Now(), 0
		c.advance()
	})
}

// Delay returns the period.
func (c *Cluster) Delay() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delay
}

// SetWant changes what all hosts are asked for, from their next message on.
func (c *Cluster) SetWant(w Want) {
	c.post(func() {
		c.base = w | c.cfg.Want&WantSystem
		c.want = c.base | wantOf(c.rules)
	})
}

// Focus asks one host for more than the others, and no other one any more.
func (c *Cluster) Focus(name string, w Want) {
	c.post(func() {
		for _, h := range c.hosts {
			h.want = 0
			if h.Name == name {
				h.want = w
				c.ask(h)
			}
		}
	})
}

// PollNow asks all hosts that have nothing to answer.
func (c *Cluster) PollNow() {
	c.post(func() {
		for _, h := range c.hosts {
			c.ask(h)
		}
	})
}

// ClearHistory forgets what was.
func (c *Cluster) ClearHistory() {
	c.post(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, h := range c.hosts {
			if h.history != nil {
				h.history = new(history)
			}
		}
		c.log = nil
	})
}

// View calls fn with the hosts. It must not keep them, nor block: meanwhile
// nothing comes in.
func (c *Cluster) View(fn func(hosts []*Host)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.hosts)
}

// Changed returns a channel that has a value when View has shown something else
// since the last one was taken. It is for one reader.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

func (c *Cluster) change() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Events returns the last events of alarms, the oldest first.
func (c *Cluster) Events() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Event(nil), c.log...)
}

// setState changes a host's state.
func (c *Cluster) setState(h *Host, s State, reason string) {
	before := h.state
	c.mu.Lock()
	h.state, h.reason = s, reason
	if s != OK && s != Overdue && s != Stale {
		h.values[Up] = 0
	}
	c.mu.Unlock()
	c.change()
	if before != s && c.cfg.OnState != nil {
		c.cfg.OnState(h, before)
	}
}
