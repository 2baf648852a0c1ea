// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"runtime"
	"syscall"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// Conversion of pages that this kernel recorded: time for each event, for the
// events of the scheduler, of system calls, and of many systems.
func BenchmarkPage(b *testing.B) {
	for _, bb := range []struct {
		name     string
		systems  []string
		contexts []Context
	}{
		{"sched", []string{"sched"}, nil},
		{"raw_syscalls", []string{"raw_syscalls"}, nil},
		{"syscalls", []string{"syscalls"}, nil},
		{"many", []string{"sched", "raw_syscalls", "irq", "timer", "kmem", "signal", "task", "workqueue", "rcu"}, nil},
		{"contexts", []string{"sched"}, []Context{ContextPID, ContextProcname, ContextPreemptible}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			i := newInstance(b)
			i.record(bb.systems, func() {
				for range 10 {
					commands(b)()
				}
			})
			table := newTable(b, Options{Contexts: bb.contexts})
			for _, s := range bb.systems {
				for _, f := range formats(b, s+"/*") {
					_, err := table.Declare(f)
					check(b, err)
				}
			}
			benchmarkPages(b, table, i.allPages())
		})
	}
}

func benchmarkPages(b *testing.B, table *Table, rings [][][]byte) {
	discard := ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return nil })
	var pages [][]byte
	for _, ring := range rings {
		pages = append(pages, ring...)
	}
	// As many as stay in the cache: a page is converted as soon as it is read.
	pages = pages[:min(40, len(pages))]
	var tasks *Tasks
	if len(table.opts.Contexts) > 0 {
		tasks = new(Tasks)
		table.mu.Lock()
		feeder := NewFeeder(tasks, table.formats)
		table.mu.Unlock()
		for _, p := range pages {
			check(b, feeder.Page(p))
		}
		tasks.SetSource(func() {})
		feeder.Learn(maxTime)
	}
	c := NewConverter(table, ConverterOptions{Tasks: tasks}, discard)
	b.ReportAllocs()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := threadTime(b)
	for b.Loop() {
		// Time begins again, which is no matter to the work done.
		c.last = 0
		for _, p := range pages {
			if err := c.Page(p); err != nil {
				b.Fatal(err)
			}
		}
		check(b, c.Close(c.Last(), 0))
	}
	spent := threadTime(b) - begin
	n := c.Counts()
	if n.UnknownEvents+n.BadRecords > 0 {
		b.Fatalf("counts %+v, want no errors", n)
	}
	b.ReportMetric(float64(spent)/float64(n.Events), "ns/event")
	b.ReportMetric(float64(n.Events)/float64(b.N), "events/op")
}

// threadTime is the CPU time of this thread in nanoseconds: the machine has
// other things to do.
func threadTime(b *testing.B) int64 {
	var u syscall.Rusage
	const thread = 1
	check(b, syscall.Getrusage(thread, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
