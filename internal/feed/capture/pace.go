// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"sync/atomic"
	"time"
)

// pace says whether to wait for the next event itself, or for a moment without being
// woken by each: whoever makes an event pays for waking who waits for it.
type pace struct {
	due  time.Time // when nothing is left of what has woken
	last time.Time // when events were read last
	calm time.Time // when the storm is over
}

// Commands that are run one after the other are one or two thousand events a second. Beyond
// that, being woken is a share of what the events cost.
const (
	wakeCost  = 400 * time.Microsecond // of the time, for each event that has woken
	wakeBurst = 16 * time.Millisecond
	// A storm is so many bytes of events in a millisecond. It is over when they were
	// fewer for a while.
	stormBytes = 4 << 10
	stormEnds  = 10 * time.Millisecond
)

// prompt reports whether the next event may wake.
func (p *pace) prompt(now time.Time) bool {
	return p.due.Sub(now) < wakeBurst && !p.storm(now)
}

// storm reports whether there is a storm.
func (p *pace) storm(now time.Time) bool { return now.Before(p.calm) }

// woken counts an event that has woken.
func (p *pace) woken(now time.Time) {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(wakeCost)
}

// read says how many bytes of events were read at once, all there were but those beyond
// the room.
func (p *pace) read(now time.Time, n int) {
	gathered := min(max(now.Sub(p.last), time.Millisecond), time.Second)
	if p.last = now; int64(n)*int64(time.Millisecond) >= stormBytes*int64(gathered) {
		p.calm = now.Add(stormEnds)
	}
}

// readMeanwhile does something that takes its time, and has events read while it does:
// processes of short lives are gone afterwards. What do does must not touch what reading
// does, and the other way round. In a storm nothing is read meanwhile: many reads of few
// events cost more.
func (w *worker) readMeanwhile(do func() error) error {
	if w.group == nil || w.ending || w.pace.storm(time.Now()) {
		return do()
	}
	var over atomic.Bool
	done := make(chan error, 1)
	go func() { // ends with do
		err := do()
		over.Store(true)
		done <- errors.Join(err, w.group.Interrupt())
	}()
	w.unreadable = w.keepReading(time.Time{}, over.Load)
	return <-done
}

// keepReading reads events as they come, until a time if that is not zero, or until over
// is true.
func (w *worker) keepReading(end time.Time, over func() bool) error {
	for !over() {
		now := time.Now()
		left := time.Duration(0)
		if !end.IsZero() {
			if left = end.Sub(now); left <= 0 {
				return nil
			}
		}
		if err := w.awaitEvents(now, left, over); err != nil || over() {
			return err
		}
		if err := w.read(w.group.TryRead); err != nil {
			return err
		}
	}
	return nil
}

// awaitEvents waits until events are to be read: at once, or after a moment where there
// are many.
func (w *worker) awaitEvents(now time.Time, left time.Duration, over func() bool) error {
	if w.garbled == nil && w.spool.hasRoom() && w.pace.prompt(now) {
		ready, err := w.group.Await(left, over)
		if ready {
			w.pace.woken(time.Now())
		}
		return err
	}
	if left == 0 || left > gatherTime {
		left = gatherTime
	}
	return w.group.Gather(left, over)
}
