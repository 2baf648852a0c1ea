// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"
)

// turn is a mutex for commands that may take long. Who only looks does not wait for
// them for ever, and while they wait for a relay, what brings that back is done.
type turn struct {
	held    chan struct{} // holds a value while somebody has the turn
	errands chan func()   // for who has it
}

func newTurn() *turn {
	return &turn{held: make(chan struct{}, 1), errands: make(chan func())}
}

// Lock waits for the turn.
func (t *turn) Lock() { t.held <- struct{}{} }

// Unlock gives it up.
func (t *turn) Unlock() { <-t.held }

// TryLock takes the turn if it is free.
func (t *turn) TryLock() bool { return t.lockWithin(0) }

// lockWithin is Lock that gives up after a time.
func (t *turn) lockWithin(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return t.lockUntil(ctx)
}

// lockUntil is Lock that gives up when ctx ends.
func (t *turn) lockUntil(ctx context.Context) bool {
	select {
	case t.held <- struct{}{}:
		return true
	default:
	}
	select {
	case t.held <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// do does something in a turn of its own, or in that of a command that attends.
func (t *turn) do(errand func()) {
	done := make(chan struct{})
	select {
	case t.held <- struct{}{}:
		defer t.Unlock()
		errand()
	case t.errands <- func() { defer close(done); errand() }:
		<-done
	}
}

// attend waits for something, and has errands done meanwhile. The caller has the turn;
// what is waited for must not use what errands change.
func (t *turn) attend(wait func()) {
	over := make(chan struct{})
	go func() { // waited for below
		defer close(over)
		wait()
	}()
	for {
		select {
		case errand := <-t.errands:
			errand()
		case <-over:
			return
		}
	}
}
