// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
)

// Pauses between attempts to reach a relay again: from the first to the last,
// doubling, each a fifth shorter or longer.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	// A relay that is restarted is back soon: for a while the pauses are short
	// enough that a session goes on within 2 s of its return.
	earlyRetry = 1500 * time.Millisecond
	earlyTime  = 10 * time.Minute
)

// noticed takes what a consumer process says by itself. It runs on the goroutine
// that receives, so that what takes time goes on elsewhere.
func (m *domain) noticed(n handover.Message) {
	switch n.Op {
	case handover.NoticeLost:
		var lost handover.Lost
		if json.Unmarshal(n.Body, &lost) == nil {
			m.s.background.Go(func() { m.reconnect(lost) })
		}
	case handover.NoticeError:
		var f handover.Failure
		if json.Unmarshal(n.Body, &f) == nil {
			m.s.log.Error("consumer", "domain", m.src.Domain(), "err", f.Error)
			m.s.d.notify(m.s, "error", f.Error)
		}
	case handover.NoticeLoss:
		var lost handover.Loss
		if json.Unmarshal(n.Body, &lost) == nil {
			m.s.d.notify(m.s, "loss", fmt.Sprintf("domain %s, channel %s: %d events discarded, %d packets lost", m.src.Domain(), lost.Channel, lost.Events, lost.Packets))
		}
	case handover.NoticeSpool:
		var spool handover.Spool
		if json.Unmarshal(n.Body, &spool) == nil {
			m.s.d.notify(m.s, "spool", m.spoolText(spool))
		}
	case handover.NoticeStuck:
		m.noticeStuck(n.Body)
	case handover.NoticeWell:
		m.unstick()
		m.s.log.Info("output works again", "domain", m.src.Domain())
		m.s.d.notify(m.s, "state", "output works again")
	case handover.NoticeKept:
		m.keptNotice(n.Body)
	case handover.NoticeMatched:
		var matched handover.Matched
		if json.Unmarshal(n.Body, &matched) == nil && m.s.onMatch != nil {
			m.s.onMatch(matched.Events)
		}
	default:
		m.s.log.Warn("consumer says what nobody knows", "notice", n.Op)
	}
}

// spoolText is what people are told of a spool.
func (m *domain) spoolText(s handover.Spool) string {
	text := fmt.Sprintf("domain %s: %d of %d bytes wait for the relay", m.src.Domain(), s.Bytes, s.Limit)
	if s.Full {
		text += ": no more is read"
	}
	return text
}

// reconnect dials until there is a relay again, and gives it to the process, which
// has kept the packets that the old one has not confirmed. By the time that it has
// the session's lock another output may be in use: then there is nothing to do.
//
// What needs the lock is done in turns of its own, or while a command waits for the
// relay that is being looked for.
func (m *domain) reconnect(lost handover.Lost) {
	at := time.Now()
	var p *process
	var opts agent.EnableConsumer
	m.s.mu.do(func() { p, opts = m.lose(lost, at) })
	if p == nil {
		return
	}
	pause := firstRetry
	for ; ; pause = nextRetry(pause, time.Since(at)) {
		if opts.NoReconnect || opts.ReconnectTimeout > 0 && time.Since(at) > opts.ReconnectTimeout {
			m.s.mu.do(func() { m.giveUp(p, at, lost.Error) })
			return
		}
		wait := pause + time.Duration((rand.Float64()-0.5)*0.4*float64(pause))
		if !m.await(wait) {
			return
		}
		if m.tryAgain(p, at) {
			return
		}
	}
}

// lose takes note of a loss, and returns the process that has it and how it is to be
// looked for another relay; nil if there is no need. The session is locked.
func (m *domain) lose(lost handover.Lost, at time.Time) (*process, agent.EnableConsumer) {
	s, c := m.s, &m.s.consumer
	if s.gone || m.proc == nil || lost.Output != m.output {
		return nil, c.opts
	}
	c.err, m.lostAt = lost.Error, at
	if c.inUse() {
		c.set(s.consumerState())
	}
	s.log.Warn("relay lost", "domain", m.src.Domain(), "err", lost.Error)
	return m.proc, c.opts
}

// nextRetry is how long to wait after a pause, when a relay has been away for some
// time.
func nextRetry(pause, away time.Duration) time.Duration {
	if away < earlyTime {
		return min(2*pause, earlyRetry)
	}
	return min(2*pause, lastRetry)
}

// await lets time pass; false when the session has ended.
func (m *domain) await(d time.Duration) bool {
	m.s.mu.do(func() { m.s.consumer.retryAt = time.Now().Add(d) })
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-m.s.ctx.Done():
		return false
	}
}

// tryAgain makes one attempt; true when there is no need of another. The session
// is not locked while it dials.
func (m *domain) tryAgain(p *process, at time.Time) (done bool) {
	s := m.s
	var to destination
	var timeout time.Duration
	var detour int
	s.mu.do(func() {
		done = m.settled(p, at)
		to, timeout, detour = s.consumer.now, s.consumer.now.within(s.consumer.opts), s.consumer.detours
	})
	if done {
		return true
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	r, err := s.dialAgain(ctx, to, timeout, detour)
	s.mu.do(func() {
		switch done = m.settled(p, at); {
		case done && err == nil:
			s.abandon(r)
		case done:
		case err != nil:
			s.consumer.err = relayProblem(err).Error()
		default:
			if err := m.resumeOn(ctx, r); err != nil {
				s.consumer.err = err.Error()
				return
			}
			done = true
			m.found(at)
		}
	})
	return done
}

// resumeOn gives the process a session on the relay. The session here is locked.
func (m *domain) resumeOn(ctx context.Context, r *relay.Session) error {
	h, err := r.Detach(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	o := handover.Output{Kind: handover.OutputRelay, Chunk: handover.Chunk{ID: m.s.chunk, Begin: time.Now()}, Trace: m.place(), SpoolDisk: m.s.consumer.spoolDisk(), Resume: true}
	if o.Relay, err = json.Marshal(h.State); err != nil {
		return err
	}
	return m.tellOutput(ctx, o, h.Control, h.Data)
}

// found takes note that there is a relay again. The session is locked.
func (m *domain) found(at time.Time) {
	s, c := m.s, &m.s.consumer
	s.log.Info("relay is back", "domain", m.src.Domain(), "after", since(at))
	m.lostAt = time.Time{}
	if !s.lost() {
		c.err, c.retryAt = "", time.Time{}
	}
	if c.state == agent.ConsumerSpooling {
		c.set(s.consumerState())
	}
}

// settled reports whether a loss needs nobody's care any more: the process has got
// another place, or is gone.
func (m *domain) settled(p *process, at time.Time) bool {
	return m.s.gone || m.proc != p || !m.lostAt.Equal(at)
}

// dialAgain makes a session that goes on with the one that was lost, where the
// relay keeps its place, or else one with a directory of its own. It is called
// without the session's lock.
func (s *Session) dialAgain(ctx context.Context, to destination, timeout time.Duration, detour int) (*relay.Session, error) {
	r, err := s.dial(ctx, to, timeout, detour)
	if err != nil || r.Resumable() {
		return r, err
	}
	s.abandon(r)
	s.mu.do(func() {
		s.consumer.detours++
		detour = s.consumer.detours
	})
	return s.dial(ctx, to, timeout, detour)
}

// giveUp ends the attempts. The session is locked.
func (m *domain) giveUp(p *process, at time.Time, reason string) {
	if m.settled(p, at) {
		return
	}
	c := &m.s.consumer
	c.err, c.retryAt = "given up: "+reason, time.Time{}
	c.set(agent.ConsumerFailed)
}

// watch waits for the end of a process and starts another if nobody wanted it.
// While its relay is away that is tried again: the rings keep what they can.
func (m *domain) watch(p *process) {
	select {
	case <-p.ended:
	case <-m.s.ctx.Done(): // it may linger
		return
	}
	died := time.Now()
	for pause := firstRetry; !m.replace(p, died); pause = min(2*pause, lastRetry) {
		if !m.await(pause) {
			return
		}
	}
}

// replace starts another process in the place of one that has died; true when
// there is no need to try again.
func (m *domain) replace(p *process, died time.Time) bool {
	s, c := m.s, &m.s.consumer
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone || m.proc != p && m.proc != nil:
		return true
	case m.proc == p:
		m.bury(p)
		if stuck, ok := m.isStuck(); ok {
			m.abandon(p)
			m.fail(fmt.Errorf("%s: the file system did not answer: enable-consumer gives it a place", stuck.What))
			return true
		}
	}
	for {
		if len(m.deaths) > maxDeaths {
			m.fail(fmt.Errorf("died %d times in %v", len(m.deaths), deathPeriod))
			return true
		}
		err := m.revive()
		switch {
		case err == nil:
			c.err, c.retryAt = "", time.Time{}
			if c.state == agent.ConsumerConnecting {
				c.set(s.consumerState())
			}
			return true
		case errors.Is(err, handover.ErrGone):
			m.countDeath()
		case unreachable(err) && !c.opts.NoReconnect && (c.opts.ReconnectTimeout == 0 || time.Since(died) < c.opts.ReconnectTimeout):
			c.err = err.Error()
			return false
		default:
			m.fail(err)
			return true
		}
	}
}

// bury takes note of a process that has died.
func (m *domain) bury(p *process) {
	s := m.s
	_ = p.Caller.Close()
	m.proc, m.lostAt = nil, time.Time{}
	m.countDeath()
	s.log.Error("consumer process died", "domain", m.src.Domain(), "pid", p.pid(), "err", p.err)
	s.d.notify(s, "error", fmt.Sprintf("consumer process of domain %s died: %v", m.src.Domain(), p.err))
	if s.consumer.inUse() {
		s.consumer.set(agent.ConsumerConnecting)
	}
}

// fail gives up to have a consumer process.
func (m *domain) fail(err error) {
	s := m.s
	s.failed = fmt.Sprintf("consumer process of domain %s is not started again: %v", m.src.Domain(), err)
	s.log.Error("consumer process is not started again", "domain", m.src.Domain(), "err", err)
	s.consumer.set(agent.ConsumerFailed)
}

// unreachable reports an error that another attempt may not have.
func unreachable(err error) bool {
	p, ok := errors.AsType[*agent.Problem](err)
	return ok && p.Code == agent.CodeRelayConnect
}

// countDeath counts a death among those of late.
func (m *domain) countDeath() {
	now := time.Now()
	m.deaths = append(slices.DeleteFunc(m.deaths, func(t time.Time) bool { return now.Sub(t) > deathPeriod }), now)
}

// revive starts a process that goes on where the last one ended. What that had
// read and not written is lost; the new output begins with the next packets.
func (m *domain) revive() error {
	ctx, cancel := context.WithTimeout(m.s.ctx, finishTimeout)
	defer cancel()
	if m.s.active {
		return m.start(ctx)
	}
	return m.launch(ctx)
}
