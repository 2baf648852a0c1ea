// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"sync/atomic"
	"unsafe"
)

// Writer writes to a ring, as a program does. It is safe for concurrent use.
//
// A write is Reserve, the event's bytes, and Commit. Between them there must be no
// system call and nothing that waits: the sub-buffer cannot be read before the commit,
// and whoever writes a whole round further finds it in the way.
//
// # Trust
//
// Where things are in the memory is read once, checked, and never read again. What is
// read while events are written is a position or a counter, which is taken modulo the
// ring.
type Writer struct {
	// Immutable after Map.
	base       unsafe.Pointer
	subMask    uint64 // of a position within its sub-buffer
	ringMask   uint64 // of a position within the ring
	countMask  uint64 // of commit counters
	subOrder   uint
	countOrder uint
	overwrite  bool
	pages      uint64
	hot        unsafe.Pointer
	cold       unsafe.Pointer
	timeEnds   unsafe.Pointer
	memory     unsafe.Pointer
	pageInfo   unsafe.Pointer
	table      unsafe.Pointer
	counts     unsafe.Pointer
	instance   uint32
	class      uint32
	uuid       [16]byte
	now        func() uint64
	held       *held // nil: there is nobody to wake

	retired atomic.Bool

	mem []byte
}

// What the writer that a sub-buffer ends with leaves in its header for the one, perhaps
// of another program, that delivers it: how many events were lost when it did, and a
// mark of the turn. The latter may be late, and have seen losses that the next packet
// does not tell of yet; counts must not go back.
const (
	lostOffset = endAt + 32
	lostBits   = 40
	lostMark   = 1 << 63
)

// CompactTimeBits is how much of the time an event's header has when nothing else tells.
const CompactTimeBits = 27

// word is a word of the head.
func (w *Writer) word(at uintptr) *uint64 { return (*uint64)(unsafe.Add(w.base, at)) }

// index is the sub-buffer of a position.
func (w *Writer) index(at uint64) uint64 { return at & w.ringMask >> w.subOrder }

func (w *Writer) hotAt(i uint64) *uint64 { return (*uint64)(unsafe.Add(w.hot, i*counterLen)) }

func (w *Writer) coldAt(i uint64) *uint64 { return (*uint64)(unsafe.Add(w.cold, i*counterLen)) }

// round is what the commit counter of a position's sub-buffer is at when that is free.
func (w *Writer) round(at uint64) uint64 { return at &^ w.ringMask >> w.countOrder }

// page is the page that a sub-buffer is in. Only where writers overwrite it is another
// than the sub-buffer.
func (w *Writer) page(i uint64) uint64 {
	if !w.overwrite {
		return i
	}
	p := atomic.LoadUint64((*uint64)(unsafe.Add(w.table, 8*i))) & idIndex
	if p >= w.pages {
		return i // the memory lies; the ring is lost, but nothing else
	}
	return p
}

// address is where a position is.
func (w *Writer) address(at uint64) unsafe.Pointer {
	return unsafe.Add(w.memory, w.page(w.index(at))<<w.subOrder|at&w.subMask)
}

// Slot is room for an event.
type Slot struct {
	Data unsafe.Pointer
	Time uint64
	Long bool // the header has to have the whole time

	end  uint64 // position behind it
	size uint64
}

// Position is where writers are. It is read before the time of an event is, so that
// times never go back along the ring.
func (w *Writer) Position() uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Add(w.base, WriteOffset)))
}

// Reserve makes room for an event of short bytes, or of long ones where the time has
// to be told in full. The time was read after the position. Reserve reports false, and
// counts, when there is no room.
func (w *Writer) Reserve(position, now uint64, short, long uint64) (s Slot, ok bool) {
	last := w.word(LastTime)
	size := short
	wide := (now-atomic.LoadUint64(last))>>CompactTimeBits != 0
	if wide {
		size = long
	}
	used := position & w.subMask
	end := position + size
	if used == 0 || used+size > w.subMask || !atomic.CompareAndSwapUint64(w.word(WriteOffset), position, end) {
		return w.reserveSlow(short, long)
	}
	*last = now // not atomically: a race makes headers longer, never wrong
	if w.overwrite {
		w.push(end - 1)
		w.clearNoRef(w.index(end - 1))
	}
	return Slot{w.address(position), now, wide, end, size}, true
}

// reservation is how the ring changes by a reservation.
type reservation struct {
	old, begin, end, size uint64
	now, lost             uint64
	wide                  bool
	endOld, startNew      bool // a sub-buffer is ended, one is begun
	endNew                bool // and one is filled to its last byte
}

//go:noinline
func (w *Writer) reserveSlow(short, long uint64) (s Slot, ok bool) {
	var r reservation
	for {
		if !w.plan(&r, short, long) {
			return s, false
		}
		if atomic.CompareAndSwapUint64(w.word(WriteOffset), r.old, r.end) {
			break
		}
	}
	atomic.StoreUint64(w.word(LastTime), r.now)
	if w.overwrite {
		w.push(r.end - 1)
		w.clearNoRef(w.index(r.end - 1))
	}
	if r.endOld {
		if w.overwrite {
			w.clearNoRef(w.index(r.old - 1))
		}
		w.endSubbuf(&r)
	}
	if r.startNew {
		w.startSubbuf(r.begin, r.now)
	}
	if r.endNew {
		w.setEnd(r.end, &r)
	}
	return Slot{w.address(r.begin), r.now, r.wide, r.end, r.size}, true
}

// plan finds where an event can go. It reports false when it has counted it as lost.
func (w *Writer) plan(r *reservation, short, long uint64) bool {
	subbuf := w.subMask + 1
	for {
		*r = reservation{old: atomic.LoadUint64(w.word(WriteOffset)), size: short}
		r.now, r.lost = w.now(), w.Lost() // after the position: so neither goes back along the ring
		r.begin = r.old
		if (r.now-atomic.LoadUint64(w.word(LastTime)))>>CompactTimeBits != 0 {
			r.size, r.wide = long, true
		}
		used := r.old & w.subMask
		if used == 0 {
			r.startNew = true
		} else if used+r.size > subbuf {
			r.startNew, r.endOld = true, true
			r.begin = (r.old + w.subMask) &^ w.subMask
		}
		if r.startNew {
			r.begin += HeaderLen
			cold := atomic.LoadUint64(w.coldAt(w.index(r.begin)))
			if r.old != atomic.LoadUint64(w.word(WriteOffset)) {
				continue // the counter may be of another round than the position
			}
			switch {
			case (w.round(r.begin)-cold)&w.countMask != 0:
				atomic.AddUint64(w.word(LostWrap), 1)
				return false
			case !w.overwrite && r.begin&^w.subMask-atomic.LoadUint64(w.word(ConsumedOffset))&^w.subMask > w.ringMask:
				atomic.AddUint64(w.word(LostFull), 1)
				return false
			case HeaderLen+r.size > subbuf:
				atomic.AddUint64(w.word(LostBig), 1)
				return false
			}
		}
		r.end = r.begin + r.size
		r.endNew = r.end&w.subMask == 0
		return true
	}
}

// Commit tells that an event is written.
func (w *Writer) Commit(s *Slot) {
	i := w.index(s.end - 1)
	hot := w.hotAt(i)
	sum := atomic.AddUint64(hot, s.size)
	if (w.round(s.end-1)-(sum-w.subMask-1))&w.countMask == 0 {
		w.deliver(s.end-1, i, sum)
	}
	// Tools that look into the memory of a program that has died go by the sequence.
	if (s.end-sum)&w.subMask == 0 {
		atomic.StoreUint64((*uint64)(unsafe.Add(unsafe.Pointer(hot), SequenceAt)), sum)
	}
}

// setEnd notes the last event of the sub-buffer that a position is the end of.
func (w *Writer) setEnd(end uint64, r *reservation) {
	i := w.index(end - 1)
	*w.lostAt(i) = w.markOf(end-1) | r.lost&(1<<lostBits-1)
	*(*uint64)(unsafe.Add(w.timeEnds, 8*i)) = r.now
	*(*uint64)(unsafe.Add(w.pageInfo, w.page(i)*pageLen+PageDataSize)) = (end-1)&w.subMask + 1
}

// endSubbuf ends a sub-buffer behind its last event.
func (w *Writer) endSubbuf(r *reservation) {
	w.setEnd(r.old, r)
	padding := w.subMask - (r.old-1)&w.subMask
	w.add(r.old-1, padding)
}

// startSubbuf begins a packet. Events may have been written behind its header already.
func (w *Writer) startSubbuf(begin, now uint64) {
	i := w.index(begin)
	h := Header{
		UUID: w.uuid, Class: w.class, Instance: uint64(w.instance), CPU: w.instance,
		Begin: now, ContentBits: ^uint64(0), PacketBits: ^uint64(0),
		Sequence: *(*uint64)(unsafe.Add(w.counts, 8*i))<<w.countOrder + i,
	}
	var b [HeaderLen]byte
	h.put(b[:])
	// Who ends the sub-buffer may have been faster: what it has left is not touched.
	packet := unsafe.Slice((*byte)(w.address(begin&^w.subMask)), HeaderLen)
	copy(packet[:lostOffset], b[:])
	copy(packet[lostOffset+8:], b[lostOffset+8:])
	w.add(begin, HeaderLen)
}

// add commits what belongs to no event.
func (w *Writer) add(at, size uint64) {
	i := w.index(at)
	sum := atomic.AddUint64(w.hotAt(i), size)
	if (w.round(at)-(sum-w.subMask-1))&w.countMask == 0 {
		w.deliver(at, i, sum)
	}
}

// deliver completes a sub-buffer, unless another does.
//
//go:noinline
func (w *Writer) deliver(at, i, sum uint64) {
	before := sum - w.subMask - 1
	if !atomic.CompareAndSwapUint64(w.coldAt(i), before, before+1) {
		return
	}
	// Nobody else writes to the sub-buffer now.
	page := w.page(i)
	head := unsafe.Slice((*byte)(unsafe.Add(w.memory, page<<w.subOrder)), HeaderLen)
	used := *(*uint64)(unsafe.Add(w.pageInfo, page*pageLen+PageDataSize))
	le.PutUint64(head[endAt:], *(*uint64)(unsafe.Add(w.timeEnds, 8*i)))
	le.PutUint64(head[endAt+8:], 8*used)
	le.PutUint64(head[endAt+16:], 8*((used+memoryAlign-1)&^(memoryAlign-1)))
	le.PutUint64(head[lostOffset:], w.lostBy(at, i))
	*(*uint64)(unsafe.Add(w.counts, 8*i))++
	if w.overwrite {
		atomic.StoreUint64((*uint64)(unsafe.Add(w.table, 8*i)), id(at/(w.ringMask+1), page))
	}
	atomic.StoreUint64(w.coldAt(i), sum)
	if w.held != nil && atomic.LoadUint64(w.word(ActiveReaders)) != 0 {
		w.held.wakeReader()
	}
}

// lostAt is where the header of a sub-buffer has the count.
func (w *Writer) lostAt(i uint64) *uint64 {
	return (*uint64)(unsafe.Add(w.memory, w.page(i)<<w.subOrder+lostOffset))
}

// markOf is the mark of the turn of a position.
func (w *Writer) markOf(at uint64) uint64 { return lostMark | at/(w.ringMask+1)<<lostBits&(lostMark-1) }

// lostBy is how many events were lost when the sub-buffer of a position ended. Where a
// program with another library has ended it, that is not known.
func (w *Writer) lostBy(at, i uint64) uint64 {
	if left := *w.lostAt(i); left&^(1<<lostBits-1) == w.markOf(at) {
		return left & (1<<lostBits - 1)
	}
	return w.Lost()
}

// Lost is how many events found no room.
func (w *Writer) Lost() uint64 {
	return atomic.LoadUint64(w.word(LostFull)) + atomic.LoadUint64(w.word(LostWrap)) + atomic.LoadUint64(w.word(LostBig))
}

// push takes the oldest sub-buffer from the reader where writers have come round to it.
func (w *Writer) push(at uint64) {
	consumed := w.word(ConsumedOffset)
	for {
		old := atomic.LoadUint64(consumed)
		if at&^w.subMask-old&^w.subMask <= w.ringMask {
			return
		}
		if atomic.CompareAndSwapUint64(consumed, old, (old+w.subMask+1)&^w.subMask) {
			return
		}
	}
}

// clearNoRef says that a sub-buffer is being written to, so that the reader does not
// take its page.
func (w *Writer) clearNoRef(i uint64) {
	entry := (*uint64)(unsafe.Add(w.table, 8*i))
	for {
		old := atomic.LoadUint64(entry)
		if old&IDNoRef == 0 || atomic.CompareAndSwapUint64(entry, old, old&^IDNoRef) {
			return
		}
	}
}

// Quiet reports whether all that was reserved is committed.
func (w *Writer) Quiet() bool {
	at := atomic.LoadUint64(w.word(WriteOffset))
	if at&w.subMask == 0 {
		at-- // the end of a sub-buffer, which is complete when its counter is
		sum := atomic.LoadUint64(w.hotAt(w.index(at)))
		return (w.round(at)-(sum-w.subMask-1))&w.countMask == 0
	}
	return (at-atomic.LoadUint64(w.hotAt(w.index(at))))&w.subMask == 0
}
