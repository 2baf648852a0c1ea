// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"os"
	"time"
)

// Watch notices that files have changed. It looks rather than listens: editors
// replace files, and directories of networks tell nobody.
type Watch struct {
	paths []string
	last  []trace
}

// trace is by what a change is noticed.
type trace struct {
	size  int64
	time  time.Time
	there bool // it is there
}

// NewWatch begins to watch.
func NewWatch(paths []string) *Watch {
	w := &Watch{paths: paths, last: make([]trace, len(paths))}
	w.Changed()
	return w
}

// Paths returns what is watched, not to be changed.
func (w *Watch) Paths() []string { return w.paths }

// Changed reports whether a file has changed since the last call.
func (w *Watch) Changed() bool {
	changed := false
	for i, path := range w.paths {
		var now trace
		if info, err := os.Stat(path); err == nil {
			now = trace{info.Size(), info.ModTime(), true}
		}
		changed = changed || now != w.last[i]
		w.last[i] = now
	}
	return changed
}
