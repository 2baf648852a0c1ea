// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"context"
	"sync"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// Session is a reader's view of the host: what it got last decides what its next
// sample has of processes. It has one user at a time.
type Session struct {
	engine  *Engine
	plan    []planned
	samples Samples
	errors  xmlsysd.Tape
	results []result
	timer   *time.Timer
	job     *job // of the worker that waits for work; nil: none
}

// planned is a section that a message wants.
type planned struct {
	section *section
	need    need
}

// result is what a section gave.
type result struct {
	section *section
	sample  *sample // nil: none
	err     error
}

// job is a message's sections on their way through a worker. It is the worker's
// and the session's, until the session abandons it to the worker.
type job struct {
	work chan struct{} // buffered 1; closed by the session
	done chan struct{} // buffered 1; sent to by the worker, never closed

	// Owned by the session before work is sent, by the worker until done.
	plan  []planned
	since time.Time
	query *Query
	tasks *taskHistory
	own   [3]sample // of sections of their own, whose tapes die with the job

	mu sync.Mutex
	// Guarded by mu.
	results   []result
	abandoned bool
}

// NewSession returns a session, which is to be closed.
func (e *Engine) NewSession() *Session {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Session{engine: e, timer: t}
}

// Close ends the session's worker. Its samples must be released.
func (s *Session) Close() {
	if s.job != nil {
		close(s.job.work)
		s.job = nil
	}
}

// Sample reads the sections of which a client wants something, and returns them in
// the order of a message. It is late by at most the time limit of a section, the
// first time that one hangs. The samples must be released before the next call.
// When the context ends, what was read until then is returned.
func (s *Session) Sample(ctx context.Context, wants func(xmlsysd.NodeID) bool, q *Query) *Samples {
	e := s.engine
	if q == nil {
		q = &e.noQuery
	}
	began := time.Now()
	s.plan, s.results = e.planFor(wants, q, s.plan[:0]), s.results[:0]
	for len(s.results) < len(s.plan) {
		rest := s.plan[len(s.results):]
		n := handOver(rest)
		if n == 0 {
			sm, err := rest[0].section.take(nil, rest[0].need, began, q.MaxAge)
			s.results = append(s.results, result{rest[0].section, sm, err})
			continue
		}
		if !s.wait(ctx, s.start(rest[:n], q, began)) {
			break
		}
	}
	s.collect(wants(e.errors.node))
	e.checkBudget(time.Now())
	return &s.samples
}

// handOver returns how many sections, from the first on, the worker has to read
// because one of them could hang. Handing over costs as much as two sections do:
// what the kernel answers at once is read without.
func handOver(plan []planned) (n int) {
	for n < len(plan) && !plan[n].section.isReady() {
		n++
	}
	return n
}

// planFor lists the sections of a message.
func (e *Engine) planFor(wants func(xmlsysd.NodeID) bool, q *Query, plan []planned) []planned {
	for _, s := range e.sections {
		raw := s.lane == own && s.name == ""
		if s.denied || s == e.errors || raw && len(q.Raw) == 0 || !raw && !wants(s.node) {
			continue
		}
		p := planned{section: s}
		for _, d := range s.details {
			if wants(d.node) {
				p.need |= d.bit
			}
		}
		plan = append(plan, p)
	}
	return plan
}

// start hands work to the session's worker, or to a new one.
func (s *Session) start(plan []planned, q *Query, began time.Time) *job {
	if s.job == nil {
		s.job = &job{work: make(chan struct{}, 1), done: make(chan struct{}, 1), tasks: newTaskHistory()}
		j := s.job
		s.engine.running.Go(j.run) // ends when the session closes or abandons the job; Engine.Close waits
	}
	j := s.job
	j.plan, j.query, j.since, j.results = plan, q, began, j.results[:0]
	j.work <- struct{}{}
	return j
}

// run is the worker.
func (j *job) run() {
	for range j.work {
		for _, p := range j.plan {
			if !j.step(p) {
				return
			}
		}
		j.done <- struct{}{}
	}
}

// step reads a section. It reports false when nobody waits for the job any more.
func (j *job) step(p planned) bool {
	r := result{section: p.section}
	if p.section.lane == own {
		sm := &j.own[p.section.ownIndex()]
		if r.err = p.section.takeOwn(j, p.need, sm); r.err == nil || isParse(r.err) {
			r.sample = sm
		}
	} else {
		r.sample, r.err = p.section.take(j, p.need, j.since, j.query.MaxAge)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.abandoned {
		if r.sample != nil && p.section.lane != own {
			p.section.release(r.sample)
		}
		return false
	}
	j.results = append(j.results, r)
	return true
}

// wait waits for a job, and takes its results over. Of one that hangs in a section
// it takes what is there, and the time limit's error. It reports false when the
// context has ended.
func (s *Session) wait(ctx context.Context, j *job) bool {
	s.timer.Reset(s.engine.o.SectionTimeout)
	defer s.timer.Stop()
	for {
		select {
		case <-j.done:
			s.results = append(s.results, j.results...)
			return true
		case <-ctx.Done():
			s.abandon(j, false)
			return false
		case <-s.timer.C:
			section := j.current()
			if section == nil {
				continue // it is about to be done
			}
			stuck, left := section.expire(j, time.Now())
			if stuck {
				s.abandon(j, true)
				return true
			}
			s.timer.Reset(left)
		}
	}
}

// current returns the section that the worker is at.
func (j *job) current() *section {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.results) == len(j.plan) {
		return nil
	}
	return j.plan[len(j.results)].section
}

// abandon takes the results of a job and leaves the job to its worker, which ends
// when it returns from its section.
func (s *Session) abandon(j *job, late bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.abandoned = true
	s.results = append(s.results, j.results...)
	if n := len(j.results); late && n < len(j.plan) {
		stuck := j.plan[n].section
		s.results = append(s.results, result{stuck, stuck.keep(), errBusy})
	}
	close(j.work) // for a worker that had finished just now
	s.job = nil
}

// collect makes the samples of the results, and the section of their errors.
func (s *Session) collect(wantErrors bool) {
	e := s.engine
	s.errors.Reset()
	if wantErrors {
		e.errors.reader.(*errorReader).nodes.write(&s.errors, s.results)
	}
	errorsAt := e.errors.node
	placed := len(s.errors.Entries()) == 0
	now := time.Now()
	for _, r := range s.results {
		if !placed && r.section.node > errorsAt {
			s.samples.parts = append(s.samples.parts, Part{Node: errorsAt, Tape: &s.errors, At: now})
			placed = true
		}
		if r.sample == nil {
			continue
		}
		p := Part{Node: r.section.node, Tape: &r.sample.tape, At: r.sample.at}
		if r.section.lane != own {
			p.origin, p.sample = r.section, r.sample
		}
		s.samples.parts = append(s.samples.parts, p)
	}
	if !placed {
		s.samples.parts = append(s.samples.parts, Part{Node: errorsAt, Tape: &s.errors, At: now})
	}
}
