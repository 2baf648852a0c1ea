// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

// Shares of the time that the end of all sessions may take: until the command that
// is being carried out is over, by itself or because its processes are gone; until
// the rings are drained and a relay that is there has confirmed everything; until
// the processes have ended by themselves. What is left is for what they held.
const (
	turnShare  = 0.2
	drainShare = 0.5
	endShare   = 0.85
)

// endTimeout is how long the end of a session may take where nobody says, beside
// the time that its relay may take.
const endTimeout = 10 * time.Second

// endSettle is how long a relay is waited for once more when a session ends.
const endSettle = 4 * time.Second

// Close destroys all sessions, within the time that ctx has. Packets that no relay
// has confirmed by then are kept where there is a directory for spools, or else
// lost, as the error tells.
func (d *Daemon) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	d.mu.Lock()
	d.stopped = true
	all := slices.Concat(d.sessions, d.leaving)
	d.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	wg.Go(func() { d.endTriggers(ctx) })
	for i, s := range all {
		wg.Go(func() {
			if err := s.endNow(ctx); err != nil {
				errs[i] = fmt.Errorf("session %s: %w", s.name, err)
			}
		})
	}
	if !await(ctx, &wg) || !await(ctx, &d.work) {
		return errors.New("not all sessions have ended")
	}
	return errors.Join(errs...)
}

// await waits for goroutines until ctx ends.
func await(ctx context.Context, wg *sync.WaitGroup) bool {
	ended := make(chan struct{})
	go func() { // ends with them; who gives up on them ends the process
		wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// share is ctx that ends when a share of its time is over.
func share(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(endTimeout)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(end))))
}

// endNow destroys a session within the time of ctx. What goes on by itself, such
// as the search for a relay, ends at once.
func (s *Session) endNow(ctx context.Context) error {
	turn, cancel := share(ctx, turnShare)
	defer cancel()
	drained, cancel := share(ctx, drainShare)
	defer cancel()
	closed, cancel := share(ctx, endShare)
	defer cancel()
	s.stop()
	if !s.mu.lockUntil(turn) {
		s.hangUp()
		if !s.mu.lockUntil(drained) {
			return errors.New("it is not ended: a command goes on")
		}
	}
	if s.gone {
		s.mu.Unlock()
		return nil // by its own command
	}
	var done agent.Done
	err := s.end(drained, closed, time.Until(deadline(drained))*3/4, true, &done)
	s.mu.Unlock()
	await(ctx, &s.background)
	for _, w := range done.Warnings {
		s.log.Warn("session ended with a warning", "warning", w.Message)
	}
	return err
}

func deadline(ctx context.Context) time.Time {
	t, _ := ctx.Deadline()
	return t
}

// hangUp has all processes of the session end, whatever they do, and with that the
// command that waits for one. The session need not be locked.
func (s *Session) hangUp() {
	s.processes.Range(func(p, _ any) bool {
		_ = p.(*process).Caller.Close()
		return true
	})
}

// Destroy ends a session. With wait, what it has recorded is at its place then.
func (d *Daemon) Destroy(ctx context.Context, by Caller, name string, wait bool) (agent.Done, error) {
	s, err := d.session(by, name)
	if err != nil {
		return agent.Done{}, err
	}
	if !wait {
		return agent.Done{}, d.destroyLater(s)
	}
	return s.destroy(ctx, true)
}

// destroyNow is destroy of a session that is a trigger's own.
func (s *Session) destroyNow() error {
	_, err := s.destroy(context.Background(), true)
	return err
}

// destroy ends the session.
func (s *Session) destroy(ctx context.Context, wait bool) (agent.Done, error) {
	var done agent.Done
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return done, problemf(agent.CodeSessionNotFound, "session %s not found", s.name)
	}
	// Not by who has given the order, who may go away half-way.
	closed, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*finishTimeout+endTimeout)
	defer cancel()
	err := s.end(ctx, closed, finishTimeout, false, &done)
	s.mu.Unlock()
	s.background.Wait()
	if err != nil && !wait {
		warn(&done, agent.CodeUnknown, err.Error())
		err = nil
	}
	return done, err
}

// end stops the session and frees everything. The rings are drained until the first
// context ends, processes end until the second does. What goes on by itself may
// end later. In a hurry nobody waits for a relay that is away. The caller holds the
// session's lock.
func (s *Session) end(drained, closed context.Context, settle time.Duration, hurry bool, done *agent.Done) error {
	var errs []error
	for _, m := range s.domains {
		m.unsettled = false
	}
	if s.active {
		errs = append(errs, s.halt())
		for m, err := range s.drain(drained, settle, hurry) {
			// What is not settled the end tells, as it is then.
			if _, ok := errors.AsType[*unsettledError](err); !ok {
				errs = append(errs, fmt.Errorf("domain %s: %w", m.src.Domain(), err))
			}
		}
		s.stopped()
	}
	if !hurry {
		s.countLosses(closed, done)
	}
	s.gone = true
	s.stop()
	var all sync.WaitGroup
	all.Go(s.endLoggers)
	ends := make([]error, len(s.domains))
	kept := make([][]string, len(s.domains))
	for i, m := range s.domains {
		all.Go(func() { kept[i], ends[i] = m.close(closed, hurry) })
	}
	all.Wait()
	for i := range ends {
		errs = append(errs, ends[i])
		for _, text := range kept[i] {
			warn(done, agent.CodeUnknown, text)
		}
	}
	errs = append(errs, s.shelve(done))
	s.consumer.close()
	s.d.remove(s)
	s.log.Info("session destroyed")
	s.d.notify(s, "state", "destroyed")
	return errors.Join(errs...)
}

// close ends the domain: process first, as it holds the rings. It returns what is
// to be told of packets that were kept.
func (m *domain) close(ctx context.Context, hurry bool) (kept []string, err error) {
	if m.proc != nil {
		p := m.proc
		m.proc = nil
		settle := endSettle
		if m.unsettled || hurry {
			settle = 0 // it was waited for
		}
		_, stuck := m.isStuck()
		asked := ctx
		if stuck {
			var cancel context.CancelFunc
			asked, cancel = context.WithTimeout(ctx, stuckTimeout)
			defer cancel()
		}
		var rest handover.Ended
		err = p.Call(asked, handover.OpEnd, handover.End{Settle: settle, Halted: true}, &rest)
		err = errors.Join(err, p.close(asked))
		kept = m.takeKept(rest)
		if rest.Stuck != "" {
			err = errors.Join(err, fmt.Errorf("domain %s: what was read and is not written is lost: %s", m.src.Domain(), rest.Stuck))
		}
		if stuck || p.lingers() {
			m.abandon(p)
		}
		unread := ""
		if rest.Events > 0 {
			unread = fmt.Sprintf(" and %d events that were left in the rings", rest.Events)
			m.s.log.Warn("events were left in the rings", "domain", m.src.Domain(), "events", rest.Events)
		}
		if rest.Lost > 0 {
			err = errors.Join(err, fmt.Errorf("domain %s: %d packets%s are lost: %s", m.src.Domain(), rest.Lost, unread, cmp.Or(rest.Error, "no relay has confirmed them")))
		}
	}
	text, cerr := m.release()
	if text != "" {
		kept = append(kept, text)
	}
	return kept, errors.Join(err, cerr)
}

// shelve puts all chunks into their places, where nobody writes any more. The caller holds
// the session's lock.
func (s *Session) shelve(done *agent.Done) error {
	if slices.ContainsFunc(s.domains, func(m *domain) bool { return m.local == nil && len(m.abandoned) > 0 }) {
		// Another domain's process may not have noticed. Who went there would not come back.
		for _, m := range s.domains {
			if m.local != nil {
				m.local.letGo()
				warn(done, agent.CodeUnknown, fmt.Sprintf("domain %s: %s is left as it is, since the file system of another domain does not answer", m.src.Domain(), m.local.path()))
			}
		}
		return nil
	}
	var errs []error
	for _, m := range s.domains {
		if m.local != nil {
			_, err := m.local.straighten()
			errs = append(errs, err)
			m.local.settle()
		}
	}
	return errors.Join(append(errs, s.archiveLast(done))...)
}
