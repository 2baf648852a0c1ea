// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"testing"

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
	w, err := NewStreamWriter(s.Class(), PacketFunc(func(p []byte, _ PacketInfo) error {
		b.SetBytes(int64(len(p)))
		return nil
	}), StreamOptions{})
	check(b, err)
	return w, ev
}

func reportEvents(b *testing.B) {
	b.SetBytes(0)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
}

// An event with a 32-bit integer and a text of 11 bytes, given value by value.
func BenchmarkStreamWriterTyped(b *testing.B) {
	for name, style := range map[string]HeaderStyle{"compact": CompactHeader, "large": LargeHeader} {
		b.Run(name, func(b *testing.B) {
			w, ev := benchStream(b, style)
			b.ReportAllocs()
			for i := range b.N {
				ew := w.Event(ev, uint64(i)*100)
				ew.Uint(uint64(uint32(i)))
				ew.String("/index.html")
				if err := ew.End(); err != nil {
					b.Fatal(err)
				}
			}
			reportEvents(b)
		})
	}
}

// The same event, given as a frame.
func BenchmarkStreamWriterFrame(b *testing.B) {
	w, ev := benchStream(b, LargeHeader)
	f := &Frame{Words: []uint64{0, extent(0, 11)}, Data: []byte("/index.html")}
	b.ReportAllocs()
	for i := range b.N {
		f.Words[0] = uint64(uint32(i))
		if err := w.WriteFrame(ev, uint64(i)*100, f); err != nil {
			b.Fatal(err)
		}
	}
	reportEvents(b)
}
