// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"unsafe"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// targets is where an event is recorded.
type targets struct{ list []target }

// target is an event in a channel.
type target struct {
	// Immutable.
	rings    []*ring.Writer
	contexts []contextWriter
	filters  []program // one of which an event has to pass, where there are some
	id       uint32
	large    bool   // the channel's header type
	extended bool   // the number does not fit a short header
	short    uint64 // bytes of a header
	long     uint64 // bytes of one with the whole time
	fixed    uint64 // bytes of contexts
}

// Numbers of the two types of headers.
const (
	compactIDBits = 5
	compactMark   = 1<<compactIDBits - 1
	compactShort  = 4
	compactLong   = 1 + 4 + 8
	largeMark     = 1<<16 - 1
	largeShort    = 2 + 4
	largeLong     = 2 + 4 + 8
)

func newTarget(rings []*ring.Writer, contexts []contextWriter, header, id uint32) target {
	t := target{rings: rings, contexts: contexts, id: id, short: compactShort, long: compactLong}
	t.extended = id >= compactMark
	if header == wire.LargeHeader {
		t.large, t.short, t.long, t.extended = true, largeShort, largeLong, id >= largeMark
	}
	if t.extended {
		t.short = t.long
	}
	for _, c := range contexts {
		t.fixed += c.size
	}
	t.short += t.fixed
	t.long += t.fixed
	return t
}

// write records an event, in the ring of a processor.
func (t *target) write(p int, layout []place, args []arg, size uint64) {
	if p >= len(t.rings) {
		p %= len(t.rings)
	}
	if t.fixed != 0 || t.filters != nil {
		t.writeMore(p, layout, args, size)
		return
	}
	w := t.rings[p]
	s, ok := w.Reserve(w.Position(), now(), t.short+size, t.long+size)
	if !ok {
		return
	}
	put(t.header(&s), layout, args)
	w.Commit(&s)
}

// writeMore records an event with contexts, if it passes the filters. Some contexts are
// asked of the system, which must not be between reserve and commit.
//
//go:noinline
func (t *target) writeMore(p int, layout []place, args []arg, size uint64) {
	if t.filters != nil && !t.pass(p, args) {
		return
	}
	var values [maxContexts]uint64
	for i := range t.contexts {
		values[i] = t.contexts[i].value(p)
	}
	w := t.rings[p]
	s, ok := w.Reserve(w.Position(), now(), t.short+size, t.long+size)
	if !ok {
		return
	}
	at := t.header(&s)
	for i := range t.contexts {
		at = t.contexts[i].put(at, values[i])
	}
	put(at, layout, args)
	w.Commit(&s)
}

func (t *target) pass(p int, args []arg) bool {
	for i := range t.filters {
		if t.filters[i].passes(p, args) {
			return true
		}
	}
	return false
}

// header writes what an event begins with.
func (t *target) header(s *ring.Slot) unsafe.Pointer {
	switch at := s.Data; {
	case s.Long || t.extended:
		return t.longHeader(at, s.Time)
	case t.large:
		*(*uint16)(at) = uint16(t.id)
		*(*uint32)(unsafe.Add(at, 2)) = uint32(s.Time)
		return unsafe.Add(at, largeShort)
	default:
		*(*uint32)(at) = t.id | uint32(s.Time)<<compactIDBits
		return unsafe.Add(at, compactShort)
	}
}

// longHeader writes a header that has the whole number and time.
func (t *target) longHeader(at unsafe.Pointer, time uint64) unsafe.Pointer {
	if t.large {
		*(*uint16)(at) = largeMark
		at = unsafe.Add(at, 2)
	} else {
		*(*uint8)(at) = compactMark
		at = unsafe.Add(at, 1)
	}
	*(*uint32)(at) = t.id
	*(*uint64)(unsafe.Add(at, 4)) = time
	return unsafe.Add(at, 12)
}
