// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
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
	s.active, s.started, s.failed = true, true, ""
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

// Stop ends recording. With wait, everything recorded is at its place then.
func (d *Daemon) Stop(ctx context.Context, by Caller, name string, wait bool) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if !s.active {
			warn(&done, agent.CodeAlreadyStopped, "tracing of session "+s.name+" has been stopped already")
			return nil
		}
		return s.stopTracing(ctx, wait, &done)
	})
	return done, err
}

// stopTracing ends recording and has the rings drained. Without wait the relay may
// confirm later.
func (s *Session) stopTracing(ctx context.Context, wait bool, done *agent.Done) error {
	s.schedule.disarm()
	var errs []error
	for _, m := range s.domains {
		if err := m.stopRecording(); err != nil {
			errs = append(errs, err)
		}
	}
	s.active, s.stoppedAt = false, time.Now()
	c := &s.consumer
	if c.inUse() {
		c.set(agent.ConsumerDraining)
	}
	if s.mode != agent.Snapshot && !c.paused {
		ctx, cancel := context.WithTimeout(ctx, finishTimeout)
		defer cancel()
		for _, m := range s.domains {
			switch err := m.drain(ctx); {
			case err == nil:
			case wait:
				errs = append(errs, fmt.Errorf("domain %s: not everything is at its place: %w", m.src.Domain(), err))
			default:
				warn(done, agent.CodeUnknown, err.Error())
			}
		}
	}
	if c.state == agent.ConsumerDraining {
		c.set(s.consumerState())
	}
	s.log.Info("tracing stopped")
	s.d.notify(s, "state", "stopped")
	return errors.Join(errs...)
}

// RegenerateMetadata writes the metadata anew, with the time that it is now.
func (d *Daemon) RegenerateMetadata(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if !s.started {
			return problemf(agent.CodeNeverStarted, "session %s has never been started", s.name)
		}
		for _, m := range s.running() {
			text, err := m.trace.Regenerate()
			if err != nil {
				return err
			}
			m.text = text
			if err := m.tellMetadata(ctx, handover.OpRegenerate, text); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// RegenerateStatedump writes what is so now.
func (d *Daemon) RegenerateStatedump(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if !s.active {
			return problemf(agent.CodeNeverStarted, "session %s is not active", s.name)
		}
		for _, m := range s.running() {
			if err := m.dumpState(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// since is a time for people.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
