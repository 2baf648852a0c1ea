// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"io"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// benchTrace is a trace as LTTng writes it, of events with three contexts, an
// integer and a text: 53 bytes each, in turn in two streams.
func benchTrace(b *testing.B, events int) *Set {
	b.Helper()
	dir := b.TempDir()
	bu := NewBuilder(BuilderOptions{UUID: testUUID()})
	s, err := bu.Stream(LargeHeader, Int("vpid", 32), Int("vtid", 32), Text("procname", 17))
	check(b, err)
	ev, err := s.Event("hello:tick", schema.NoLogLevel, Int("n", 32), Str("msg"))
	check(b, err)
	w, err := CreateTrace(dir, bu.Trace(), TraceOptions{Stream: StreamOptions{PacketBytes: 1 << 20}})
	check(b, err)
	var streams [2]*StreamWriter
	for cpu := range streams {
		streams[cpu], err = w.Stream(s.Class(), "ch", cpu)
		check(b, err)
	}
	for i := range events {
		e := streams[i/5%len(streams)].Event(ev, uint64(i)*100)
		e.Int(4242)
		e.Int(4243)
		e.String("hello")
		e.Int(int64(i))
		e.String("hello, events")
		check(b, e.End())
	}
	check(b, w.Close())
	set, err := Open(Options{}, dir)
	check(b, err)
	return set
}

const benchEvents = 1 << 18

// Each event of two streams, one stream behind the other.
func BenchmarkCursor(b *testing.B) {
	set := benchTrace(b, benchEvents)
	b.ReportAllocs()
	left := b.N
	before := cpuTime()
	for left > 0 {
		for _, c := range set.Cursors() {
			for kind := StreamBegin; kind != StreamEnd && left > 0; {
				var err error
				if kind, err = c.Next(); err != nil {
					b.Fatal(err)
				}
				if kind == EventRecord {
					left--
				}
			}
			c.Close()
		}
	}
	reportEvents(b, before)
}

// Each event of two streams, by time.
func BenchmarkMerger(b *testing.B) {
	set := benchTrace(b, benchEvents)
	b.ReportAllocs()
	left := b.N
	before := cpuTime()
	for left > 0 {
		cursors := set.Cursors()
		for m := NewMerger(cursors); left > 0; {
			_, kind, err := m.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if kind == EventRecord {
				left--
			}
		}
		for _, c := range cursors {
			c.Close()
		}
	}
	reportEvents(b, before)
}
