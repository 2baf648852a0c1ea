// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"cmp"
	"slices"
	"sort"

	"github.com/weir-io/weir/ctf/schema"
)

// Stream is a data stream of a trace: the packets of one file, or of several
// that a tracer went on in.
type Stream struct {
	Trace   *Trace
	Class   *schema.Stream
	ID      uint64 // instance id, or the number of the stream in its class
	HasID   bool   // the packets carry an instance id
	Name    string // path of its first file
	Files   []string
	Packets []PacketInfo // in the order of time

	plan *streamPlan
	time timebase // when Class.Clock is set
	err  error    // why there are no packets behind the last
	gone []bool   // of each of the first files, whether it is not there any more
}

// Clocked reports whether the stream's events have times.
func (s *Stream) Clocked() bool { return s.Class.Clock != nil }

// Time returns the time of a value of the stream's clock, in ns from its origin.
func (s *Stream) Time(cycles uint64) (int64, error) { return s.time.ns(cycles) }

// Bounds returns the times at which the first packet begins and the last one
// ends, and whether the packets say so.
func (s *Stream) Bounds() (begin, end int64, ok bool) {
	if len(s.Packets) == 0 || !s.Clocked() {
		return 0, 0, false
	}
	first, last := &s.Packets[0], &s.Packets[len(s.Packets)-1]
	if first.Has&HasBegin == 0 || last.Has&HasEnd == 0 {
		return 0, 0, false
	}
	begin, err1 := s.time.ns(first.Begin)
	end, err2 := s.time.ns(last.End)
	return begin, end, err1 == nil && err2 == nil
}

// Bytes returns the size of the stream's packets.
func (s *Stream) Bytes() int64 {
	var bits uint64
	for i := range s.Packets {
		bits += s.Packets[i].Size
	}
	return int64(bits / 8)
}

// find returns the index of the first packet that may hold an event at or after
// a time; 0 when the packets do not say when they end.
func (s *Stream) find(ns int64) int {
	if !s.Clocked() || s.Trace.quirks.endsEarly {
		return 0
	}
	for i := range s.Packets {
		if s.Packets[i].Has&HasEnd == 0 {
			return 0
		}
	}
	cycles := s.time.cycles(ns)
	return sort.Search(len(s.Packets), func(i int) bool { return s.Packets[i].End >= cycles })
}

// add adds a file and its packets to the stream.
func (s *Stream) add(f *dataFile) {
	f.number = len(s.Files)
	s.Files = append(s.Files, f.path)
	for _, p := range f.packets {
		p.File = f.number
		s.Packets = append(s.Packets, p)
	}
	if s.err == nil {
		s.err = f.err
	}
}

// extend adds packets of a file that came after those of the stream were
// settled: behind them, as cursors may be among them.
func (s *Stream) extend(f *dataFile, packets []PacketInfo) {
	n := len(s.Packets)
	for _, p := range packets {
		p.File, p.Number = f.number, uint64(len(s.Packets))
		if !s.holds(&p) {
			s.Packets = append(s.Packets, p)
		}
	}
	s.Trace.quirks.settle(s, n)
}

// isGone reports whether the file of a packet is not there any more.
func (s *Stream) isGone(p *PacketInfo) bool { return p.File < len(s.gone) && s.gone[p.File] }

// setGone notes whether a file is not there any more.
func (s *Stream) setGone(file int, gone bool) {
	if n := file + 1 - len(s.gone); n > 0 && gone {
		s.gone = append(s.gone, make([]bool, n)...)
	}
	if file < len(s.gone) {
		s.gone[file] = gone
	}
}

// holds reports whether another file has brought a packet already.
func (s *Stream) holds(p *PacketInfo) bool {
	for i := len(s.Packets) - 1; i >= 0 && s.Packets[i].Begin >= p.Begin; i-- {
		if same(&s.Packets[i], p) {
			return true
		}
	}
	return false
}

// same reports whether two packets of different files are copies of one.
func same(a, b *PacketInfo) bool {
	return a.File != b.File && a.Has&HasBegin != 0 && a.Size == b.Size && a.ContentSize == b.ContentSize &&
		a.Begin == b.Begin && a.End == b.End && a.Sequence == b.Sequence
}

// settle orders the packets of a stream by time and drops those that are there
// twice, as in overlapping snapshots and chunks of a rotated session.
func (s *Stream) settle() {
	slices.SortStableFunc(s.Packets, func(a, b PacketInfo) int {
		if a.Has&b.Has&HasBegin == 0 {
			return 0
		}
		return cmp.Compare(a.Begin, b.Begin)
	})
	s.Packets = slices.CompactFunc(s.Packets, func(a, b PacketInfo) bool { return same(&a, &b) })
	for i := range s.Packets {
		s.Packets[i].Number = uint64(i)
	}
}
