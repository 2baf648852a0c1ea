// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// take says what is kept of a packet.
type take uint8

const (
	nothing take = iota
	bounds       // the packet without its events, for a loss beside it
	some         // those of its events that are chosen
	whole        // all events
)

// takesOf says what is kept of the packets of a stream.
func takesOf(s *ctf.Stream, w window, picking bool) []take {
	all := whole
	if picking {
		all = some
	}
	takes := make([]take, len(s.Packets))
	for i := range s.Packets {
		takes[i] = all
		if w == always {
			continue
		}
		begin, end, ok := timesOf(s, i)
		switch {
		case !ok || w.overlaps(begin, end) && !(w.holds(begin) && w.holds(end)):
			takes[i] = some
		case !w.overlaps(begin, end):
			takes[i] = nothing
		}
	}
	if w != always {
		keepLosses(s, w, takes)
		keepClock(s, takes)
	}
	return takes
}

// keepLosses keeps the two packets around each loss that reaches into the window.
func keepLosses(s *ctf.Stream, w window, takes []take) {
	for i := 1; i < len(takes); i++ {
		prev, p := &s.Packets[i-1], &s.Packets[i]
		_, from, ok1 := timesOf(s, i-1)
		begin, end, ok2 := timesOf(s, i)
		if !ok1 || !ok2 {
			continue
		}
		both := prev.Has & p.Has
		events := both&ctf.HasDiscarded != 0 && p.Discarded != prev.Discarded && w.overlaps(from, end)
		packets := both&ctf.HasSequence != 0 && p.Sequence > prev.Sequence+1 && w.overlaps(from, begin)
		if events || packets {
			takes[i-1], takes[i] = max(takes[i-1], bounds), max(takes[i], bounds)
		}
	}
}

// keepClock keeps all packets before the last that is kept, where the clock goes
// on from packet to packet.
func keepClock(s *ctf.Stream, takes []take) {
	if tellsClock(s.Class) {
		return
	}
	needed := false
	for i := len(takes) - 1; i >= 0; i-- {
		needed = needed || takes[i] != nothing
		if needed {
			takes[i] = max(takes[i], bounds)
		}
	}
}

// tellsClock reports whether packets of a class say at which value of the clock
// they begin, all bits of it.
func tellsClock(class *schema.Stream) bool {
	if class.PacketContext == nil {
		return false
	}
	for i := range class.PacketContext.Members {
		c, ok := class.PacketContext.Members[i].Class.(*schema.Integer)
		if ok && c.Role == schema.RoleTimestampBegin {
			return c.Size == 64 || c.Variable
		}
	}
	return false
}

// timesOf returns when a packet begins and ends, and whether it says so.
func timesOf(s *ctf.Stream, i int) (begin, end int64, ok bool) {
	p := &s.Packets[i]
	if !s.Clocked() || p.Has&ctf.HasBegin == 0 || p.Has&ctf.HasEnd == 0 {
		return 0, 0, false
	}
	begin, err1 := s.Time(p.Begin)
	end, err2 := s.Time(p.End)
	return begin, end, err1 == nil && err2 == nil
}
