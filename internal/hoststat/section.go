// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"sync"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// lane says who reads a section, and for whom.
type lane uint8

const (
	fast lane = iota
	slow
	own
)

// section is a reader with what it gave last.
type section struct {
	// Immutable after New.
	engine  *Engine
	node    xmlsysd.NodeID
	path    string
	id      []byte // path
	name    string
	class   xmlsysd.Class
	source  string
	lane    lane
	denied  bool // not exposed
	absent  bool // no error when its files do not exist
	prompt  bool // never hangs
	reader  reader
	details []detail

	request request // of whoever has the turn; here so that a reading allocates nothing

	mu   sync.Mutex
	turn sync.Cond // on mu: the section is not being read any more, or is busy
	// Guarded by mu.
	last    *sample
	free    []*sample
	reading bool
	began   time.Time // when reading
	read    time.Time // when the last reading began that is over
	hurried bool      // the lane is to read although nobody may ask
	by      *job      // who reads; nil: the lane's goroutine
	busy    bool      // reading, and for too long
	failed  error     // of the last reading: last is older than that
	gone    time.Time // when its files were not there
	running bool      // the lane's goroutine
	wanted  time.Time // when the lane was last asked
	cost    Cost
	stretch uint // by how much a costly section's interval is doubled
}

// errBusy says that a section hangs.
var errBusy = errors.New("not read within the time limit")

// take returns a sample that is young enough. The caller releases it. With a sample
// an error is one of parsing.
func (s *section) take(j *job, need need, since time.Time, maxAge time.Duration) (*sample, error) {
	s.mu.Lock()
	if s.lane == slow {
		return s.takeSlow(j)
	}
	if !s.waitTurn() {
		s.mu.Unlock()
		return nil, errBusy
	}
	now := time.Now()
	if s.isGone(now) {
		err := s.failed
		s.mu.Unlock()
		return nil, err
	}
	if l := s.last; l != nil && l.need&need|needWhole == need|needWhole && now.Sub(l.at) < s.interval(maxAge) {
		l.refs++
		s.mu.Unlock()
		return l, l.err
	}
	sm := s.begin(j, now)
	s.mu.Unlock()
	cost, err := s.fill(sm, request{need: need, since: since, maxAge: maxAge}, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(sm, cost, err)
}

// takeOwn reads a section into a tape of the job's.
func (s *section) takeOwn(j *job, need need, sm *sample) error {
	s.mu.Lock()
	if !s.waitTurn() {
		s.mu.Unlock()
		return errBusy
	}
	now := time.Now()
	s.reading, s.began, s.by = true, now, j
	s.mu.Unlock()
	cost, err := s.fill(sm, request{need: need, maxAge: j.query.MaxAge, query: j.query, tasks: j.tasks}, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over(cost, err)
	return err
}

// waitTurn waits until nobody reads, s.mu held. It reports false if the section is
// busy.
func (s *section) waitTurn() bool {
	for s.reading && !s.busy {
		s.turn.Wait()
	}
	return !s.busy
}

// begin takes the turn, and returns a sample to fill. s.mu is held.
func (s *section) begin(j *job, now time.Time) *sample {
	s.reading, s.began, s.by = true, now, j
	if n := len(s.free); n > 0 {
		sm := s.free[n-1]
		s.free = s.free[:n-1]
		return sm
	}
	return new(sample)
}

// fill reads. It is called by whoever has the turn, without the lock.
func (s *section) fill(sm *sample, r request, now time.Time) (time.Duration, error) {
	sm.at, sm.need = now, r.need
	sm.tape.Reset()
	r.tape, r.at, r.now = &sm.tape, stampOf(now), now
	s.request = r
	err := s.reader.read(&s.request)
	sm.err = err
	cost := time.Since(now)
	s.engine.budget.spend(cost)
	return cost, err
}

// over gives the turn back, s.mu held.
func (s *section) over(cost time.Duration, err error) {
	s.reading, s.busy, s.by, s.failed, s.read = false, false, nil, err, s.began
	s.cost.Calls++
	s.cost.Last = cost
	s.cost.Max = max(s.cost.Max, cost)
	s.cost.Total += cost
	s.cost.Bytes += uint64(s.request.bytes)
	switch {
	case err == nil:
	case s.isAbsent(err):
		s.gone = s.began
	default:
		s.cost.Errors++
	}
	s.turn.Broadcast()
}

// end publishes what was read, s.mu held, and returns it to a caller.
func (s *section) end(sm *sample, cost time.Duration, err error) (*sample, error) {
	s.over(cost, err)
	if err != nil && !isParse(err) {
		s.free = append(s.free, sm)
		return nil, err
	}
	if s.last != nil {
		s.releaseLocked(s.last)
	}
	sm.refs = 2 // the section and the caller
	s.last = sm
	return sm, err
}

func (s *section) release(sm *sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(sm)
}

func (s *section) releaseLocked(sm *sample) {
	if sm.refs--; sm.refs == 0 {
		s.free = append(s.free, sm)
	}
}

// absence is for how long files are not looked for that the host does not have.
const absence = time.Second

// isGone reports whether the section was not there a moment ago, s.mu held.
func (s *section) isGone(now time.Time) bool {
	return s.failed != nil && !s.gone.IsZero() && now.Sub(s.gone) < absence && s.isAbsent(s.failed)
}

// expire marks the section busy if it has been read for longer than the time
// limit. It reports whether it is the job that reads, and else how much time is
// left.
func (s *section) expire(j *job, now time.Time) (stuck bool, left time.Duration) {
	limit := s.engine.o.SectionTimeout
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.reading {
		return false, limit
	}
	if left = limit - now.Sub(s.began); left > 0 {
		return false, left
	}
	s.busy = true
	s.turn.Broadcast()
	return s.by == j, limit
}

// interval is how long a sample is shared with a session that has a limit of its
// own, 0 for none, s.mu held. A costly section that is stretched has no ear for that.
func (s *section) interval(maxAge time.Duration) time.Duration {
	if s.stretch == 0 {
		return limited(s.engine.o.MinInterval, maxAge)
	}
	return min(max(s.engine.o.MinInterval, time.Second)<<s.stretch, maxStretched)
}

func (s *section) info() SectionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SectionInfo{
		Path: s.path, Name: s.name, Node: s.node, Class: s.class, Source: s.source,
		Slow: s.lane == slow, Denied: s.denied, Busy: s.busy, Cost: s.cost,
	}
}

func (s *section) closeFiles() {
	if c, ok := s.reader.(closer); ok {
		c.close()
	}
}
