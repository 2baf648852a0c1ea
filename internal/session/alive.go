// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

const (
	// defaultPingTimeout is how long a consumer process may give no answer. It
	// needs no more than a moment of one processor for an answer, whatever else it
	// does; a machine that does not give it that for so long records nothing.
	defaultPingTimeout = 15 * time.Second
	// pingRounds is how many times in the timeout it is looked whether there is an
	// answer: a clock that jumps, as that of a machine that was suspended, is but
	// one of them.
	pingRounds = 3
)

// silence is since when a process gives no answer. It is safe for concurrent use.
type silence struct{ since atomic.Pointer[time.Time] }

// text is what people are told; "" while there are answers.
func (s *silence) text(m *domain, p *process) string {
	since := s.since.Load()
	if since == nil {
		return ""
	}
	return fmt.Sprintf("consumer process %d of domain %s gives no answer for %v", p.pid(), m.src.Domain(), time.Since(*since).Round(time.Second))
}

// ping asks a process again and again whether it is alive, and kills it when it
// does not answer; then it is buried as one that died by itself. The session is
// not locked: a command that waits for the process goes on when that is gone.
func (m *domain) ping(p *process) {
	timeout := m.s.d.opts.PingTimeout
	round := time.NewTicker(timeout / pingRounds)
	defer round.Stop()
	for m.askOnce(p, round.C, timeout) {
		select {
		case <-round.C:
		case <-p.ended:
			return
		}
	}
}

// askOnce asks once; false when that was the last time.
func (m *domain) askOnce(p *process, round <-chan time.Time, timeout time.Duration) bool {
	asked := time.Now()
	answered := make(chan error, 1)
	go func() { // ends with the answer or with the process
		answered <- p.Call(context.Background(), handover.OpPing, struct{}{}, nil)
	}()
	for missed := 0; ; {
		select {
		case err := <-answered:
			if missed > 0 && err == nil {
				p.silent.since.Store(nil)
				m.s.log.Info("consumer process answers again", "domain", m.src.Domain(), "pid", p.pid(), "after", since(asked))
			}
			return err == nil
		case <-p.ended:
			return false
		case <-round:
		}
		switch missed++; missed {
		case 1:
			p.silent.since.Store(&asked)
			m.s.log.Warn("consumer process does not answer", "domain", m.src.Domain(), "pid", p.pid())
			m.s.d.notify(m.s, "error", p.silent.text(m, p))
		case pingRounds:
			text := p.silent.text(m, p) + ": it is killed"
			m.s.log.Error("consumer process is killed: it does not answer", "domain", m.src.Domain(), "pid", p.pid(), "timeout", timeout)
			m.s.d.notify(m.s, "error", text)
			p.kill()
			return false
		}
	}
}
