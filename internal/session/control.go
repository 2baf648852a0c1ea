// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// Start begins to record.
func (d *Daemon) Start(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error { return s.startTracing(ctx, &done) })
	return done, err
}

func (s *Session) startTracing(ctx context.Context, done *agent.Done) error {
	if s.active {
		return problemf(agent.CodeAlreadyStarted, "tracing of session %s has been started already", s.name)
	}
	channels := 0
	for _, m := range s.domains {
		channels += len(m.channels)
	}
	if channels == 0 {
		return problemf(agent.CodeNoChannel, "session %s has no channel: enable an event first", s.name)
	}
	c := &s.consumer
	if c.template != nil && !c.inUse() && c.state != agent.ConsumerDisabled {
		if err := s.enableConsumer(ctx, c.opts, done); err != nil {
			return err
		}
	}
	s.active, s.started, s.empty, s.failed = true, true, false, ""
	for i, m := range s.domains {
		if err := m.start(ctx); err != nil {
			err = fmt.Errorf("domain %s: %w", m.src.Domain(), err)
			for _, m := range s.domains[:i+1] {
				err = errors.Join(err, m.stopRecording())
			}
			s.active = false
			return coded(agent.CodeEnableConsumer, err)
		}
	}
	if c.inUse() {
		c.set(s.consumerState())
	}
	s.schedule.arm(s)
	s.log.Info("tracing started")
	s.d.notify(s, "state", "started")
	return nil
}

// Stop ends recording. With wait, everything recorded is at its place then; else
// the rings are drained later.
func (d *Daemon) Stop(ctx context.Context, by Caller, name string, wait bool) (done agent.Done, err error) {
	if !wait {
		return done, d.stopLater(by, name, &done)
	}
	err = d.with(by, name, func(s *Session) error {
		if !s.active {
			s.warnStopped(&done)
			return nil
		}
		return s.stopTracing(ctx, true, &done)
	})
	return done, err
}

func (s *Session) warnStopped(done *agent.Done) {
	warn(done, agent.CodeAlreadyStopped, "tracing of session "+s.name+" has been stopped already")
}

// stopTracing ends recording and has the rings drained. Without wait the relay may
// confirm later.
func (s *Session) stopTracing(ctx context.Context, wait bool, done *agent.Done) error {
	return errors.Join(s.halt(), s.settleStopped(ctx, wait, done))
}

// settleStopped has the rings of a halted session drained.
func (s *Session) settleStopped(ctx context.Context, wait bool, done *agent.Done) error {
	var errs []error
	for m, err := range s.drain(ctx, finishTimeout, false) {
		if wait {
			errs = append(errs, fmt.Errorf("domain %s: not everything is at its place: %w", m.src.Domain(), err))
		} else {
			warn(done, agent.CodeUnknown, err.Error())
		}
	}
	s.stopped()
	s.countLosses(ctx, done)
	return errors.Join(errs...)
}

// countLosses adds what channels have lost, as their consumers know it: of a session that
// was halted and drained all of it.
func (s *Session) countLosses(ctx context.Context, done *agent.Done) {
	var account agent.Consumer
	for _, m := range s.domains {
		doc, _ := m.document(ctx, &account)
		for _, c := range doc.Channels {
			loss := agent.ChannelLoss{Domain: doc.Name, Channel: c.Name}
			for _, st := range c.Streams {
				loss.Discarded += st.Discarded
				loss.Lost += st.Lost
			}
			if loss.Discarded > 0 || loss.Lost > 0 {
				done.Losses = append(done.Losses, loss)
			}
		}
	}
}

// halt ends recording; the rings are still to be drained.
func (s *Session) halt() error {
	s.schedule.disarm()
	var errs []error
	for _, m := range s.domains {
		if err := m.stopRecording(); err != nil {
			errs = append(errs, err)
		}
	}
	s.active, s.stoppedAt = false, time.Now()
	if s.consumer.inUse() {
		s.consumer.set(agent.ConsumerDraining)
	}
	return errors.Join(errs...)
}

// drain has all rings of a session that was halted drained, and yields what went
// wrong. Where an output takes longer than settle it is not waited for; in a hurry
// not at all where the relay is away, and rings are drained at the end.
func (s *Session) drain(ctx context.Context, settle time.Duration, hurry bool) iter.Seq2[*domain, error] {
	return func(yield func(*domain, error) bool) {
		if s.mode == agent.Snapshot || s.consumer.paused {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, settle+drainTimeout)
		defer cancel()
		errs := make([]error, len(s.domains))
		var all sync.WaitGroup
		for i, m := range s.domains {
			if !hurry || m.lostAt.IsZero() {
				all.Go(func() { errs[i] = m.drain(ctx, settle) })
			}
		}
		s.mu.attend(all.Wait)
		for i, m := range s.domains {
			if errs[i] != nil && !yield(m, errs[i]) {
				return
			}
		}
	}
}

// stopped takes note that a halted session is drained.
func (s *Session) stopped() {
	if s.consumer.state == agent.ConsumerDraining {
		s.consumer.set(s.consumerState())
	}
	s.log.Info("tracing stopped")
	s.d.notify(s, "state", "stopped")
}

// RegenerateMetadata writes the metadata anew, with the time that it is now.
func (d *Daemon) RegenerateMetadata(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if !s.started {
			return problemf(agent.CodeNeverStarted, "session %s has never been started", s.name)
		}
		if s.mode == agent.Live { // viewers have read it
			return problemf(agent.CodeLive, "session %s is live: its metadata cannot be written anew", s.name)
		}
		for _, m := range s.running() {
			if err := m.regenerate(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// regenerate writes the metadata of a domain anew.
func (m *domain) regenerate(ctx context.Context) error {
	texts, err := m.newTexts(true)
	if err != nil {
		return err
	}
	for _, t := range texts {
		m.text(t.Part).Text = t.Text
		if err := m.tellMetadata(ctx, handover.OpRegenerate, t); err != nil {
			return err
		}
	}
	return nil
}

// RegenerateStatedump writes what is so now.
func (d *Daemon) RegenerateStatedump(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if !s.active {
			return problemf(agent.CodeNeverStarted, "session %s is not active", s.name)
		}
		for _, m := range s.running() {
			dump := func() error { return m.dumpState(ctx) }
			if t, ok := m.trace.(source.Dumping); ok {
				dump = t.DumpState
			}
			if err := dump(); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// since is a time for people.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
