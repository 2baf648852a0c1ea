// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

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
