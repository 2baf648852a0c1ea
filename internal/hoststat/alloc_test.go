// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// allocating are sections that may allocate: rare ones, whose lists are made of
// directories, and those that others read for them.
var allocating = map[string]string{
	"system/cgroups":  "a walk through directories",
	"system/sessions": "made of records for people who ask by name",
	"system/errors":   "made by the session",
	"proc/file":       "a walk through directories",
}

// leastAllocs measures several times: what other goroutines allocate meanwhile is
// counted too.
func leastAllocs(f func()) float64 {
	least := testing.AllocsPerRun(50, f)
	for range 4 {
		least = min(least, testing.AllocsPerRun(50, f))
	}
	return least
}

// A sample of a fast section costs no memory, whatever else it costs.
func TestFastSectionsDoNotAllocate(t *testing.T) {
	e := newEngine(t, Options{MinInterval: time.Nanosecond, Expose: Expose{true, true, true, true}})
	for _, s := range e.sections {
		if s.lane == slow || allocating[s.path] != "" {
			continue
		}
		var tape xmlsysd.Tape
		history := newTaskHistory()
		r := new(request)
		var err error
		read := func() {
			tape.Reset()
			now := time.Now()
			*r = request{tape: &tape, at: stampOf(now), now: now, need: 0xff, query: &e.noQuery, tasks: history}
			err = s.reader.read(r)
		}
		for range 3 {
			read()
		}
		n := leastAllocs(read)
		if err != nil && !s.isAbsent(err) {
			t.Errorf("%s: %v", s.path, err)
		}
		if n >= 1 {
			t.Errorf("%s: %v allocations a sample, want none", s.path, n)
		}
	}
}

// Nor does the engine around them.
func TestMessageDoesNotAllocate(t *testing.T) {
	e := small.engine(t)
	s := newSession(t, e)
	wants := within(e.model, "proc/stat", "proc/loadavg", "proc/uptime", "system/time", "system/clock")
	ctx := t.Context()
	read := func() { s.Sample(ctx, wants, nil).Release() }
	for range 3 {
		read()
	}
	if n := leastAllocs(read); n >= 1 {
		t.Errorf("%v allocations a message, want none", n)
	}
}

// Messages in any number leave no descriptor, goroutine or memory behind.
func TestNoGrowth(t *testing.T) {
	e := newEngine(t, Options{MinInterval: time.Nanosecond, Expose: Expose{true, true, true, true}})
	s := newSession(t, e)
	for range 100 {
		s.Sample(t.Context(), all, nil).Release()
	}
	// Of processes as many files are open as the host has of them at the time.
	rest := e.sectionOf("proc/tasks").reader.(*tasksReader).rest
	rest()
	files, goroutines, heap := openFiles(t), runtime.NumGoroutine(), heapInUse()
	for range 1000 {
		s.Sample(t.Context(), all, nil).Release()
	}
	rest()
	if n := openFiles(t); n > files+2 {
		t.Errorf("%d descriptors, %d before", n, files)
	}
	lanes := 0 // that start when they are asked for longer than their period
	for _, s := range e.Sections() {
		lanes += int(bit(s.Slow))
	}
	if n := runtime.NumGoroutine(); n > goroutines+lanes+2 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := heapInUse(); n > heap+1<<20 {
		t.Errorf("%d bytes of memory, %d before", n, heap)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
