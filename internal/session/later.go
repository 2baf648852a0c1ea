// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// withLater does the first part of a command under the session's lock, and hands
// the lock on to the rest of it, for which nobody waits but the next command and
// the end of the session. What goes wrong then is told as an event.
func (d *Daemon) withLater(by Caller, name string, first func(*Session) error, rest func(*Session) error) error {
	s, err := d.session(by, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return problemf(agent.CodeSessionNotFound, "session %s not found", name)
	}
	err = first(s)
	s.remember() // for those who look meanwhile
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.background.Go(func() { // destroy waits for it
		defer s.mu.Unlock()
		defer s.remember()
		if err := rest(s); err != nil {
			s.tellLate(err)
		}
	})
	return nil
}

// tellLate tells of what went wrong when nobody waited any more.
func (s *Session) tellLate(err error) {
	s.log.Warn("command that nobody waits for", "err", err)
	s.d.notify(s, "error", err.Error())
}

// rotateLater rotates while the caller goes on. Another rotation is refused until
// it is done.
func (d *Daemon) rotateLater(by Caller, name string) error {
	return d.withLater(by, name, func(s *Session) error {
		if err := s.canRotate(); err != nil {
			return err
		}
		s.rotating.Store(true)
		return nil
	}, func(s *Session) error {
		defer s.rotating.Store(false)
		var done agent.Done
		return s.rotate(context.Background(), &done)
	})
}

// rotationPending refuses to rotate a session for which a rotation goes on.
func (d *Daemon) rotationPending(by Caller, name string) error {
	s, err := d.session(by, name)
	if err == nil && s.rotating.Load() {
		err = problemf(agent.CodeRotationPending, "session %s is being rotated", s.name)
	}
	return err
}

// stopLater ends recording. The rings are drained while the caller goes on.
func (d *Daemon) stopLater(by Caller, name string, done *agent.Done) error {
	active := false
	return d.withLater(by, name, func(s *Session) error {
		if active = s.active; !active {
			s.warnStopped(done)
			return nil
		}
		return s.halt()
	}, func(s *Session) error {
		if !active {
			return nil
		}
		var late agent.Done
		return s.settleStopped(context.Background(), true, &late)
	})
}

// destroyLater destroys a session that nobody finds any more, while the caller
// goes on.
func (d *Daemon) destroyLater(s *Session) error {
	if !d.hide(s) {
		return problemf(agent.CodeSessionNotFound, "session %s not found", s.name)
	}
	go func() { // ends with the session, which Close ends, and waits for it
		defer d.work.Done()
		start := time.Now()
		done, err := s.destroy(context.Background(), true)
		for _, w := range done.Warnings {
			s.log.Warn("session ended with a warning", "warning", w.Message)
		}
		if err != nil {
			s.tellLate(fmt.Errorf("session ended after %v: %w", since(start), err))
		}
	}()
	return nil
}

// hide takes a session out of the table, and has Close wait for its end; false if
// it is not there, or ended by Close.
func (d *Daemon) hide(s *Session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.sessions, s)
	if i < 0 || d.stopped {
		return false
	}
	d.work.Add(1)
	d.sessions = slices.Delete(d.sessions, i, i+1)
	d.leaving = append(d.leaving, s)
	return true
}
