// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import "time"

// idlePeriods is for how many periods a slow section is read without being asked
// for.
const idlePeriods = 12

// hasty is a slow reader that wants to be called before its period is over, once.
type hasty interface{ soon() (time.Duration, bool) }

// takeSlow returns the last sample of a slow section, s.mu held; it gives the lock
// back. It waits for a sample only if there is none, or if nobody has asked for so
// long that the lane rests.
func (s *section) takeSlow() (*sample, error) {
	defer s.mu.Unlock()
	s.wanted = time.Now()
	if !s.running && !s.startLane() {
		return nil, errBusy
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

// isReady reports whether taking the section waits for nothing.
func (s *section) isReady() bool {
	if s.prompt || s.lane == own {
		return s.prompt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lane == fast {
		return s.isGone(time.Now())
	}
	return s.running && s.last != nil && s.failed == nil && time.Since(s.last.at) < 2*s.period()
}

// stale reports whether the last sample is from before the lane rested, s.mu held.
func (s *section) stale() bool {
	return s.failed == nil && s.last != nil && s.wanted.Sub(s.last.at) > 2*s.period() && s.running
}

// period is how often the lane reads, s.mu held.
func (s *section) period() time.Duration {
	return max(min(s.engine.o.SlowPeriod<<s.stretch, maxStretched), s.engine.o.SlowPeriod)
}

// startLane starts the lane's goroutine, s.mu held. It reports false when the
// engine is being closed.
func (s *section) startLane() bool {
	select {
	case <-s.engine.quit:
		return false
	default:
	}
	s.running, s.failed = true, nil
	s.engine.running.Go(s.runLane) // ends when nobody asks, or by Engine.Close, which waits
	return true
}

func (s *section) runLane() {
	timer := time.NewTimer(0)
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
	if now.Sub(s.wanted) > idlePeriods*s.period() {
		s.running = false
		s.mu.Unlock()
		return 0, false
	}
	sm := s.begin(nil, now)
	s.mu.Unlock()
	cost, err := s.fill(sm, request{}, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sm, _ := s.end(sm, cost, err); sm != nil {
		s.releaseLocked(sm)
	}
	next = s.period()
	if h, ok := s.reader.(hasty); ok {
		if d, early := h.soon(); early {
			next = min(next, d)
		}
	}
	return next, true
}

// rest ends the lane.
func (s *section) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.busy = false, true // nobody starts it again, nobody waits
	s.turn.Broadcast()
}
