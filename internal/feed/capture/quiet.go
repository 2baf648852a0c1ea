// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"time"

	"github.com/weir-io/weir/changelog"
)

// quietTime is how long a name must have been left alone before it is looked up: what
// is looked up sooner is told by events that are still on their way.
const quietTime = 300 * time.Millisecond

// Bounds of one look: what is looked up before the kernel's queue is looked at again,
// and how long to leave everything alone when something happened meanwhile.
const (
	quietChunk = 512
	quietPause = 50 * time.Millisecond
	// quietMany is how many may wait for a moment without events. Beyond that they are
	// looked up amid events: those that are as the index says need not wait, since an
	// event that may tell otherwise has them looked up again.
	quietMany = 200_000
	amidChunk = 4096
	amidPause = 5 * time.Millisecond
)

// quiet are the names of which events may not have told the whole truth, and new
// directories that may hold what no event told of. They wait in the order of their
// first touch; what was touched again is put back to the end when its turn comes.
type quiet struct {
	names map[name]*waiting
	dirs  map[changelog.FID]*waiting
	queue []*waiting // from head on
	head  int
	due   time.Time // when to look at the first; zero if there is none
	kept  *pending  // has what waits, and what was looked at since it was empty; nil: nobody does
}

// waiting is a name, or a directory if the name is empty.
type waiting struct {
	name
	touched time.Time // last
	since   time.Time // it waits in its place
	// only is the one object whose renames have touched the name; zero if anything else
	// has, too.
	only   changelog.FID
	before *waiting // where that object was before it came to the name; nil if it was nowhere
	over   bool     // it waits no more, and is left in the queue
}

func newQuiet() *quiet {
	return &quiet{names: map[name]*waiting{}, dirs: map[changelog.FID]*waiting{}}
}

// forget drops all that waits: everything is going to be compared.
func (q *quiet) forget() {
	clear(q.names)
	clear(q.dirs)
	q.queue, q.head, q.due = nil, 0, time.Time{}
}

// touch has a name looked up.
func (q *quiet) touch(n name, now time.Time) { q.touchBy(n, changelog.FID{}, now) }

// touchBy is touch for a name that f came to or went from, and nothing else.
func (q *quiet) touchBy(n name, f changelog.FID, now time.Time) *waiting {
	w := q.names[n]
	if w == nil {
		q.keep(n)
		w = &waiting{name: n, since: now, only: f}
		q.names[n] = w
		q.push(w)
	}
	if w.touched = now; w.only != f {
		w.only = changelog.FID{}
	}
	return w
}

// moved has both names of a rename looked up, of which the index had the old one stand
// for f and the new one for nothing.
func (q *quiet) moved(from, to name, f changelog.FID, now time.Time) {
	w := q.touchBy(from, f, now)
	if to != from {
		q.touchBy(to, f, now).before = w
	}
}

// buried lets go of the names of an object that is gone, from the one on that it had
// last, as far as the index does not have them stand for it. What the kernel may have told
// out of turn was done by that object, and it does nothing more: a name that nothing else
// has touched is as the index says.
func (q *quiet) buried(at name, f changelog.FID, x *index) {
	w := q.names[at]
	for w != nil && w.only == f && !w.over {
		if is, _ := x.cached(w.name); is == f {
			break
		}
		before := w.before
		w.end()
		delete(q.names, w.name)
		w = before
	}
	for q.head < len(q.queue) && q.queue[q.head].over {
		q.queue[q.head] = nil
		q.head++
	}
	due := q.due
	if q.compact(); q.due.Before(due) && !q.due.IsZero() {
		q.due = due
	}
}

// end says that it waits no more.
func (w *waiting) end() { w.over, w.before = true, nil }

// waitsFor reports whether nothing but renames of f have touched a name that waits.
func (q *quiet) waitsFor(at name, f changelog.FID) bool {
	w := q.names[at]
	return w != nil && w.only == f
}

// list has a directory listed.
func (q *quiet) list(dir changelog.FID, now time.Time) {
	if w := q.dirs[dir]; w != nil {
		w.touched = now
		return
	}
	q.keep(name{parent: dir})
	w := &waiting{name: name{parent: dir}, touched: now, since: now}
	q.dirs[dir] = w
	q.push(w)
}

// keep has whoever goes on after this process look at a name, too.
func (q *quiet) keep(n name) {
	if q.kept.add(n) {
		return
	}
	q.kept.rewrite(func(yield func(name) bool) { // what was looked at makes room
		for n := range q.names {
			if !yield(n) {
				return
			}
		}
		for f := range q.dirs {
			if !yield(name{parent: f}) {
				return
			}
		}
		yield(n)
	})
}

func (q *quiet) push(w *waiting) {
	q.queue = append(q.queue, w)
	if q.due.IsZero() {
		q.due = w.since.Add(quietTime)
	}
}

// pending reports whether a name waits to be looked up.
func (q *quiet) pending(n name) bool {
	_, ok := q.names[n]
	return ok
}

// ripe takes out what has been left alone for long enough, a chunk at most. It is to be
// given to done or to again.
func (q *quiet) ripe(now time.Time) (chunk []*waiting) {
	if q.due.IsZero() || now.Before(q.due) {
		return nil
	}
	most := quietChunk
	if q.many() {
		most = amidChunk
	}
	for end := len(q.queue); q.head < end && len(chunk) < most; {
		w := q.queue[q.head]
		if !w.over && now.Sub(w.since) < quietTime {
			break
		}
		q.head++
		if w.over {
			continue
		}
		if w.since = w.touched; now.Sub(w.since) < quietTime {
			q.queue = append(q.queue, w)
			continue
		}
		chunk = append(chunk, w)
	}
	q.compact()
	return chunk
}

// compact gives back the memory of what was taken out, and says when to look again.
func (q *quiet) compact() {
	if q.head > len(q.queue)/2 {
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	q.due = time.Time{}
	if q.head < len(q.queue) {
		q.due = q.queue[q.head].since.Add(quietTime)
	}
}

// done forgets what was looked up.
func (q *quiet) done(chunk []*waiting) {
	for _, w := range chunk {
		w.end()
		if w.name.name == "" {
			delete(q.dirs, w.parent)
		} else {
			delete(q.names, w.name)
		}
	}
}

// again puts back what was taken out, for a while later: something happened meanwhile.
func (q *quiet) again(chunk []*waiting, now time.Time) {
	q.queue = append(q.queue, chunk...)
	q.due = now.Add(quietPause)
	if q.many() {
		q.due = now.Add(amidPause)
	}
}

// many reports whether more wait than may.
func (q *quiet) many() bool { return len(q.queue)-q.head > quietMany }

// empty reports whether nothing waits.
func (q *quiet) empty() bool { return len(q.names) == 0 && len(q.dirs) == 0 }
