// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// maxBacklogWorkers bounds how many sessions' work goes on at a time.
	maxBacklogWorkers = 4
	// maxForced bounds the files of one lane that wait to be forced to disk.
	// Beyond, one call that forces the whole file system stands for them all.
	maxForced = 256
)

// backlog does what waits for the disk, so that no event loop has to: it
// forces complete files to disk and deletes cleared chunks. The work of a
// tracing session stands in its lane and is done in order; lanes take turns.
// The workers exist while there is work; wait joins them.
type backlog struct {
	store *Store // immutable

	mu      sync.Mutex
	idle    sync.Cond // on mu; workers became 0
	ready   []*group  // guarded by mu; have work that no worker has taken, longest first
	workers int       // guarded by mu
}

// lane is the work of one group. Guarded by backlog.mu.
type lane struct {
	todo diskWork
	busy bool // a worker has some of it, or it stands in backlog.ready
}

// diskWork is what is taken from a lane at a time. It is bounded: by maxForced
// files, and by one function for each connection that waits.
type diskWork struct {
	files   []*TraceFile // to be forced, each with a reference
	whole   bool         // they were too many: all of the file system
	trash   bool         // of the session directory is to be deleted; holds a user of the group
	settled []func()     // to be called when the work before is done
}

func (w *diskWork) empty() bool {
	return len(w.files) == 0 && !w.whole && !w.trash && len(w.settled) == 0
}

func newBacklog(s *Store) *backlog {
	b := &backlog{store: s}
	b.idle.L = &b.mu
	return b
}

// force lets a file be forced to disk. It takes over a reference.
func (b *backlog) force(g *group, f *TraceFile) {
	b.mu.Lock()
	w := &g.lane.todo
	var covered []*TraceFile // by a call for the whole file system that is to come
	switch {
	case w.whole:
		covered = []*TraceFile{f}
	case len(w.files) == maxForced:
		covered = append(w.files, f)
		b.store.counters.Backlog.Add(1 - maxForced)
		w.files, w.whole = nil, true
	default:
		w.files = append(w.files, f)
		b.store.counters.Backlog.Add(1)
	}
	b.startLocked(g)
	b.mu.Unlock()
	for _, f := range covered {
		f.put()
	}
}

// discard lets what was moved aside in the session directory be deleted.
func (b *backlog) discard(g *group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.lane.todo.trash {
		return
	}
	g.get()
	g.lane.todo.trash = true
	b.store.counters.Backlog.Add(1)
	b.startLocked(g)
}

// whenSettled reports whether work of the group is undone; then it calls do
// once, from another goroutine, when that is done.
func (b *backlog) whenSettled(g *group, do func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !g.lane.busy {
		return false
	}
	g.lane.todo.settled = append(g.lane.todo.settled, do)
	return true
}

// startLocked puts a group in the line, and sees to it that somebody works.
func (b *backlog) startLocked(g *group) {
	if g.lane.busy {
		return
	}
	g.lane.busy = true
	b.ready = append(b.ready, g)
	if b.workers < maxBacklogWorkers {
		b.workers++
		// Ends by itself when nothing is left to do; wait waits for it.
		go b.work()
	}
}

func (b *backlog) work() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ready) > 0 {
		g := b.ready[0]
		b.ready = b.ready[1:]
		w := g.lane.todo
		g.lane.todo = diskWork{}
		b.mu.Unlock()
		b.carryOut(g, &w)
		b.mu.Lock()
		if g.lane.busy = !g.lane.todo.empty(); g.lane.busy {
			b.ready = append(b.ready, g)
		}
	}
	if b.workers--; b.workers == 0 {
		b.idle.Broadcast()
	}
}

// wait returns when all work is done.
func (b *backlog) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.workers > 0 {
		b.idle.Wait()
	}
}

// carryOut does some work of a group. The owner of a failure is nobody in
// particular by now: it is counted and logged here.
func (b *backlog) carryOut(g *group, w *diskWork) {
	for _, f := range w.files {
		if err := f.force(); err != nil {
			b.failed("trace file not forced to disk", "file", f.path(), "err", err)
		}
		f.put()
		b.done()
	}
	if w.whole {
		if err := b.store.forceAll(); err != nil {
			b.failed("trace files not forced to disk", "session_dir", g.dir, "err", err)
		}
		b.done()
	}
	if w.trash {
		if err := g.emptyTrash(); err != nil {
			b.failed("cleared chunk not deleted", "session_dir", g.dir, "err", err)
		}
		g.put()
		b.done()
	}
	for _, do := range w.settled {
		do()
	}
}

func (b *backlog) done() { b.store.counters.Backlog.Add(-1) }

func (b *backlog) failed(what string, args ...any) {
	b.store.counters.BacklogErrors.Add(1)
	b.store.log.Error(what, args...)
}

// force forces the file to disk unless that is pointless by now.
func (f *TraceFile) force() error {
	if f.discarded() {
		return nil
	}
	if err := f.sync(); err != nil && !f.discarded() {
		return err
	}
	return nil
}

// forceAll forces the whole file system of the output directory to disk.
func (s *Store) forceAll() error {
	dir, err := os.Open(s.opts.Output)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("force the file system of %s to disk: %w", s.opts.Output, err)
	}
	return nil
}

// emptyTrash deletes what was moved aside in the session directory.
func (g *group) emptyTrash() error {
	dir, err := g.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	errs := []error{err}
	for _, name := range names {
		if isTrash(name) {
			errs = append(errs, g.store.opts.Discard(g.root, name))
		}
	}
	return errors.Join(errs...)
}

// WhenSettled reports whether files of the tracing session are still to be
// forced to disk, or cleared ones to be deleted; then it calls do once when
// that is done, from another goroutine. What tells a producer of an end waits
// for it.
func (ss *Session) WhenSettled(do func()) bool {
	return ss.store.backlog.whenSettled(ss.group, do)
}

// Settle returns when no file is left to be forced to disk or deleted.
func (s *Store) Settle() { s.backlog.wait() }
