// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
)

// Change is what an event tells of.
type Change uint8

// Changes.
const (
	Created Change = iota + 1
	Changed
	Deleted
	ChildrenChanged
	SessionLost // the session has ended and all its watches; the event has no path
)

func (c Change) String() string {
	switch c {
	case Created:
		return "created"
	case Changed:
		return "changed"
	case Deleted:
		return "deleted"
	case ChildrenChanged:
		return "children changed"
	case SessionLost:
		return "session lost"
	}
	return "unknown change"
}

// Event is what a watch gives.
type Event struct {
	Change Change
	Path   string
}

// Watcher collects the events of watches. There are at most as many as there are nodes
// watched, because each watch gives one. A Watcher belongs to one session.
type Watcher struct {
	ready chan struct{} // holds a token while there may be events; never closed

	mu sync.Mutex
	// Guarded by mu.
	events []Event
}

// NewWatcher returns a Watcher without events.
func NewWatcher() *Watcher { return &Watcher{ready: make(chan struct{}, 1)} }

// Post adds an event. It is for stores.
func (w *Watcher) Post(e Event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Take returns the events so far, in their order, and forgets them.
func (w *Watcher) Take() []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// Pending reports whether there are events.
func (w *Watcher) Pending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events) > 0
}

// Wait waits until there are events.
func (w *Watcher) Wait(ctx context.Context) error {
	for {
		if w.Pending() {
			return nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Next waits for events and returns all that there are, in their order.
func (w *Watcher) Next(ctx context.Context) ([]Event, error) {
	if err := w.Wait(ctx); err != nil {
		return nil, err
	}
	return w.Take(), nil
}
