// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// rounds is what the goroutine of a ring does, the kernel's or programs': round by round
// it waits, carries out orders, and reads. What belongs to the kind of ring is its
// emptier's. With the mailbox and the stall it is most of a source.
type rounds struct {
	*mailbox
	stall

	// Immutable.
	log *slog.Logger
	of  emptier

	// turn is held by who does something with the ring, and owns what follows: the goroutine,
	// but while it waits, if it lets go of it then, and who does without it meanwhile.
	turn sync.Mutex

	// Guarded by turn.
	reading bool
	emptied bool  // read to its end, as nothing was recorded any more
	failure error // of reading: reported once
}

// emptier empties one ring. The goroutine of its rounds calls it.
type emptier interface {
	// wait waits for the ring, for orders and for timers. It may let go of the turn meanwhile.
	wait() error
	// started is told that reading begins, or goes on.
	started() error
	// read takes what is there, as long as there is room for it; with all, also what
	// nobody will complete any more.
	read(all bool)
	// timers ends packets that are old enough, and tells viewers of idle streams.
	timers()
	// flush is read, and ends the packet that is open if there is room for that.
	flush(all bool) error
	// most is how often flush finds no room at most until the ring is empty.
	most() uint64
	// tellEmpty gives a packet without events.
	tellEmpty() error
}

// run serves until the orders end.
func (r *rounds) run() {
	defer close(r.ended)
	debug.SetPanicOnFault(true) // a ring has the faults of memory that programs share told as errors
	r.turn.Lock()
	defer r.turn.Unlock()
	for {
		if err := r.of.wait(); err != nil {
			r.fail(err)
		}
		if !r.obey() {
			return
		}
		switch {
		case !r.reading && !r.unfinished || !r.due():
		case r.unfinished:
			if err := r.finish(); err != nil && !noRoom(err) {
				r.fail(err)
			}
		default:
			r.of.read(false)
			r.of.timers()
		}
	}
}

// fail tells of an error, unless that is what it has told last.
func (r *rounds) fail(err error) {
	if r.failure == nil || r.failure.Error() != err.Error() {
		r.failure = err
		r.log.Error("ring not read in full", "channel", r.s.channel.Name, "cpu", r.s.cpu, "err", err)
	}
}

func (r *rounds) start() error {
	return r.call(func() error {
		r.reading, r.emptied, r.unfinished, r.left, r.retryAt = true, false, false, false, time.Time{}
		return r.of.started()
	})
}

func (r *rounds) hold() error {
	return r.call(func() error {
		if !r.reading {
			r.unfinished, r.left = false, r.unfinished
			return nil
		}
		r.reading, r.retryAt = false, time.Time{}
		if !r.due() {
			return nil
		}
		return r.of.flush(false)
	})
}

func (r *rounds) goOn() error {
	return r.call(func() error {
		r.unfinished, r.left, r.retryAt = r.left, false, time.Time{}
		return nil
	})
}

func (r *rounds) stop() error {
	return r.direct(func() error {
		r.reading, r.unfinished, r.left = false, true, false
		return r.finish()
	})
}

// direct is call, but does it here where the goroutine only waits: to wake it costs more
// than most of what is to be done. That is for outputs which nobody waits for: who gives
// orders must not hang.
func (r *rounds) direct(do func() error) error {
	if w, ok := r.s.out.(promptWriter); !ok || !w.prompt() || !r.turn.TryLock() {
		return r.call(do)
	}
	defer r.turn.Unlock()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err := do()
	if r.unfinished { // what is left is the goroutine's
		r.wake()
	}
	return err
}

// finish reads the ring to its end, as far as there is room for its packets.
func (r *rounds) finish() error {
	for n := r.of.most(); ; n-- {
		if err := r.s.retry(); err != nil {
			r.retryAt = time.Now().Add(retryPeriod)
			return err
		}
		if n == 0 {
			r.unfinished, r.emptied = false, true
			return nil
		}
		if err := r.of.flush(true); err != nil || !r.s.stalled() {
			r.unfinished, r.emptied = false, true
			return err
		}
	}
}

func (r *rounds) tell() (told bool, err error) {
	if !r.s.untold.Load() { // the goroutine need not be woken for that
		return false, nil
	}
	err = r.call(func() (err error) {
		told, err = r.tellLost()
		return err
	})
	if errors.Is(err, errHung) { // it may be done later
		return false, err
	}
	return told, err
}

// tellLost has a packet follow those that are lost, if there is room for one.
func (r *rounds) tellLost() (bool, error) {
	if !r.s.untold.Load() || r.s.stalled() {
		return false, nil
	}
	return true, r.of.tellEmpty()
}
