// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import "time"

// Limits of slow sections. One that is read quickly is read for who asks, so that a
// host that is asked every quarter of a minute does not read three times for it; others
// are read ahead.
const (
	idlePeriods = 12                    // for which one that takes long is read without being asked for, and one that a host does not have is not looked for
	patience    = 10 * time.Millisecond // above which nobody waits for a reading but for the first
)

// hasty is a slow reader that wants to be called before its period is over, once.
type hasty interface{ soon() (time.Duration, bool) }

// wary is a slow reader that may find at any time that something hangs, and has to
// read ahead to know it when it is asked.
type wary interface{ isWary() bool }

// takeSlow returns the last sample of a slow section, s.mu held; it gives the lock
// back. It reads if the sample is older than those of a lane that runs. It waits for
// another one to read only then, or if there is none.
func (s *section) takeSlow(j *job) (*sample, error) {
	defer s.mu.Unlock()
	now := time.Now()
	s.wanted = now
	if s.isClosing() {
		return nil, errBusy
	}
	if j != nil && s.isDue(now) && s.waitTurn() && s.isDue(now) {
		return s.readFor(j, now)
	}
	if !s.running && s.age(now) >= s.renewal() {
		s.startLane(0)
	}
	for s.last == nil && s.failed == nil || s.stale() {
		if s.busy {
			break
		}
		s.turn.Wait()
	}
	switch l := s.last; {
	case l == nil && s.busy:
		return nil, errBusy
	case s.failed != nil && !isParse(s.failed):
		return nil, s.failed
	default:
		l.refs++
		if s.busy {
			return l, errBusy
		}
		return l, l.err
	}
}

// readFor reads, s.mu held, which it gives back meanwhile.
func (s *section) readFor(j *job, now time.Time) (*sample, error) {
	sm := s.begin(j, now)
	s.mu.Unlock()
	cost, err := s.fill(sm, request{}, now)
	s.mu.Lock()
	if d, early := s.soon(); early && !s.running && !s.isClosing() {
		s.hurried = true
		s.startLane(d)
	}
	return s.end(sm, cost, err)
}

// keep returns the last sample for a message whose worker hangs in the section, nil
// if there is none. The caller releases it.
func (s *section) keep() *sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lane != slow || s.last == nil {
		return nil
	}
	s.last.refs++
	return s.last
}

// isReady reports whether taking the section waits for nothing.
func (s *section) isReady() bool {
	if s.prompt || s.lane == own {
		return s.prompt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.lane == fast:
		return s.isGone(now)
	case s.last == nil && s.failed == nil || s.isDue(now):
		return false
	case s.failed != nil && !isParse(s.failed):
		return s.age(now) < s.renewal()*3/2
	case s.running:
		return now.Sub(s.last.at) < 2*s.period()
	}
	return s.isCalm() // it is young, or the lane starts
}

// isDue reports whether who asks reads, s.mu held. Who asks more often than samples
// get so old has the lane read.
func (s *section) isDue(now time.Time) bool {
	return s.isCalm() && s.age(now) >= s.renewal()*3/2
}

// isCalm reports whether the section can be waited for, s.mu held.
func (s *section) isCalm() bool {
	w, ok := s.reader.(wary)
	return !s.busy && s.cost.Last <= patience && (!ok || !w.isWary())
}

// age is how long ago the last reading began that is over, s.mu held.
func (s *section) age(now time.Time) time.Duration { return now.Sub(s.read) }

// stale reports whether the last sample is from before the lane rested, s.mu held.
func (s *section) stale() bool {
	return s.failed == nil && s.last != nil && s.wanted.Sub(s.last.at) > 2*s.period() && s.running
}

// period is how often the lane reads, s.mu held.
func (s *section) period() time.Duration {
	return max(min(s.engine.o.SlowPeriod<<s.stretch, maxStretched), s.engine.o.SlowPeriod)
}

// isClosing reports whether the engine is being closed.
func (s *section) isClosing() bool {
	select {
	case <-s.engine.quit:
		return true
	default:
		return false
	}
}

// renewal is up to which age a sample is taken, s.mu held. Devices that a host does not
// have seldom come.
func (s *section) renewal() time.Duration {
	if s.failed != nil && s.isAbsent(s.failed) {
		return idlePeriods * s.period()
	}
	return s.period()
}

// startLane starts the lane's goroutine, s.mu held, which reads after a time. What
// went wrong long ago is forgotten.
func (s *section) startLane(after time.Duration) {
	if s.running = true; s.age(s.wanted) >= 2*s.renewal() {
		s.failed = nil
	}
	s.engine.running.Go(func() { s.runLane(after) }) // ends when nobody asks, or by Engine.Close, which waits
}

func (s *section) runLane(after time.Duration) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.engine.quit:
			s.rest()
			return
		}
		next, goOn := s.readSlow()
		if !goOn {
			return
		}
		timer.Reset(next)
	}
}

// readSlow reads once, and says when to do it again.
func (s *section) readSlow() (next time.Duration, goOn bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.reading: // for who asks
		return s.period(), true
	case !s.hurried && now.Sub(s.wanted) > s.idle():
		s.running = false
		return 0, false
	}
	sm := s.begin(nil, now)
	s.mu.Unlock()
	cost, err := s.fill(sm, request{}, now)
	s.mu.Lock()
	if sm, _ := s.end(sm, cost, err); sm != nil {
		s.releaseLocked(sm)
	}
	d, early := s.soon()
	if s.hurried = early; early {
		return min(s.period(), d), true
	}
	return s.renewal(), true
}

// idle is for how long the lane reads without being asked, s.mu held.
func (s *section) idle() time.Duration {
	if s.isCalm() {
		return s.renewal()
	}
	return idlePeriods * s.period()
}

// soon says when the reader wants to be called before its period is over.
func (s *section) soon() (time.Duration, bool) {
	if h, ok := s.reader.(hasty); ok {
		return h.soon()
	}
	return 0, false
}

// rest ends the lane.
func (s *section) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.busy = false, true // nobody starts it again, nobody waits
	s.turn.Broadcast()
}
