// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

// consumer is where a session's packets go. It is guarded by Session.mu.
type consumer struct {
	s     *Session
	state agent.ConsumerState
	since time.Time

	template []agent.URI // to be enabled; nil once it is
	next     destination // of the template
	now      destination // in use
	uris     []agent.URI
	opts     agent.EnableConsumer

	// ready are relay sessions that were made when the consumer was enabled, for
	// the domains to come: the relay has one for each.
	ready   []*relay.Session
	paused  bool   // disabled: processes do not read
	err     string // last
	retryAt time.Time
	visited bool // a relay has had packets
	detours int  // sessions made on relays after the first, for their names
}

func (c *consumer) set(state agent.ConsumerState) {
	if c.state == state {
		return
	}
	c.state, c.since = state, time.Now()
	c.s.d.notify(c.s, "consumer", string(state))
}

// describe is the destination, in canonical form.
func (c *consumer) describe() string {
	if c.state == agent.ConsumerTemplate {
		return c.next.String()
	}
	return c.now.String()
}

func (c *consumer) document() agent.Consumer {
	doc := agent.Consumer{State: c.state, Since: c.since, LastError: c.err, Options: c.opts}
	doc.URIs = agent.Strings(c.spelled())
	if !c.retryAt.IsZero() {
		doc.RetryIn = max(time.Until(c.retryAt), 0)
	}
	return doc
}

// setTemplate stores a destination: nothing is connected. What is in use, or
// disabled, stays so until the new one is. The same destination is no new one.
func (c *consumer) setTemplate(uris []agent.URI) error {
	next, err := parseDestination(uris)
	if err != nil {
		return err
	}
	kept := c.inUse() || c.state == agent.ConsumerDisabled
	if (kept || c.state == agent.ConsumerFailed) && (agent.SameURIs(uris, c.uris) || next.path != "" && next.path == c.now.path) {
		c.template, c.next = nil, destination{}
		return nil
	}
	c.template, c.next = slices.Clone(uris), next
	if !kept {
		c.set(agent.ConsumerTemplate)
	}
	return nil
}

// inUse reports whether there is an enabled destination.
func (c *consumer) inUse() bool {
	switch c.state {
	case agent.ConsumerReady, agent.ConsumerStreaming, agent.ConsumerSpooling, agent.ConsumerDraining:
		return true
	}
	return false
}

// SetConsumerURI stores a session's next destination.
func (d *Daemon) SetConsumerURI(_ context.Context, by Caller, name string, uris []agent.URI) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		switch s.mode {
		case agent.NoOutput, agent.Snapshot:
			return problemf(agent.CodeInvalid, "session %s is %s: it has no consumer", s.name, s.mode)
		case agent.Live:
			if isLocal(uris) {
				return problemf(agent.CodeInvalid, "a live session needs a network output")
			}
		}
		return s.consumer.setTemplate(uris)
	})
	return done, err
}

// EnableConsumer makes the template the destination in use: connected, both paths
// or none. Without a template it goes on where it was disabled.
func (d *Daemon) EnableConsumer(ctx context.Context, by Caller, name string, o agent.EnableConsumer) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error { return s.enableConsumer(ctx, o, &done) })
	return done, err
}

func (s *Session) enableConsumer(ctx context.Context, o agent.EnableConsumer, done *agent.Done) error {
	c := &s.consumer
	if c.template == nil {
		return s.enableAgain(ctx, done)
	}
	before, away := c.state, s.away()
	c.set(agent.ConsumerConnecting)
	if err := s.connect(ctx, o); err != nil {
		c.err = err.Error()
		switch {
		case c.template == nil: // it is in use, but not by all
			c.set(agent.ConsumerFailed)
		case before == agent.ConsumerTemplate || before == agent.ConsumerNone:
			c.set(agent.ConsumerTemplate)
		case before == agent.ConsumerDisabled: // as if nobody had tried
			c.template, c.next = nil, destination{}
			c.set(before)
		default:
			c.set(before) // the old destination stays in use
		}
		return err
	}
	c.err = ""
	c.set(s.consumerState())
	for _, m := range away {
		warn(done, agent.CodeUnknown, m.leftText())
	}
	for _, m := range s.domains {
		for _, ch := range m.channels {
			m.warnOfPackets(ch, done)
		}
	}
	return nil
}

// enableAgain is enabling without a template.
func (s *Session) enableAgain(ctx context.Context, done *agent.Done) error {
	switch c := &s.consumer; c.state {
	case agent.ConsumerNone:
		return problemf(agent.CodeNoConsumer, "session %s has no consumer: give it a destination", s.name)
	case agent.ConsumerDisabled:
		if err := s.unpause(ctx); err != nil {
			return err
		}
		c.set(s.consumerState())
	case agent.ConsumerFailed:
		c.template, c.next = c.uris, c.now
		return s.enableConsumer(ctx, c.opts, done)
	default:
		warn(done, agent.CodeEnableConsumer, "the consumer of session "+s.name+" is enabled already")
	}
	return nil
}

// unpause lets processes read that were told not to.
func (s *Session) unpause(ctx context.Context) error {
	if !s.consumer.paused {
		return nil
	}
	for _, m := range s.domains {
		if err := m.resume(ctx); err != nil {
			return coded(agent.CodeEnableConsumer, err)
		}
	}
	s.consumer.paused = false
	for _, m := range s.domains {
		m.wake() // what has ended meanwhile was not read
	}
	return nil
}

// consumerState is what the state of an enabled consumer is.
func (s *Session) consumerState() agent.ConsumerState {
	switch {
	case s.lost():
		return agent.ConsumerSpooling
	case s.active:
		return agent.ConsumerStreaming
	}
	return agent.ConsumerReady
}

// lost reports whether a process has lost its relay.
func (s *Session) lost() bool { return len(s.away()) > 0 }

// away returns the domains whose process has lost its relay.
func (s *Session) away() (all []*domain) {
	for _, m := range s.domains {
		if !m.lostAt.IsZero() {
			all = append(all, m)
		}
	}
	return all
}

// spoolDisk is how much of a spool may be on disk.
func (c *consumer) spoolDisk() int64 {
	if c.opts.SpoolBytes > 0 {
		return c.opts.SpoolBytes
	}
	return c.s.d.opts.SpoolDisk
}

// DisableConsumer stops reading what is recorded. What the rings cannot hold is
// lost by their own rules, and counted.
func (d *Daemon) DisableConsumer(ctx context.Context, by Caller, name string, now bool) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		c := &s.consumer
		switch c.state {
		case agent.ConsumerNone, agent.ConsumerTemplate:
			return problemf(agent.CodeNoConsumer, "session %s has no enabled consumer", s.name)
		case agent.ConsumerDisabled:
			warn(&done, agent.CodeNoConsumer, "the consumer of session "+s.name+" is disabled already")
			return nil
		}
		if err := s.pause(ctx, now); err != nil {
			return err
		}
		c.paused = true
		c.set(agent.ConsumerDisabled)
		return nil
	})
	return done, err
}

// pause has all processes read no further, or none. One that gives no answer does
// what it was told later, and then what takes that back.
func (s *Session) pause(ctx context.Context, now bool) error {
	for i, m := range s.running() {
		err := m.pause(ctx, now)
		if err == nil {
			continue
		}
		for _, m := range s.running()[:i+1] {
			err = errors.Join(err, m.goOn(ctx, time.Second))
		}
		return err
	}
	return nil
}

// close ends what no domain has taken.
func (c *consumer) close() {
	for _, r := range c.ready {
		c.s.abandon(r)
	}
	c.ready = nil
}
