// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/xmlsysd"
)

const (
	// publishTimeout is how long events wait for their declarations to be published.
	publishTimeout = 2 * time.Second
	// idle is how long a sampler without rules sleeps.
	idle = time.Hour
)

// sampler reads what the rules of a channel want when they are due, and writes it
// as events. All of it is owned by one goroutine.
type sampler struct {
	c       *channel
	reader  Reader
	walker  walker
	due     []*rule
	raw     []xmlsysd.RawRule // of due
	parts   []freshPart
	last    []time.Time // when sections were read that are recorded, by node
	slow    []bool      // sections that are read every few seconds by themselves, by node
	started bool

	// declareOnly has events declared and not written.
	declareOnly bool

	// Of a walk through the parts.
	again  bool   // it is the second one, for events of classes that were not published
	held   uint64 // events of such
	number int    // of the last declaration that is waited for
	floor  uint64 // no event is older
	// Functions, made once.
	wants   func(xmlsysd.NodeID) bool
	declare func(name string, fields []ctf.Field) (*schema.Event, int, error)
}

// freshPart is a section that was read since the last sample.
type freshPart struct {
	*Part

	at uint64 // by the trace's clock
}

func newSampler(c *channel) *sampler {
	m := c.t.s.host.Model()
	s := &sampler{c: c, reader: c.t.s.host.NewReader(), last: make([]time.Time, m.Len()), slow: make([]bool, m.Len())}
	for _, section := range c.t.s.host.Sections() {
		s.slow[section.Node] = section.Slow
	}
	s.wants = func(id xmlsysd.NodeID) bool { return anyWants(s.due, id) }
	s.declare = func(name string, fields []ctf.Field) (*schema.Event, int, error) {
		return c.t.declare(c.d, name, fields)
	}
	s.walker = walker{
		plan: newPlan(m), wants: s.wants, emit: s.emit,
		selects: func(t *xmlsysd.Tape, open []int32, leaf int) bool { return anySelects(s.due, t, open, leaf) },
	}
	return s
}

// run samples until ctx ends.
func (s *sampler) run(ctx context.Context) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := s.c.t.now()
		next := s.schedule(now)
		if len(s.due) > 0 {
			s.tick(ctx)
			s.c.mu.Lock()
			s.c.endIfOld(next)
			s.c.mu.Unlock()
			continue
		}
		timer.Reset(time.Duration(next - now))
		select {
		case <-timer.C:
		case <-s.c.changed:
		case <-ctx.Done():
		}
	}
}

// schedule finds the rules that are due, and returns when the next one will be. Rules
// are due at multiples of their period, so that those of all sessions share what is
// read then.
func (s *sampler) schedule(now uint64) (next uint64) {
	s.due, s.raw = s.due[:0], s.raw[:0]
	next = now + uint64(idle)
	for _, r := range *s.c.active.Load() {
		if !s.started {
			r.next = 0
		}
		if r.next <= now {
			if r.next > 0 {
				s.miss((now - r.next) / r.period)
			}
			r.next = (now/r.period + 1) * r.period
			s.due = append(s.due, r)
			s.raw = append(s.raw, r.raw...)
		}
		next = min(next, r.next)
	}
	s.started = true
	return next
}

// miss counts samples that nobody took.
func (s *sampler) miss(n uint64) {
	if n > 0 && s.c.missed.Add(n) == n {
		s.c.log.Warn("samples are left out: the host is too busy to take them in time")
	}
}

// tick takes a sample for the rules that are due.
func (s *sampler) tick(ctx context.Context) {
	age := time.Duration(math.MaxInt64)
	for _, r := range s.due {
		age = min(age, r.age())
	}
	parts := s.reader.Read(ctx, s.wants, age, s.raw)
	defer s.reader.Release()
	if ctx.Err() != nil {
		return
	}
	s.choose(parts, age)
	s.again, s.held, s.number = false, 0, 0
	if s.record(); s.held == 0 {
		return
	}
	published := s.c.t.awaitPublished(ctx, s.number, publishTimeout)
	s.c.mu.Lock()
	s.c.shapes.publish(published)
	s.c.mu.Unlock()
	s.again = true
	s.record()
	s.c.mu.Lock()
	s.c.shapes.release()
	s.c.mu.Unlock()
}

// choose lists the sections that were read anew, the first first. One that is older
// than was asked for is one that the host spares.
func (s *sampler) choose(parts []Part, age time.Duration) {
	s.parts = s.parts[:0]
	clock, now := traceclock.Pair(s.c.t.clock)
	for i := range parts {
		p := &parts[i]
		if s.last[p.Node].Equal(p.At) {
			if !s.slow[p.Node] && now.Sub(p.At) > 2*age {
				s.c.spared.Add(1)
			}
			continue
		}
		s.last[p.Node] = p.At
		s.parts = append(s.parts, freshPart{p, clock - uint64(now.Sub(p.At))})
	}
	slices.SortStableFunc(s.parts, func(a, b freshPart) int { return cmp.Compare(a.at, b.at) })
}

// record writes the events of a sample.
func (s *sampler) record() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.floor = 0
	if s.c.lag > 0 {
		s.floor = s.c.t.now() - s.c.lag
	}
	for _, p := range s.parts {
		s.walker.walk(p.Tape, p.at, p.At.UnixMicro())
	}
}

// emit writes an event, channel.mu held. One of a class that is not published waits
// for the second walk.
func (s *sampler) emit(ev *event) {
	c := s.c
	sh := c.shapes.find(ev)
	if sh == nil {
		var err error
		if sh, err = c.shapes.add(ev, s.declare); err != nil {
			if !s.declareOnly && !s.again {
				c.lose(err)
			}
			return
		}
	}
	switch {
	case s.declareOnly:
	case s.again && !sh.held:
	case s.again && !sh.ready:
		c.lose(errUnpublished)
	case !s.again && !sh.ready:
		sh.held = true
		s.held++
		s.number = max(s.number, sh.number)
	default:
		c.write(ev, sh, max(ev.at, s.floor))
	}
}

// errUnpublished tells why an event was not written.
var errUnpublished = fmt.Errorf("the session did not publish what they are like within %v", publishTimeout)
