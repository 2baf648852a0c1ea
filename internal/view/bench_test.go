// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

const benchEvents = 1 << 18

// benchTrace writes a trace as LTTng does, of events with three contexts, an
// integer and a text: 53 bytes each, in turn in two streams.
func benchTrace(b *testing.B) *ctf.Set {
	b.Helper()
	dir := b.TempDir()
	ok := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	bu := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1}})
	s, err := bu.Stream(ctf.LargeHeader, ctf.Int("vpid", 32), ctf.Int("vtid", 32), ctf.Text("procname", 17))
	ok(err)
	ev, err := s.Event("hello:tick", schema.NoLogLevel, ctf.Int("n", 32), ctf.Str("msg"))
	ok(err)
	w, err := ctf.CreateTrace(dir, bu.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PacketBytes: 1 << 20}})
	ok(err)
	var streams [2]*ctf.StreamWriter
	for cpu := range streams {
		streams[cpu], err = w.Stream(s.Class(), "ch", cpu)
		ok(err)
	}
	for i := range benchEvents {
		e := streams[i/5%len(streams)].Event(ev, uint64(i)*100)
		e.Int(4242)
		e.Int(4243)
		e.String("hello")
		e.Int(int64(i))
		e.String("hello, events")
		ok(e.End())
	}
	ok(w.Close())
	set, err := ctf.Open(ctf.Options{}, dir)
	ok(err)
	return set
}

// benchRun runs all events of a trace through a sink until b.N have come.
func benchRun(b *testing.B, jobs int, where string, sink func() Sink) {
	set := benchTrace(b)
	var s Selection
	if where != "" {
		w, err := NewWhere(where)
		if err != nil {
			b.Fatal(err)
		}
		s.Keep = func() func(*ctf.Event) bool { return w.Clone().Keep }
	}
	s.Window = All
	b.ReportAllocs()
	before := cpuTime()
	for left := b.N; left > 0; left -= benchEvents {
		chosen := s
		if where == "" && left < benchEvents {
			chosen.Head = left // merged, where what is counted is read stream by stream
		}
		to := sink()
		r := &Run{Set: set, Select: chosen, Sink: to, Jobs: jobs}
		if err := r.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := to.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/(cpuTime()-before).Seconds()/1e6, "Mevents/CPU-s")
}

// cpuTime is the CPU time of the process, which other programs on the machine
// disturb less than the time that passes.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func textSink() Sink {
	return NewTextSink(NewText(DefaultTextOptions()), NewOutput(io.Discard), io.Discard, Palette{})
}

func jsonSink() Sink { return NewJSONLines(NewOutput(io.Discard)) }

func csvSink() Sink {
	s, _ := NewCSV(NewOutput(io.Discard), []string{"time", "delta", "name", "n", "msg"}) // errors are those of columns
	return s
}

func countSink() Sink { return NewSummary(NewOutput(io.Discard), CountLines) }

func BenchmarkText(b *testing.B) {
	b.Run("one", func(b *testing.B) { benchRun(b, 1, "", textSink) })
	b.Run("lanes", func(b *testing.B) { benchRun(b, 2, "", textSink) })
}

func BenchmarkJSON(b *testing.B) {
	b.Run("one", func(b *testing.B) { benchRun(b, 1, "", jsonSink) })
	b.Run("all", func(b *testing.B) { benchRun(b, 2, "", jsonSink) })
}

func BenchmarkCSV(b *testing.B) {
	b.Run("one", func(b *testing.B) { benchRun(b, 1, "", csvSink) })
	b.Run("all", func(b *testing.B) { benchRun(b, 2, "", csvSink) })
}

func BenchmarkCount(b *testing.B) {
	b.Run("one", func(b *testing.B) { benchRun(b, 1, "", countSink) })
	b.Run("all", func(b *testing.B) { benchRun(b, 2, "", countSink) })
}

// A filter that keeps an event of a thousand; of b.N rounded up to the events
// of the trace.
func BenchmarkWhere(b *testing.B) {
	benchRun(b, 1, "n < 262", countSink)
}
