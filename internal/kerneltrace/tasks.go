// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Tasks is what is known of the host's threads, and since when, from the state dump
// and from events. It is safe for concurrent use; the converters of a host share it.
// The zero value knows of none.
type Tasks struct {
	ask    atomic.Pointer[asker]
	source atomic.Pointer[func()] // brings what it knows up to date; nil: events of the trace tell
	upTo   atomic.Uint64          // all that the source tells of earlier times is known; 0 without one

	mu    sync.RWMutex // guards what follows
	lives map[int32]life
	made  map[int32]made // calls that threads have begun
	ended []int32        // threads that have ended, the first one first
}

// life is what was known of the threads with a number, by time.
type life []version

// version is what is known of a thread since a time of the trace's clock.
type version struct {
	from  uint64
	ended bool // there is none
	task  Task
}

const (
	// maxTasks bounds the table: threads end without an event that tells, too.
	maxTasks = 1 << 20
	// maxEnded is how many that have ended are remembered, for events of theirs that
	// are still in the rings.
	maxEnded = 1 << 14
	// maxVersions is how much is remembered of one.
	maxVersions = 16
)

// asker says what the host knows of a thread at this moment.
type asker struct {
	ask    func(tid int32) (Task, bool)
	owners bool // also when an event tells that owner or priority may have changed
}

// SetAsk gives the function that says what the host knows of a thread at this moment.
// It is called for a thread that nothing has told of, and, if owners are of interest,
// when an event tells that owner or priority may have changed.
func (t *Tasks) SetAsk(ask func(tid int32) (Task, bool), owners bool) {
	t.ask.Store(&asker{ask, owners})
}

// SetSource has threads told of by another source than the events of the trace, by a
// [Feeder]. It is called when something is asked about a time that the source has
// not come to, by several goroutines at once, and need not get there.
func (t *Tasks) SetSource(catchUp func()) { t.source.Store(&catchUp) }

// askOwner returns what the host says of a thread whose owner or priority may have
// changed, if somebody wants to know.
func (t *Tasks) askOwner(tid int32) (Task, bool) {
	if a := t.ask.Load(); a != nil && a.owners {
		return a.ask(tid)
	}
	return unknownTask, false
}

// reach has the source come to a time.
func (t *Tasks) reach(time uint64) {
	if time < t.upTo.Load() {
		return
	}
	if catchUp := t.source.Load(); catchUp != nil {
		(*catchUp)()
	}
}

// view is what is known of a thread for a while.
type view struct {
	task       Task
	known      bool
	from, span uint64 // the times for which it is so; none if the span is 0
}

// at returns what is known of a thread at a time.
func (t *Tasks) at(tid int32, time uint64) view {
	if tid == 0 {
		return view{task: idleTask, known: true, span: math.MaxUint64}
	}
	upTo := t.upTo.Load()
	t.mu.RLock()
	defer t.mu.RUnlock()
	versions := t.lives[tid]
	i := versions.find(time)
	v, until := view{task: unknownTask}, upTo
	if i >= 0 {
		v.from = versions[i].from
		if !versions[i].ended {
			v.task, v.known = versions[i].task, true
		}
	}
	if i+1 < len(versions) {
		until = min(until, versions[i+1].from)
	}
	if until > v.from {
		v.span = until - v.from
	}
	return v
}

// find returns the index of the version at a time, -1 if there is none.
func (l life) find(time uint64) int {
	i := len(l) - 1
	for i >= 0 && l[i].from > time {
		i--
	}
	return i
}

// find is at, up to date. The host is asked for a thread of which nothing is known.
func (t *Tasks) find(tid int32, time uint64) view {
	t.reach(time)
	v := t.at(tid, time)
	a := t.ask.Load()
	if v.known || a == nil {
		return v
	}
	task, known := a.ask(tid)
	if !known {
		return v
	}
	t.Set(tid, task, time)
	return t.at(tid, time)
}

// Last returns what is known of a thread as it was last.
func (t *Tasks) Last(tid int32) (Task, bool) {
	if tid == 0 {
		return idleTask, true
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, v := range slices.Backward(t.lives[tid]) {
		if !v.ended {
			return v.task, true
		}
	}
	return unknownTask, false
}

// Len is the number of threads that are known, or were.
func (t *Tasks) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.lives)
}

// Set tells of a thread, from a time on.
func (t *Tasks) Set(tid int32, task Task, time uint64) {
	t.change(tid, time, func(have *Task, _ bool) bool {
		*have = task
		return true
	})
}

// change has a function change what is known of a thread from a time on, which says
// whether it has.
func (t *Tasks) change(tid int32, time uint64, do func(task *Task, known bool) bool) {
	if tid == 0 {
		return // idle threads stay what they are
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	versions := t.lives[tid]
	i := versions.find(time)
	next := version{from: time, task: unknownTask}
	known := i >= 0 && !versions[i].ended
	if known {
		next.task = versions[i].task
	}
	if do(&next.task, known) {
		t.insertLocked(tid, versions, i, next)
	}
}

// insertLocked puts a version behind another one of the thread.
func (t *Tasks) insertLocked(tid int32, versions life, i int, next version) {
	switch {
	case i >= 0 && versions[i].from == next.from:
		versions[i] = next
	default:
		i++
		versions = slices.Insert(versions, i, next)
	}
	for j := i + 1; j < len(versions) && !versions[j].ended && !next.ended; j++ { // what was told earlier of later times
		versions[j].task.fill(&next.task)
	}
	if n := len(versions) - maxVersions; n > 0 {
		versions = slices.Delete(versions, 0, n)
	}
	switch {
	case t.lives == nil:
		t.lives = make(map[int32]life)
	case len(t.lives) >= maxTasks:
		clear(t.lives)
		t.ended = nil
	}
	t.lives[tid] = versions
}

// bear tells of a new thread: who made it, how, and its name.
func (t *Tasks) bear(tid, parent int32, flags uint64, name []byte, time uint64) {
	by := t.at(parent, time).task
	born := by.child(parent, tid, flags)
	born.setName(name)
	t.Set(tid, born, time)
}

// rename tells of a thread's name.
func (t *Tasks) rename(tid int32, name []byte, time uint64) {
	t.change(tid, time, func(task *Task, _ bool) bool {
		task.setName(name)
		return true
	})
}

// exec tells of a program's start. Its file may give it to another user.
func (t *Tasks) exec(tid int32, name []byte, time uint64) {
	now, asked := t.askOwner(tid)
	t.change(tid, time, func(task *Task, _ bool) bool {
		task.PID = tid
		task.setName(name)
		switch {
		case asked:
			task.Owner = now.Owner
		case task.Owner != nil:
			task.Owner = task.Owner.started()
		}
		return true
	})
}

// forget tells that a thread has ended.
func (t *Tasks) forget(tid int32, time uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	versions := t.lives[tid]
	i := versions.find(time)
	if i < 0 || versions[i].ended {
		return
	}
	t.insertLocked(tid, versions, i, version{from: time, ended: true})
	t.ended = append(t.ended, tid)
	if len(t.ended) <= maxEnded {
		return
	}
	old := t.ended[0]
	t.ended = t.ended[1:]
	if l := t.lives[old]; len(l) > 0 && l[len(l)-1].ended { // nobody else has its number
		delete(t.lives, old)
	}
}

// maxMade bounds the calls that are begun: the end of some is not recorded.
const maxMade = 1 << 12

// begin takes note of a call that a thread has begun.
func (t *Tasks) begin(tid int32, m made) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil || len(t.made) >= maxMade {
		t.made = make(map[int32]made)
	}
	t.made[tid] = m
}

// finish returns the call that a thread has begun.
func (t *Tasks) finish(tid int32) (made, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.made[tid]
	delete(t.made, tid)
	return m, ok
}

// taskCache keeps the threads that a converter looked up, by the low bits of
// their numbers.
type taskCache [64]struct {
	tid int32
	view
}

// lookup returns what is known of a thread at a time, or that nothing is.
func (c *Converter) lookup(tid int32, time uint64) *view {
	k := &c.task[uint32(tid)%uint32(len(c.task))]
	if k.tid != tid || time-k.from >= k.span {
		k.tid, k.view = tid, c.tasks.find(tid, time)
		if tid == 0 {
			k.task.Name = c.idle
		}
	}
	return &k.view
}

// group is the process of a thread; -1, or the thread itself, when not known.
func (c *Converter) group(tid int32, self bool) int32 {
	if pid := c.lookup(tid, c.last).task.PID; pid >= 0 || !self {
		return pid
	}
	return tid
}
