// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"slices"
	"sync"

	"github.com/weir-io/weir/internal/store"
)

// watchKey is what a watch is set on: a node itself, or its children.
type watchKey struct {
	path     string
	children bool
}

// armed is a watch of a session.
type armed struct {
	session int64
	watcher *store.Watcher
}

// watches are those that have not fired.
type watches struct {
	mu sync.Mutex
	// Guarded by mu.
	armed map[watchKey][]armed
}

// arm sets a watch, once.
func (w *watches) arm(key watchKey, session int64, watcher *store.Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := armed{session, watcher}
	if !slices.Contains(w.armed[key], a) {
		w.armed[key] = append(w.armed[key], a)
	}
}

// fire gives events to the watches that they fire. Who watches both a node and its
// children hears once that it was deleted.
func (w *watches) fire(events []store.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		var hit []armed
		if e.Change != store.ChildrenChanged {
			hit = w.disarm(watchKey{e.Path, false})
		}
		if e.Change == store.ChildrenChanged || e.Change == store.Deleted {
			for _, a := range w.disarm(watchKey{e.Path, true}) {
				if !slices.Contains(hit, a) {
					hit = append(hit, a)
				}
			}
		}
		for _, a := range hit {
			a.watcher.Post(e)
		}
	}
}

func (w *watches) disarm(key watchKey) []armed {
	hit, ok := w.armed[key]
	if ok {
		delete(w.armed, key)
	}
	return hit
}

// lose ends the watches of a session.
func (w *watches) lose(session int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := make(map[*store.Watcher]bool)
	for key, all := range w.armed {
		rest := slices.DeleteFunc(all, func(a armed) bool {
			if a.session == session {
				told[a.watcher] = true
			}
			return a.session == session
		})
		if len(rest) == 0 {
			delete(w.armed, key)
		} else {
			w.armed[key] = rest
		}
	}
	for watcher := range told {
		watcher.Post(store.Event{Change: store.SessionLost})
	}
}
