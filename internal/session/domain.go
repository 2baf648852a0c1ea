// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// Limits of a consumer process that dies: more deaths in a time fail the session.
const (
	maxDeaths   = 5
	deathPeriod = time.Minute
)

// domain is what a session records of one source. It is guarded by Session.mu.
type domain struct {
	s     *Session
	src   source.Source
	trace source.Trace

	channels []*channel
	last     uint32 // number of the last channel

	kept  atomic.Pointer[string] // name of what the process keeps of packets that no relay has got; not guarded
	woken chan struct{}          // has one when the trace is to follow; never closed, not guarded

	proc    *process      // nil until recording begins
	fed     *process      // that was told of what is recorded for it alone
	feeding handing       // of that
	texts   []source.Text // all metadata that a consumer was told
	local   *local        // the directory in use; nil for a relay
	deaths  []time.Time

	abandoned []*process // whose output did not answer; they may wait in the kernel yet

	visited   bool      // the relay in use has streams of the domain
	prepared  uint64    // number of the last output that a process was told of
	output    uint64    // of the one in use
	lostAt    time.Time // when the process has lost its relay; zero while it has one
	left      []string  // what outputs that were replaced have left behind, for people
	behind    *boundary // that is still to be crossed, to the session's chunk; nil: there is none
	unsettled bool      // when it was drained last, not everything came to its place
	complaint string    // last one of what goes on by itself
	toldUsers bool      // the consumer was told of tracked users
	dropped   bool      // the session has it no more
}

// domain returns a domain of the session, which is begun if create is set.
func (s *Session) domain(by Caller, name string, create bool) (*domain, error) {
	src, err := s.d.source(by, name)
	if err != nil {
		return nil, err
	}
	for _, m := range s.domains {
		if m.src == src {
			return m, nil
		}
	}
	if !create {
		return nil, problemf(agent.CodeChannelNotFound, "session %s has no channel of domain %s", s.name, name)
	}
	m := &domain{s: s, src: src, woken: make(chan struct{}, 1)}
	info := source.SessionInfo{
		ID: s.id, Name: s.name, Owner: s.uid, Mode: s.mode, Hostname: s.hostname, Created: s.created.Format("20060102T150405-0700"),
		Clock: s.clock, Naming: s.naming, TraceSelf: s.self, HashPointers: s.hash, LiveTimer: s.live, Publish: m.publish, Wake: m.wake,
	}
	rand.Read(info.UUID[:])
	if m.trace, err = src.Open(info); err != nil {
		return nil, err
	}
	if err := m.track(); err != nil {
		return nil, errors.Join(err, m.trace.Close())
	}
	s.domains = append(s.domains, m)
	m.keepUp()
	return m, nil
}

// known reports whether the session has begun a domain.
func (s *Session) known(name string) bool {
	return slices.ContainsFunc(s.domains, func(m *domain) bool { return m.src.Domain() == name })
}

// takeBack undoes what a command has begun that is refused: the channel that it has made,
// the domain's only one, and the domain unless it was known. A trace cannot give up a
// channel, so a domain that was known has a new one.
func (m *domain) takeBack(by Caller, known bool) error {
	s := m.s
	if m.proc != nil || known && len(m.channels) == 0 {
		return nil
	}
	m.dropped = true
	s.domains = slices.DeleteFunc(s.domains, func(o *domain) bool { return o == m })
	_, err := m.release() // nobody waits in the kernel, as there was no process
	if known {
		_, again := s.domain(by, m.src.Domain(), true)
		err = errors.Join(err, again)
	}
	return err
}

// place is the directory of the trace in that of the session.
func (m *domain) place() string {
	if p, ok := m.trace.(source.Placed); ok {
		return p.Place()
	}
	return m.src.Domain()
}

// running returns the domains that have a consumer process.
func (s *Session) running() []*domain {
	var all []*domain
	for _, m := range s.domains {
		if m.proc != nil {
			all = append(all, m)
		}
	}
	return all
}

// launch starts the consumer process and tells it everything, so that it can
// begin to read.
func (m *domain) launch(ctx context.Context) (err error) {
	if m.local != nil {
		// Packets go on in a chunk of their own.
		if err := m.archiveTorn(); err != nil {
			return err
		}
	}
	for _, c := range m.channels {
		if err := c.Prepare(); err != nil {
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
	p, err := startProcess(m.s, m.noticed)
	if err != nil {
		return problemf(agent.CodeEnableConsumer, "%v", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := m.trace.Exclude([]int32{int32(os.Getpid()), p.pid()}); err != nil {
		m.s.log.Warn("the daemon's own threads are recorded", "err", err)
	}
	if err := m.greet(ctx, p); err != nil {
		return err
	}
	m.proc, m.behind = p, nil
	defer func() {
		if err != nil {
			m.proc = nil
		}
	}()
	if err := m.tellFeed(ctx, p); err != nil { // before events that ask
		return err
	}
	for _, c := range m.channels {
		if err := c.tell(ctx, p, m.packetBytes(c)); err != nil {
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
	if err := m.tellUsers(ctx); err != nil {
		return err
	}
	if err := m.tellAllMetadata(ctx); err != nil {
		return err
	}
	if err := m.publish(); err != nil {
		return err
	}
	if m.s.mode != agent.Snapshot {
		if err := m.redirect(ctx); err != nil {
			return err
		}
	}
	if m.s.consumer.paused {
		if err := m.pause(ctx, false); err != nil {
			return err
		}
	}
	m.s.background.Go(func() { m.watch(p) })
	m.s.background.Go(func() { m.ping(p) })
	return nil
}

func (m *domain) greet(ctx context.Context, p *process) error {
	o := &m.s.d.opts
	h := handover.Hello{
		Version: handover.Version, Session: m.s.name, Domain: m.src.Domain(), LiveTimer: m.s.live,
		Snapshot: m.s.mode == agent.Snapshot, Realtime: o.Realtime, SpoolMemory: o.SpoolMemory, Hang: o.HangTimeout,
	}
	h.Keep = keptName(m.s, m.src.Domain(), time.Now())
	m.kept.Store(&h.Keep)
	var spool *os.File
	if o.SpoolDir != "" { // also for a directory: a relay may come later
		var err error
		if spool, err = m.s.openSpool(); err != nil {
			m.s.log.Warn("packets for a lost relay are kept in memory only", "err", err)
		} else {
			defer spool.Close()
		}
	}
	return p.hello(ctx, h, spool)
}

// start lets the domain record.
func (m *domain) start(ctx context.Context) error {
	if m.proc == nil {
		if err := m.launch(ctx); err != nil {
			return err
		}
	}
	if err := m.proc.Call(ctx, handover.OpStart, struct{}{}, nil); err != nil {
		return err
	}
	if m.s.onMatch != nil {
		// A trigger's own session is written nowhere.
	} else if err := m.dumpState(ctx); err != nil {
		m.s.log.Warn("state not dumped", "domain", m.src.Domain(), "err", err)
	}
	for _, c := range m.channels {
		if !c.enabled {
			continue
		}
		if err := c.Start(); err != nil {
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
	return nil
}

// dumpState writes what was so before the first event.
func (m *domain) dumpState(ctx context.Context) error {
	id, events, err := m.trace.StateDump()
	if err != nil || len(events) == 0 {
		return err
	}
	blob, err := handover.Blob("state dump", events)
	if err != nil {
		return err
	}
	defer blob.Close()
	return m.proc.Call(ctx, handover.OpInject, handover.Inject{Channel: id}, nil, blob)
}

// stopRecording ends recording; what the rings hold is still to be read.
func (m *domain) stopRecording() error {
	var errs []error
	for _, c := range m.channels {
		if err := c.Stop(); err != nil {
			errs = append(errs, fmt.Errorf("channel %s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// track applies the session's tracked processes.
func (m *domain) track() error {
	if t, ok := m.trace.(source.UserRestricted); ok {
		to := m.s.users[m.src.Domain()]
		if err := t.TrackUsers(to.UIDs, to.GIDs); err != nil {
			return err
		}
	}
	return m.trace.Track(m.s.pids[m.src.Domain()])
}

// document describes the domain, and adds its packets to the consumer's account. It
// reports whether the output cannot be written.
func (m *domain) document(ctx context.Context, to *agent.Consumer) (d agent.Domain, broken bool) {
	doc := agent.Domain{Name: m.src.Domain(), Channels: []agent.Channel{}, PIDs: slices.Clone(m.s.pids[m.src.Domain()])}
	doc.UIDs, doc.GIDs = m.s.users[m.src.Domain()].UIDs, m.s.users[m.src.Domain()].GIDs
	var st handover.Status
	if m.proc != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := m.proc.Call(ctx, handover.OpStatus, struct{}{}, &st); err != nil {
			to.LastError = err.Error()
		}
		if text := m.proc.silent.text(m, m.proc); text != "" {
			to.LastError = text
		}
	}
	to.SpoolBytes += st.SpoolBytes
	to.SpoolFull = to.SpoolFull || st.SpoolFull
	if to.SpoolOldest.IsZero() || !st.SpoolOldest.IsZero() && st.SpoolOldest.Before(to.SpoolOldest) {
		to.SpoolOldest = st.SpoolOldest
	}
	// How a relay was lost is among the session's own errors, of which later ones tell
	// why there is none yet.
	if st.LastError != "" && st.Output != handover.OutputRelay {
		to.LastError = st.LastError
	}
	if stuck, ok := m.isStuck(); ok {
		to.LastError = stuckText(m.src.Domain(), stuck)
	}
	for _, c := range m.channels {
		doc.Channels = append(doc.Channels, c.document(st.Streams))
	}
	for _, st := range st.Streams {
		to.Packets += st.Packets
		to.Bytes += st.Bytes
		to.Confirmed += st.Confirmed
		to.Lost += st.Lost
	}
	_, stuck := m.isStuck()
	return doc, st.Output == handover.OutputDirectory && st.LastError != "" || stuck
}
