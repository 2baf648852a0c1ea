// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/weir-io/weir/ctf"
)

// cut is where slices meet: a time, and by stream the packet in which it is.
type cut struct {
	time    int64
	packets []uint64
}

// cutter finds the cuts of some streams.
type cutter struct {
	streams []*ctf.Stream
	bytes   int64 // of a slice, at least
	jobs    int   // slices that are read at a time
}

// cuts cuts the time line; nil when slices are no good for these streams.
func (r *Run) cuts(cursors []*ctf.Cursor) []cut {
	if r.Select.Head > 0 || r.Select.Tail > 0 || r.Select.Intersection || len(cursors) > mostStreams {
		return nil
	}
	c := cutter{bytes: int64(r.sliceBytes), jobs: r.jobs()}
	over := int64(0)
	for _, cur := range cursors {
		s := cur.Stream()
		if !wellTimed(s) {
			return nil
		}
		c.streams = append(c.streams, s)
		over += s.Bytes() / int64(2*len(s.Packets))
	}
	if c.bytes == 0 {
		if c.bytes = max(minSlice, readOver*over); c.bytes > maxSlice {
			return nil
		}
	}
	all := c.cuts(r.Select.Window)
	if len(all)+1 < fewestSlices {
		return nil
	}
	return all
}

// wellTimed reports whether the packets of a stream say when they begin and end,
// and lie one behind the other, not before the clock's origin.
func wellTimed(s *ctf.Stream) bool {
	const both = ctf.HasBegin | ctf.HasEnd
	if begin, _, ok := s.Bounds(); !ok || begin < 0 {
		return false
	}
	for i := range s.Packets {
		p := &s.Packets[i]
		if p.Has&both != both || p.End < p.Begin || i > 0 && p.Begin < s.Packets[i-1].End {
			return false
		}
		if _, err := s.Time(p.End); err != nil {
			return false
		}
	}
	return true
}

// cuts cuts where packets begin, within a window.
func (c *cutter) cuts(w Window) []cut {
	type packet struct{ begin, bytes int64 }
	var packets []packet
	for _, s := range c.streams {
		for i := range s.Packets {
			begin, _ := s.Time(s.Packets[i].Begin) // not after the end, whose time is in range
			if begin > w.Begin && begin <= w.End {
				packets = append(packets, packet{begin, int64(s.Packets[i].Size / 8)})
			}
		}
	}
	slices.SortFunc(packets, func(a, b packet) int { return cmp.Compare(a.begin, b.begin) })
	var all []cut
	bytes, last := int64(0), int64(math.MinInt64)
	for _, p := range packets {
		if bytes >= c.least(len(all)) && p.begin > last {
			all = append(all, c.at(p.begin))
			bytes, last = 0, p.begin
		}
		bytes += p.bytes
	}
	return all
}

// least is the least size of a slice by its number. The first ones, which begin
// together, grow, so that they do not end together: who ends before the one whose
// output goes first has to wait.
func (c *cutter) least(n int) int64 {
	if n < c.jobs {
		return c.bytes * int64(n+1) / int64(c.jobs)
	}
	return c.bytes
}

// at returns the cut at a time.
func (c *cutter) at(ns int64) cut {
	x := cut{time: ns, packets: make([]uint64, len(c.streams))}
	for i, s := range c.streams {
		x.packets[i] = uint64(sort.Search(len(s.Packets), func(k int) bool {
			end, _ := s.Time(s.Packets[k].End) // in range: the stream is well timed
			return end >= ns
		}))
	}
	return x
}
