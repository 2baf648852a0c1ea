// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package stopping lets what is recorded late be recorded before nobody records any more:
// who tells of something a while after it has happened is asked for the rest when a
// session is about to stop.
package stopping

import (
	"context"
	"sync"
	"time"
)

// patience is how long a session waits for it. Daemons give a program five seconds for
// an answer.
const patience = time.Second

// Flusher records what it has, unless ctx ends before. The function that it returns is
// called when the session has stopped.
type Flusher func(ctx context.Context) (over func())

// registration is a flusher, and the events that it records.
type registration struct {
	events []string
	flush  Flusher
}

var (
	mu  sync.Mutex
	all = make(map[*registration]bool) // guarded by mu
)

// Register has a flusher asked when one of the events is recorded no more.
func Register(flush Flusher, events ...string) (unregister func()) {
	r := &registration{events, flush}
	mu.Lock()
	defer mu.Unlock()
	all[r] = true
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(all, r)
	}
}

// Flush asks those who record one of the events that are recorded still. The function
// that it returns is to be called when they are no more.
func Flush(recorded func(event string) bool) (over func()) {
	var ends []func()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, r := range concerned(recorded) {
		ends = append(ends, r.flush(ctx))
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// concerned are the registrations of events.
func concerned(recorded func(event string) bool) (list []*registration) {
	mu.Lock()
	defer mu.Unlock()
	for r := range all {
		for _, e := range r.events {
			if recorded(e) {
				list = append(list, r)
				break
			}
		}
	}
	return list
}
