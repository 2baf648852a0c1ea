// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"time"

	"github.com/weir-io/weir/changelog"
)

// quietTime is how long a name must have been left alone before it is looked up: what
// is looked up sooner is told by events that are still on their way.
const quietTime = 300 * time.Millisecond

// quiet are the names of which events may not have told the whole truth, and new
// directories that may hold what no event told of.
type quiet struct {
	names map[name]time.Time // of the last touch
	dirs  map[changelog.FID]time.Time
	// order are the names and directories by the time of their first touch.
	due time.Time // of the earliest; zero if there is none
}

func newQuiet() *quiet {
	return &quiet{names: map[name]time.Time{}, dirs: map[changelog.FID]time.Time{}}
}

// touch has a name looked up.
func (q *quiet) touch(n name, now time.Time) {
	q.names[n] = now
	q.expect(now)
}

// list has a directory listed.
func (q *quiet) list(dir changelog.FID, now time.Time) {
	q.dirs[dir] = now
	q.expect(now)
}

func (q *quiet) expect(now time.Time) {
	if q.due.IsZero() {
		q.due = now.Add(quietTime)
	}
}

// pending reports whether a name waits to be looked up.
func (q *quiet) pending(n name) bool {
	_, ok := q.names[n]
	return ok
}

// ripe returns what has been left alone for long enough, and when to ask again.
func (q *quiet) ripe(now time.Time) (names []name, dirs []changelog.FID) {
	if q.due.IsZero() || now.Before(q.due) {
		return nil, nil
	}
	next := time.Time{}
	earliest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for n, at := range q.names {
		if now.Sub(at) >= quietTime {
			names = append(names, n)
		} else {
			earliest(at.Add(quietTime))
		}
	}
	for d, at := range q.dirs {
		if now.Sub(at) >= quietTime {
			dirs = append(dirs, d)
		} else {
			earliest(at.Add(quietTime))
		}
	}
	q.due = next
	return names, dirs
}

// done forgets what was looked up.
func (q *quiet) done(names []name, dirs []changelog.FID) {
	for _, n := range names {
		delete(q.names, n)
	}
	for _, d := range dirs {
		delete(q.dirs, d)
	}
}

// again has ask for the same once more, later: something happened meanwhile.
func (q *quiet) again(now time.Time) {
	q.due = now.Add(quietTime)
}

// difference is a name that does not stand for what the index says.
type difference struct {
	at      name
	was, is changelog.FID
}

// settle looks up what has been left alone, and makes records of what differs.
func (w *worker) settle() error {
	names, dirs := w.quiet.ripe(w.now)
	if len(names) == 0 && len(dirs) == 0 {
		return nil
	}
	w.count.lookups += uint64(len(names))
	diffs, err := w.compare(names)
	if err != nil {
		return err
	}
	if unread, err := w.group.Unread(); err != nil || unread > 0 {
		w.quiet.again(w.now)
		return err
	}
	w.quiet.done(names, dirs)
	if err := w.mend(diffs); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := w.visit(d); err != nil {
			return err
		}
	}
	return nil
}

// compare looks names up on the disk.
func (w *worker) compare(names []name) ([]difference, error) {
	var diffs []difference
	for _, n := range names {
		was, err := w.index.dirent(n)
		if err != nil {
			return nil, err
		}
		is, err := w.resolve(n)
		if err != nil {
			return nil, err
		}
		if was != is {
			diffs = append(diffs, difference{n, was, is})
		}
	}
	return diffs, nil
}

// mend makes the index and the journal as the disk is: objects that moved first, then
// names that are gone, then new ones.
func (w *worker) mend(diffs []difference) error {
	how := addition{by: nobody(0), flags: changelog.FlagSynth}
	gone := map[changelog.FID]name{}
	for _, d := range diffs {
		if !d.was.IsZero() {
			gone[d.was] = d.at
		}
	}
	for _, d := range diffs {
		from, ok := gone[d.is]
		if d.is.IsZero() || !ok {
			continue
		}
		if now, err := w.index.dirent(from); err != nil || now != d.is {
			continue
		}
		victim, err := w.index.dirent(d.at)
		if err != nil {
			return err
		}
		if err := w.move(from, d.at, d.is, victim, how); err != nil {
			return err
		}
	}
	for _, d := range diffs {
		now, err := w.index.dirent(d.at)
		if err != nil {
			return err
		}
		if now == d.is || now.IsZero() {
			continue
		}
		if err := w.takeTree(d.at, now, how, 0); err != nil {
			return err
		}
	}
	for _, d := range diffs {
		now, err := w.index.dirent(d.at)
		if err != nil || now == d.is || d.is.IsZero() {
			if err != nil {
				return err
			}
			continue
		}
		if err := w.adopt(d.at, d.is, how); err != nil {
			return err
		}
	}
	return nil
}

// adopt tells of an object that was found at a name. A directory that the journal has
// elsewhere moved from there.
func (w *worker) adopt(at name, f changelog.FID, how addition) error {
	l, err := w.disk.look(f)
	if err != nil || l.gone {
		return err
	}
	isDir := l.isDir()
	if from, ok := w.index.place(f); isDir && ok {
		return w.move(from, at, f, changelog.FID{}, how)
	}
	return w.add(at, f, isDir, how)
}

// takeTree takes a name with all that the index has below it, children first.
func (w *worker) takeTree(at name, f changelog.FID, how addition, depth int) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if o.isDir() && depth < maxDepth {
		children, err := w.index.children(f)
		if err != nil {
			return err
		}
		for n, child := range children {
			if err := w.takeTree(name{f, n}, child, how, depth+1); err != nil {
				return err
			}
		}
	}
	return w.take(at, f, how)
}

// empty reports whether nothing waits.
func (q *quiet) empty() bool { return len(q.names) == 0 && len(q.dirs) == 0 }

// resolve returns what a name stands for on the disk. Where that cannot be told, it is
// what the index says: nothing is known to be otherwise.
func (w *worker) resolve(n name) (changelog.FID, error) {
	f, err := w.disk.resolve(n)
	if err == nil || errors.Is(err, errAbsent) {
		return f, err
	}
	w.disk.failed++
	w.log.Warn("a name cannot be looked up", "directory", n.parent, "name", n.name, "error", err)
	return w.index.dirent(n)
}
