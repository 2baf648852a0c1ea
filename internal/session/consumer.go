// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
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

// connect makes the template the destination of all domains, or leaves all as
// it was.
func (s *Session) connect(ctx context.Context, o agent.EnableConsumer) error {
	c := &s.consumer
	next, n := c.next, max(len(s.running()), 1)
	next.datagrams.AnySource = o.AllowSplit
	if next.path != "" {
		n = 0
	}
	next.trusted = o.AllowSplit
	made := make([]*relay.Session, 0, n)
	undo := func() {
		for _, r := range made {
			s.abandon(r)
		}
	}
	if n > 0 && c.visited {
		c.detours++
	}
	for range n {
		r, err := s.dial(ctx, next, next.within(o), c.detours)
		if err != nil {
			undo()
			return relayProblem(err)
		}
		made = append(made, r)
	}
	for _, m := range s.domains {
		m.rescue()
	}
	old := *c
	c.now, c.ready, c.opts = next, made, o
	changes, err := s.prepare(ctx)
	if err != nil {
		c.close() // what no domain has taken
		c.now, c.ready, c.opts = old.now, old.ready, old.opts
		return coded(agent.CodeEnableConsumer, err)
	}
	for _, r := range old.ready {
		s.abandon(r)
	}
	c.uris, c.template = c.template, nil
	c.visited = c.visited || n > 0
	c.retryAt = time.Time{}
	for _, n := range changes {
		if err := n.commit(ctx); err != nil {
			// What goes wrong with a process that has prepared it is its own matter: the
			// next one goes there too.
			s.log.Warn("output not changed in order", "domain", n.m.src.Domain(), "err", err)
			if n.m.proc != nil {
				n.m.proc.kill()
			}
		}
	}
	return errors.Join(s.unpause(ctx), s.relaunch(ctx))
}

// prepare has all processes prepare the destination, or none.
func (s *Session) prepare(ctx context.Context) (all []*change, err error) {
	visited := make(map[*domain]bool)
	for _, m := range s.domains {
		visited[m], m.visited = m.visited, false
	}
	for _, m := range s.running() {
		next, err := m.prepare(ctx)
		if err != nil {
			err = fmt.Errorf("domain %s: %w", m.src.Domain(), err)
			for _, n := range all {
				err = errors.Join(err, n.drop(ctx))
			}
			for m, was := range visited {
				m.visited = was
			}
			return nil, err
		}
		all = append(all, next)
	}
	return all, nil
}

// relaunch starts the processes of an active session that have died and could not
// be replaced.
func (s *Session) relaunch(ctx context.Context) error {
	for _, m := range s.domains {
		var err error
		switch {
		case m.proc != nil:
		case s.active:
			err = m.start(ctx)
		case m.unsettled: // its rings hold what the last one has not read
			if err = m.launch(ctx); err == nil {
				err = m.drain(ctx, finishTimeout)
			}
		}
		if err != nil {
			return coded(agent.CodeEnableConsumer, err)
		}
	}
	s.failed = ""
	return nil
}

// spoolDisk is how much of a spool may be on disk.
func (c *consumer) spoolDisk() int64 {
	if c.opts.SpoolBytes > 0 {
		return c.opts.SpoolBytes
	}
	return c.s.d.opts.SpoolDisk
}

// dial makes a session on a relay. A detour, by its number, gets a
// directory of its own there: the relay has one of the first name. It may be
// called without the session's lock.
func (s *Session) dial(ctx context.Context, to destination, timeout time.Duration, detour int) (*relay.Session, error) {
	o := relay.Options{
		Session: s.name, Hostname: s.hostname, BasePath: to.subdir, UUID: s.d.uuid, SessionID: s.id,
		Created: s.created, NameHasTime: s.auto, LiveTimer: s.live, Timeout: timeout, UDP: to.datagrams,
	}
	if to.data.Host != to.control.Host && !to.trusted { // asked of relays that cannot prove it
		o.SameRelay = func(context.Context, net.Conn, net.Conn) error {
			return fmt.Errorf("control goes to %s, data to %s: that both are one relay cannot be checked with LTTng's; --allow-split takes your word", to.control.Host, to.data.Host)
		}
	}
	if detour > 0 {
		o.BasePath = fmt.Sprintf("%s-r%d", cmp.Or(to.subdir, s.directoryName()), detour)
		o.SessionID |= uint64(detour) << 32
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() // nor does it outlast the session
	return relay.Dial(ctx, to.control, to.data, o)
}

// abandon ends a relay session that nobody got.
func (s *Session) abandon(r *relay.Session) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		s.log.Debug("relay session not closed", "err", err)
	}
}

// takeReady returns a relay session for a domain: one that was made, or another;
// again if the relay has streams of the domain.
func (c *consumer) takeReady(ctx context.Context, again bool) (*relay.Session, error) {
	for len(c.ready) > 0 {
		r := c.ready[0]
		c.ready = c.ready[1:]
		if r.Err() == nil {
			return r, nil
		}
		c.s.log.Info("relay was lost while nothing was recorded", "err", r.Err())
	}
	timeout := c.now.within(c.opts)
	r, err := c.s.dial(ctx, c.now, timeout, c.detours)
	if err == nil && again && !r.Resumable() {
		c.s.abandon(r)
		c.detours++
		r, err = c.s.dial(ctx, c.now, timeout, c.detours)
	}
	if err != nil {
		return nil, relayProblem(err)
	}
	return r, nil
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
