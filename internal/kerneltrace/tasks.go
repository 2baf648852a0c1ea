// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"sync"
	"sync/atomic"
)

// Task is what is known of a thread.
type Task struct {
	PID, PPID         int32    // process and parent, -1: not known
	VPID, VTID, VPPID int32    // the same as the thread's own name space has them, -1: not known
	Name              [16]byte // of the thread, zeros behind the end
}

// unknownTask is what contexts say of a thread that nobody has told of.
var unknownTask = Task{PID: -1, PPID: -1, VPID: -1, VTID: -1, VPPID: -1}

// Tasks is what is known of the host's threads, from the state dump and from
// events. It is safe for concurrent use; the converters of a host share it. The
// zero value knows of none.
type Tasks struct {
	changes [256]atomic.Uint32 // of threads, by the low bits of their numbers, so that what was looked up can be kept
	mu      sync.RWMutex
	byTID   map[int32]Task
}

// maxTasks bounds the table: threads end without an event that is recorded, too.
const maxTasks = 1 << 20

// Set tells of a thread.
func (t *Tasks) Set(tid int32, task Task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byTID == nil {
		t.byTID = map[int32]Task{}
	}
	if len(t.byTID) >= maxTasks {
		clear(t.byTID)
		for i := range t.changes {
			t.changes[i].Add(1)
		}
	}
	t.byTID[tid] = task
	t.changes[uint8(tid)].Add(1)
}

// Forget tells that a thread is no more.
func (t *Tasks) Forget(tid int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byTID, tid)
	t.changes[uint8(tid)].Add(1)
}

// state is another one for another thread and when something was told of the
// thread since.
func (t *Tasks) state(tid int32) uint64 {
	return uint64(uint32(tid))<<32 | uint64(t.changes[uint8(tid)].Load())
}

// Get returns what is known of a thread.
func (t *Tasks) Get(tid int32) (Task, bool) {
	t.mu.RLock()
	task, ok := t.byTID[tid]
	t.mu.RUnlock()
	if !ok {
		return unknownTask, false
	}
	return task, true
}

// Len is the number of threads that are known.
func (t *Tasks) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byTID)
}

// taskCache keeps the threads that a converter looked up, by the low bits of
// their numbers.
type taskCache [64]struct {
	valid bool
	state uint64
	task  Task
}

// lookup returns what is known of a thread, or that nothing is.
func (c *Converter) lookup(tid int32) *Task {
	k := &c.task[uint32(tid)%uint32(len(c.task))]
	if state := c.tasks.state(tid); !k.valid || k.state != state {
		k.valid, k.state = true, state
		k.task, _ = c.tasks.Get(tid)
	}
	return &k.task
}

// group is the process of a thread; -1, or the thread itself, when not known.
func (c *Converter) group(tid int32, self bool) int32 {
	if pid := c.lookup(tid).PID; pid >= 0 || !self {
		return pid
	}
	return tid
}
