// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// writeTrace converts the pages of each CPU to a trace in a directory and
// returns what became of the records.
func writeTrace(t testing.TB, dir string, table *Table, pages [][][]byte, o ConverterOptions) Counts {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o777))
	check(t, os.WriteFile(filepath.Join(dir, "metadata"), table.Metadata(), 0o666))
	var sum Counts
	for cpu, ring := range pages {
		sink, err := ctf.CreateFileSink(dir, fmt.Sprintf("channel0_%d", cpu))
		check(t, err)
		o.CPU = uint32(cpu)
		c := NewConverter(table, o, sink)
		for _, p := range ring {
			check(t, c.Page(p))
		}
		check(t, c.Close(c.Last(), 0))
		check(t, sink.Close())
		n := c.Counts()
		sum.Events += n.Events
		sum.UnknownEvents += n.UnknownEvents
		sum.BadRecords += n.BadRecords
		sum.Clamped += n.Clamped
		sum.OrphanStacks += n.OrphanStacks
	}
	return sum
}

func newTable(t testing.TB, o Options) *Table {
	t.Helper()
	if o.UUID == (schema.UUID{}) {
		o.UUID = schema.UUID{0xd1, 0x52, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	}
	table, err := NewTable(o)
	check(t, err)
	return table
}

func TestRealKernelToBabeltrace(t *testing.T) {
	i := newInstance(t)
	i.record([]string{"sched", "syscalls", "irq", "timer", "kmem", "signal", "task"}, commands(t))
	pages := i.allPages()
	for _, naming := range []Naming{LTTng, Tracefs} {
		t.Run(naming.String(), func(t *testing.T) {
			table := newTable(t, Options{Naming: naming})
			for _, f := range formats(t, "sched/*", "syscalls/*", "irq/*", "timer/*", "kmem/*", "signal/*", "task/*") {
				_, err := table.Declare(f)
				check(t, err)
			}
			dir := t.TempDir()
			n := writeTrace(t, dir, table, pages, ConverterOptions{})
			t.Logf("%+v", n)
			if n.Events == 0 || n.UnknownEvents+n.BadRecords > 0 {
				t.Errorf("counts %+v, want events and no errors", n)
			}
			text := babeltrace2(t, dir)
			if got := uint64(strings.Count(text, "\n")); got != n.Events {
				t.Errorf("babeltrace2 prints %d lines, want %d", got, n.Events)
			}
		})
	}
}

// All events of this kernel can be declared: what the metadata says is read by
// both readers, and comes out as it went in.
func TestAllFormatsOfTheKernel(t *testing.T) {
	newInstance(t) // for what it needs
	// Somebody's probes may have the names that others have.
	all := slices.DeleteFunc(formats(t, "*/*"), isProbe)
	if len(all) < 500 {
		t.Fatalf("%d formats, want those of a whole kernel", len(all))
	}
	for _, naming := range []Naming{LTTng, Tracefs} {
		t.Run(naming.String(), func(t *testing.T) {
			table := newTable(t, Options{Naming: naming, StateDump: true, ClockSync: true, Contexts: everyContext(), Hostname: "here"})
			for i, f := range all {
				id, err := table.Declare(f)
				check(t, err)
				if want := uint32(i + int(numOwn)); id != want {
					t.Fatalf("Declare(%s:%s) = %d, want %d", f.System, f.Name, id, want)
				}
			}
			dir := t.TempDir()
			sink, err := ctf.CreateFileSink(dir, "channel0_0")
			check(t, err)
			c := NewConverter(table, ConverterOptions{}, sink)
			check(t, c.ClockSync(1, 2, 3))
			check(t, c.Close(5, 0))
			check(t, sink.Close())
			text := table.Metadata()
			check(t, os.WriteFile(filepath.Join(dir, "metadata"), text, 0o666))
			babeltrace2(t, dir)
			trace, err := tsdl.Parse(text)
			check(t, err)
			got, err := tsdl.Append(nil, trace)
			check(t, err)
			if string(got) != string(text) {
				t.Errorf("metadata of %d bytes come out as %d other ones", len(text), len(got))
			}
			names := map[string]bool{}
			for _, e := range trace.Streams[0].Events {
				if names[e.Name] {
					t.Errorf("two events are called %s", e.Name)
				}
				names[e.Name] = true
			}
			t.Logf("%d events, %d bytes of metadata", len(names), len(text))
		})
	}
}

// isProbe tells a dynamic event by the address that all have.
func isProbe(f *ftrace.Format) bool {
	return len(f.Fields) > 0 && strings.HasPrefix(f.Fields[0].Name, "__probe_")
}

func everyContext() []Context {
	var all []Context
	for c := range numContexts {
		all = append(all, c)
	}
	return all
}

// Every event that was written to the ring is converted or told as lost, in both
// modes and with larger pages.
func TestLossIsExact(t *testing.T) {
	const written = 40_000
	for _, mode := range []struct{ overwrite, subbuf string }{{"0", "4"}, {"1", "4"}, {"1", "64"}} {
		t.Run("overwrite "+mode.overwrite+" of "+mode.subbuf+" KiB", func(t *testing.T) {
			i := newInstance(t)
			i.write("buffer_subbuf_size_kb", mode.subbuf)
			i.write("buffer_size_kb", "256")
			i.write("options/overwrite", mode.overwrite)
			marker, err := os.OpenFile(i.dir+"/trace_marker", os.O_WRONLY, 0)
			check(t, err)
			i.record(nil, func() {
				for n := range written {
					_, _ = fmt.Fprintf(marker, "event %d", n)
				}
			})
			check(t, marker.Close())
			table := newTable(t, Options{})
			for _, f := range formats(t, "ftrace/print") {
				_, err := table.Declare(f)
				check(t, err)
			}
			var events, lost uint64
			for cpu := range runtime.NumCPU() {
				var p packets
				c := NewConverter(table, ConverterOptions{CPU: uint32(cpu)}, &p)
				for _, page := range i.pages(cpu) {
					check(t, c.Page(page))
				}
				stats, err := ftrace.ParseStats([]byte(i.read(fmt.Sprintf("per_cpu/cpu%d/stats", cpu))))
				check(t, err)
				check(t, c.Close(c.Last(), stats.Overrun+stats.Dropped))
				if n := c.Counts(); n.UnknownEvents+n.BadRecords > 0 {
					t.Errorf("counts %+v, want no errors", n)
				}
				events += c.Counts().Events
				if len(p.infos) > 0 {
					lost += p.infos[len(p.infos)-1].Discarded
				}
			}
			t.Logf("%d events, %d lost", events, lost)
			if events+lost != written || lost == 0 {
				t.Errorf("%d events and %d lost, want %d", events, lost, written)
			}
		})
	}
}

// Stacks that a trigger records become contexts of their events.
func TestStacksOfTheKernel(t *testing.T) {
	i := newInstance(t)
	i.write("events/sched/sched_switch/trigger", "stacktrace")
	i.record([]string{"sched/sched_switch"}, commands(t))
	i.write("events/sched/sched_switch/trigger", "!stacktrace")
	table := newTable(t, Options{Contexts: []Context{ContextCallstackKernel}})
	for _, f := range formats(t, "sched/sched_switch", "ftrace/kernel_stack") {
		_, err := table.Declare(f)
		check(t, err)
	}
	dir := t.TempDir()
	n := writeTrace(t, dir, table, i.allPages(), ConverterOptions{})
	text := babeltrace2(t, dir)
	with := strings.Count(text, "callstack_kernel = [ [0] = 0xFFFF")
	// Tracing may be switched on between an event, which is not recorded then, and its
	// stack: that is the first record of a ring, and an event by itself.
	if n.Events == 0 || uint64(with)+n.OrphanStacks != n.Events || n.OrphanStacks > uint64(runtime.NumCPU()) {
		t.Errorf("%d events have stacks, counts %+v", with, n)
	}
}
