// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"testing"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/internal/wait"
)

// rings as session daemons have them by default, in which there is always room.
var overwriting = ring.Geometry{SubbufBytes: 512 << 10, Subbufs: 4, Overwrite: true}

func BenchmarkDisabled(b *testing.B) {
	tr := startTracer(nil)
	defer tr.close()
	e := New2(newProvider(tr, "off"), "tick", Info, Int64("n"), String("text"))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N { // b.Loop takes four times as long as what is measured
		e.Write(1, "tock")
	}
}

// recordedTick returns an event that is recorded in two rings.
func recordedTick(b *testing.B, contexts ...wire.ContextType) *Event2[int64, string] {
	b.Helper()
	r := newRecorder(b, overwriting, 2, anything, contexts...)
	b.Cleanup(r.close)
	e := New2(newProvider(r.tracer, "app"), "tick", Info, Int64("n"), String("text"))
	wait.Until(b, "the event is recorded", e.Enabled)
	b.ReportAllocs()
	b.ResetTimer()
	return e
}

func BenchmarkWrite(b *testing.B) {
	e := recordedTick(b)
	for b.Loop() {
		e.Write(1, "tock")
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	e := recordedTick(b)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e.Write(1, "tock")
		}
	})
}

func BenchmarkWriteContexts(b *testing.B) {
	e := recordedTick(b, contextPID, contextThread, contextProcname)
	for b.Loop() {
		e.Write(1, "tock")
	}
}

// against compares a Go program with a C program that is linked with LTTng-UST and
// records the same event: they run in turn.
type against struct {
	*machine
	b *testing.B
}

// compare reports the least CPU time that an event takes in either.
func (a *against) compare(what string, rounds, n int) {
	ours, theirs := a.start(), a.startProgram(a.trace("tick"), "LTTNG_UST_REGISTER_TIMEOUT=-1")
	best := [3]int{1 << 30, 1 << 30, 1 << 30}
	for range rounds {
		best[0] = min(best[0], ours.ask("best", "bench 4 %d", n))
		best[1] = min(best[1], theirs.ask("best", "bench 4 %d", n))
		best[2] = min(best[2], ours.ask("best", "parallel 1 %d", n/4))
	}
	ours.end()
	theirs.end()
	a.b.ReportMetric(float64(best[0])/100, what+"-ns")
	a.b.ReportMetric(float64(best[1])/100, what+"-C-ns")
	a.b.ReportMetric(float64(best[0])/float64(best[1]), what+"-to-C")
	a.b.ReportMetric(float64(best[2])/float64(best[0]), what+"-8-to-1")
}

// BenchmarkAgainstC tells what an event costs that nobody records, one that is recorded
// where the newest go over the oldest, so that there is always room, and one where a
// consumer reads meanwhile; in C too, and of 8 goroutines as of one.
func BenchmarkAgainstC(b *testing.B) {
	namespaced(b, func(m *machine) {
		a := &against{m, b}
		m.run("gcc", "-O2", "-I", "testdata", "-o", m.trace("tick"), "testdata/tick.c", "-llttng-ust", "-ldl")
		m.sessiond()
		a.compare("off", 10, 4_000_000)
		m.run("lttng", "create", "s", "--snapshot", "-o", m.trace("t"))
		m.run("lttng", "enable-event", "-u", "weirtest:tick")
		m.run("lttng", "start")
		a.compare("overwrite", 20, 100_000)
		m.destroy()
		m.record(m.trace("d"), "weirtest:tick", "--subbuf-size=512k", "--num-subbuf=8")
		a.compare("discard", 20, 20_000)
		m.destroy()
		b.ReportMetric(0, "ns/op")
	})
}
