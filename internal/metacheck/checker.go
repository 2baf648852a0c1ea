// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metacheck

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
)

// Options configure a checker. Log is required.
type Options struct {
	MaxBytes int64 // of the metadata of one trace
	MaxTotal int64 // memory for what all traces together declare; 0: eight times MaxBytes
	Log      *slog.Logger
}

// maxFaults bounds what is remembered of one session.
const maxFaults = 64

// Counters are totals since the start.
type Counters struct {
	Bytes     atomic.Uint64 // found good
	Errors    atomic.Uint64 // traces whose metadata is wrong
	Unchecked atomic.Uint64 // traces beyond the limits
	Waiting   atomic.Int64  // traces with metadata not looked at yet; rises and falls
}

// Checker checks metadata. It implements [tracestore.Watcher].
type Checker struct {
	// Immutable after New.
	opts     Options
	log      *slog.Logger
	counters Counters

	mu       sync.Mutex
	idle     sync.Cond                               // on mu; working became false
	sessions map[*tracestore.Session]*checkedSession // guarded by mu
	ready    []*checkedTrace                         // guarded by mu; have metadata that was not looked at, longest first
	working  bool                                    // guarded by mu; the goroutine exists
	closed   bool                                    // guarded by mu

	held int64 // owned by the goroutine; bytes of memory that parsers take, about
}

// checkedSession is what is known of a session. Guarded by Checker.mu.
type checkedSession struct {
	traces map[*tracestore.Trace]*checkedTrace
	faults []Fault // at most maxFaults, by trace
	told   bool    // in the log
}

// New makes a checker. It starts nothing.
func New(o Options) *Checker {
	if o.MaxTotal == 0 {
		o.MaxTotal = 8 * o.MaxBytes
	}
	c := &Checker{opts: o, log: o.Log, sessions: make(map[*tracestore.Session]*checkedSession)}
	c.idle.L = &c.mu
	return c
}

// Counters returns the running totals.
func (c *Checker) Counters() *Counters { return &c.counters }

// MetadataStored implements [tracestore.Watcher].
func (c *Checker) MetadataStored(st *tracestore.Stream) {
	ended := st.Closed()
	now, ok := st.StoredMetadata()
	var old tracestore.StoredMetadata
	defer func() { old.Close() }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		old = now
		return
	}
	t := c.traceLocked(st)
	if ok {
		old, t.next, t.fresh = t.next, now, true
	}
	t.ended = ended
	c.queueLocked(t)
}

// traceLocked returns what is known of the trace of a metadata stream.
func (c *Checker) traceLocked(st *tracestore.Stream) *checkedTrace {
	ss := st.Session()
	s := c.sessions[ss]
	if s == nil {
		s = &checkedSession{traces: make(map[*tracestore.Trace]*checkedTrace)}
		c.sessions[ss] = s
	}
	t := s.traces[st.Trace()]
	if t == nil {
		t = &checkedTrace{session: s, trace: st.Trace(), path: st.Trace().Path()}
		s.traces[t.trace] = t
	}
	return t
}

func (c *Checker) queueLocked(t *checkedTrace) {
	if t.queued {
		return
	}
	t.queued = true
	c.ready = append(c.ready, t)
	c.counters.Waiting.Add(1)
	if !c.working {
		c.working = true
		go c.work() // ends by itself when nothing is left; Close and Wait wait for it
	}
}

// SessionEnded implements [tracestore.Watcher].
func (c *Checker) SessionEnded(ss *tracestore.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[ss]
	if s == nil {
		return
	}
	delete(c.sessions, ss)
	for _, t := range s.traces {
		t.ended = true
		c.queueLocked(t) // to be let go of by the one who owns it
	}
}

// work looks at one trace after the other.
func (c *Checker) work() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) > 0 {
		t := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		t.queued = false
		next, fresh, ended, closed := t.next, t.fresh, t.ended, c.closed
		t.next, t.fresh = tracestore.StoredMetadata{}, false
		c.mu.Unlock()
		if fresh && !closed {
			t.take(c, next)
		} else {
			next.Close()
		}
		if ended || closed {
			t.end(c, closed)
		}
		c.mu.Lock()
		c.counters.Waiting.Add(-1)
		c.noteLocked(t, ended)
	}
	c.working = false
	c.idle.Broadcast()
}

// noteLocked makes known what was found out about a trace.
func (c *Checker) noteLocked(t *checkedTrace, ended bool) {
	t.known = t.layouts
	s := t.session
	if ended && !t.queued {
		delete(s.traces, t.trace)
	}
	s.faults = slices.DeleteFunc(s.faults, func(f Fault) bool { return f.trace == t.trace })
	if t.fault != nil && len(s.faults) < maxFaults {
		s.faults = append(s.faults, *t.fault)
	}
}

// tell logs what is wrong, once for each session.
func (c *Checker) tell(t *checkedTrace, f *Fault) {
	counter, what := &c.counters.Errors, "metadata broken"
	if f.Unchecked {
		counter, what = &c.counters.Unchecked, "metadata not checked"
	}
	counter.Add(1)
	c.mu.Lock()
	told := t.session.told
	t.session.told = true
	c.mu.Unlock()
	if ss := t.trace.Session(); !told {
		c.log.Warn(what, "session", ss.ID(), "name", ss.Request().Name, "trace", f.Trace, "err", f.Message)
	}
}

// Faults returns what is wrong with the metadata of an open session, by trace.
func (c *Checker) Faults(ss *tracestore.Session) []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[ss]
	if s == nil {
		return nil
	}
	faults := slices.Clone(s.faults)
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.trace.ID(), b.trace.ID()) })
	return faults
}

// Layout returns what the packets of a stream class look like, nil when that is
// not known.
func (c *Checker) Layout(t *tracestore.Trace, class uint64) *metadata.Layout {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[t.Session()]
	if s == nil || s.traces[t] == nil {
		return nil
	}
	return s.traces[t].known[class]
}

// Wait returns when all metadata that was told of has been looked at.
func (c *Checker) Wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.working {
		c.idle.Wait()
	}
}

// Close lets go of everything, and ignores what it is told from then on.
func (c *Checker) Close() {
	c.mu.Lock()
	c.closed = true
	for _, s := range c.sessions {
		for _, t := range s.traces {
			c.queueLocked(t)
		}
	}
	c.mu.Unlock()
	c.Wait()
}
