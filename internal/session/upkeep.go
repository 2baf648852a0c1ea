// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

const (
	defaultUpkeep = 10 * time.Second
	// Times by upkeeps: how often the clock of the day is compared with the trace's,
	// and how long a session is stopped before its events are disabled. Both are a
	// minute.
	syncUpkeeps = 6
	restUpkeeps = 6
)

// keepUp starts to look after the domain, if there is something to look after.
func (m *domain) keepUp() {
	_, follows := m.trace.(source.Follower)
	_, synced := m.trace.(source.Synced)
	if follows || synced {
		m.s.background.Go(func() { m.upkeep(m.s.d.opts.Upkeep) })
	}
}

// upkeep looks after the domain until the session ends.
func (m *domain) upkeep(period time.Duration) {
	s := m.s
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for n := 1; ; {
		regular := false
		select {
		case <-s.ctx.Done():
			return
		case <-m.woken:
		case <-ticker.C:
			regular = true
		}
		s.mu.Lock()
		if s.gone || m.dropped {
			s.mu.Unlock()
			return
		}
		m.follow()
		if regular {
			if n%syncUpkeeps == 0 {
				m.syncClock()
			}
			if !s.active && !s.stoppedAt.IsZero() && time.Since(s.stoppedAt) >= restUpkeeps*period {
				m.rest()
			}
			n++
		}
		s.mu.Unlock()
	}
}

// wake has the trace asked to follow soon.
func (m *domain) wake() {
	select {
	case m.woken <- struct{}{}:
	default: // it will be
	}
}

// follow takes events and rings in that have come. Failures are told once.
func (m *domain) follow() {
	if f, ok := m.trace.(source.Follower); ok {
		m.complain("events that have come are not recorded", f.Follow())
	}
	if m.proc == nil {
		return
	}
	ctx, cancel := context.WithTimeout(m.s.ctx, finishTimeout)
	defer cancel()
	m.complain("a processor that has come does not tell of threads", m.tellFeed(ctx, m.proc))
	for _, c := range m.channels {
		m.complain("a ring that has come is not read", c.grow(ctx, m.proc))
	}
	m.complain("a trace that is complete is not ended", m.endParts(ctx))
}

// endParts ends parts of the trace that nothing is recorded in any more: the consumer reads
// what is left, and frees what it has of them. While it reads nothing they wait.
func (m *domain) endParts(ctx context.Context) error {
	t, ok := m.trace.(source.Ending)
	if _, stuck := m.isStuck(); !ok || stuck || m.s.consumer.paused {
		return nil
	}
	var errs []error
	for _, p := range t.Ended() {
		if m.handing(p) {
			continue
		}
		err := m.proc.Call(ctx, handover.OpEndPart, p, nil)
		if err == nil {
			m.texts = slices.DeleteFunc(m.texts, func(t source.Text) bool { return t.Part == p })
			err = t.Forget(p)
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// handing reports whether the consumer has not taken all streams of a part.
func (m *domain) handing(p handover.Part) bool {
	return slices.ContainsFunc(m.channels, func(c *channel) bool {
		return slices.ContainsFunc(c.handing.left, func(st source.Stream) bool { return st.Part == p })
	})
}

// complain logs an error unless it was the last one.
func (m *domain) complain(what string, err error) {
	if err == nil {
		return
	}
	if text := what + err.Error(); text != m.complaint {
		m.complaint = text
		m.s.log.Warn(what, "domain", m.src.Domain(), "err", err)
	}
}

// grow hands rings that have come to the consumer.
func (c *channel) grow(ctx context.Context, p *process) error {
	g, ok := c.Channel.(source.Growing)
	if !ok {
		return nil
	}
	streams, err := g.MoreStreams()
	return errors.Join(err, c.handing.tell(ctx, p, c.id, streams))
}

// syncClock has it written down if the clock of the day has moved.
func (m *domain) syncClock() {
	t, ok := m.trace.(source.Synced)
	if !ok || !m.s.active || m.proc == nil {
		return
	}
	sync, moved := t.ClockSync()
	if !moved {
		return
	}
	ctx, cancel := context.WithTimeout(m.s.ctx, finishTimeout)
	defer cancel()
	m.complain("the clock's movement is not recorded", m.proc.Call(ctx, handover.OpClockSync, sync, nil))
}

// rest makes a stopped domain cost nothing.
func (m *domain) rest() {
	for _, c := range m.channels {
		if r, ok := c.Channel.(source.Resting); ok {
			if err := r.Rest(); err != nil {
				m.complain("events of a stopped session still cost", fmt.Errorf("channel %s: %w", c.name, err))
			}
		}
	}
}
