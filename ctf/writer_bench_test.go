// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf/schema"
)

// benchStream is a stream of events with an integer and a text, whose packets
// go nowhere.
func benchStream(b *testing.B, style HeaderStyle) (*StreamWriter, *schema.Event) {
	bu := NewBuilder(BuilderOptions{UUID: testUUID()})
	s, err := bu.Stream(style)
	check(b, err)
	ev, err := s.Event("app:request", schema.NoLogLevel, Uint("n", 32), Str("path"))
	check(b, err)
	w, err := NewStreamWriter(s.Class(), PacketFunc(func([]byte, PacketInfo) error { return nil }), StreamOptions{})
	check(b, err)
	return w, ev
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

func reportEvents(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/(cpuTime()-before).Seconds()/1e6, "Mevents/CPU-s")
}

// An event with a 32-bit integer and a text of 11 bytes, given value by value.
func BenchmarkStreamWriterTyped(b *testing.B) {
	for name, style := range map[string]HeaderStyle{"compact": CompactHeader, "large": LargeHeader} {
		b.Run(name, func(b *testing.B) {
			w, ev := benchStream(b, style)
			b.ReportAllocs()
			before := cpuTime()
			for i := range b.N {
				ew := w.Event(ev, uint64(i)*100)
				ew.Uint(uint64(uint32(i)))
				ew.String("/index.html")
				if err := ew.End(); err != nil {
					b.Fatal(err)
				}
			}
			reportEvents(b, before)
		})
	}
}

// The same event, given as a frame.
func BenchmarkStreamWriterFrame(b *testing.B) {
	w, ev := benchStream(b, LargeHeader)
	f := &Frame{Words: []uint64{0, extent(0, 11)}, Data: []byte("/index.html")}
	b.ReportAllocs()
	before := cpuTime()
	for i := range b.N {
		f.Words[0] = uint64(uint32(i))
		if err := w.WriteFrame(ev, uint64(i)*100, f); err != nil {
			b.Fatal(err)
		}
	}
	reportEvents(b, before)
}
