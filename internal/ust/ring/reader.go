// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"unsafe"
)

// ErrCorrupt reports memory that no program that keeps the rules has left.
var ErrCorrupt = errors.New("ring: corrupt memory")

// Reader reads a ring, and ends its sub-buffers. One goroutine uses it. Where that has
// debug.SetPanicOnFault, a page that is gone, as a program has punched a hole and there is
// no memory for another, is corrupt memory; else it is the end of the process.
type Reader struct {
	// Immutable.
	g Geometry
	l Layout
	b []byte

	at    uint64 // what was read up to, where writers do not overwrite
	fault error  // a page is gone
	page  uint64 // that is the reader's, where they do
}

// NewReader reads a ring in memory that is mapped, of the size that the geometry's layout
// has, until Close unmaps it. A page that is gone then already is told by Positions.
func NewReader(b []byte, g Geometry) (r *Reader) {
	r = &Reader{g: g, l: g.Layout(), b: b}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // whoever opens it reads from no memory else
	defer r.catch()
	r.at = r.load(ConsumedOffset)
	r.page = g.Subbufs
	if g.Overwrite {
		r.page = min(r.load(ReadID)&idIndex, g.Subbufs)
	}
	return r
}

// catch takes note of a page that is gone. What is called then returns nothing, and
// Positions the error from there on.
func (r *Reader) catch() {
	p := recover()
	if p == nil {
		return
	}
	fault, ok := p.(interface{ Addr() uintptr })
	if !ok || len(r.b) == 0 {
		panic(p)
	}
	at := uint64(fault.Addr() - uintptr(unsafe.Pointer(&r.b[0])))
	if at >= uint64(len(r.b)) {
		panic(p)
	}
	r.fault = fmt.Errorf("%w: no memory behind byte %d: a program has let go of it", ErrCorrupt, at)
}

// word is a word of the memory that others write to.
func (r *Reader) word(at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&r.b[at : at+8][0])) }

func (r *Reader) load(at uint64) uint64      { return atomic.LoadUint64(r.word(at)) }
func (r *Reader) store(at, v uint64)         { atomic.StoreUint64(r.word(at), v) }
func (r *Reader) add(at, v uint64) uint64    { return atomic.AddUint64(r.word(at), v) }
func (r *Reader) cas(at, old, v uint64) bool { return atomic.CompareAndSwapUint64(r.word(at), old, v) }

// index is the sub-buffer that a position is in.
func (r *Reader) index(at uint64) uint64 { return at & (r.g.Bytes() - 1) / r.g.SubbufBytes }

// round is how many bytes commit counters of a position's round have begun with.
func (r *Reader) round(at uint64) uint64 { return (at &^ (r.g.Bytes() - 1)) >> r.g.order() }

// turn is how many times writers have been through the ring before a position.
func (r *Reader) turn(at uint64) uint64 { return at / r.g.Bytes() }

func (r *Reader) begin(at uint64) uint64 { return at &^ (r.g.SubbufBytes - 1) }

// Subbuf is the number of the sub-buffer of a position, from the beginning of all time.
func (r *Reader) Subbuf(at uint64) uint64 { return at / r.g.SubbufBytes }

// Positions returns what is read next, and where writers are. What cannot be is an
// error.
func (r *Reader) Positions() (consumed, write uint64, err error) {
	if r.fault == nil {
		consumed, write, err = r.positions()
	}
	if r.fault != nil {
		return 0, 0, r.fault
	}
	return consumed, write, err
}

func (r *Reader) positions() (consumed, write uint64, err error) {
	defer r.catch()
	if r.g.Overwrite { // writers push it on
		consumed = r.begin(r.load(ConsumedOffset))
		write = r.load(WriteOffset)
		if write-consumed > r.g.Bytes() && write-consumed < 1<<63 {
			consumed = r.begin(r.load(ConsumedOffset)) // both have moved on meanwhile
		}
	} else {
		consumed, write = r.at, r.load(WriteOffset)
		if c := r.load(ConsumedOffset); c != consumed {
			return 0, 0, fmt.Errorf("%w: a program has moved what is read from %d to %d", ErrCorrupt, consumed, c)
		}
	}
	if write-consumed > r.g.Bytes() {
		return 0, 0, fmt.Errorf("%w: writers at %d, the reader at %d of a ring of %d bytes", ErrCorrupt, write, consumed, r.g.Bytes())
	}
	return consumed, write, nil
}

// Lost is how many events found no room, as programs say: in a ring that was full, in
// one whose next sub-buffer was not complete, and because they were too large.
func (r *Reader) Lost() (sum uint64) {
	defer r.catch()
	for _, at := range [...]uint64{LostFull, LostWrap, LostBig} {
		n := r.load(at)
		if sum += n; sum < n {
			return ^uint64(0)
		}
	}
	return sum
}

// Usage is how many bytes of the ring are not read.
func (r *Reader) Usage() uint64 {
	consumed, write, err := r.Positions()
	if err != nil {
		return 0
	}
	return write - consumed
}

// State is how a sub-buffer is.
type State uint8

// States of sub-buffers.
const (
	Writing  State = iota // writers are in it, or not there yet
	Torn                  // writers have gone on, and something was reserved and is not committed
	Complete              // it can be read
)

// State tells how the sub-buffer of a position is.
func (r *Reader) State(at, write uint64) State {
	defer r.catch()
	if r.begin(at) >= r.begin(write) {
		return Writing
	}
	cold := r.load(r.l.Cold + counterLen*r.index(at))
	if (cold-r.g.SubbufBytes)&r.g.mask() == r.round(at)&r.g.mask() {
		return Complete
	}
	return Torn
}

// Read copies the sub-buffer of a position into packet, which has room for one, and
// returns its header and length. It reports false where writers have taken it meanwhile.
func (r *Reader) Read(at uint64, packet []byte) (h Header, n int, ok bool) {
	defer r.catch()
	page := r.index(at)
	if r.g.Overwrite {
		if !r.exchange(at) {
			return h, 0, false
		}
		page = r.page
		defer r.exchange(at)
	}
	h, src := r.look(page)
	return h, copy(packet, src), true
}

// Look returns the header of the sub-buffer of a position and its packet, where programs
// can still write to it, in a ring in which they do not overwrite. It is empty where
// sizes in its header cannot be.
func (r *Reader) Look(at uint64) (Header, []byte) {
	defer r.catch()
	return r.look(r.index(at))
}

// Copy copies a packet that Look has returned.
func (r *Reader) Copy(to, packet []byte) int {
	defer r.catch()
	return copy(to, packet)
}

func (r *Reader) look(page uint64) (h Header, packet []byte) {
	begin := r.l.Memory + page*r.g.SubbufBytes
	src := r.b[begin : begin+r.g.SubbufBytes : begin+r.g.SubbufBytes]
	var head [HeaderLen]byte
	copy(head[:], src)
	h = ParseHeader(head[:])
	size := h.PacketBits / 8
	if h.PacketBits%8 != 0 || size < HeaderLen || size > r.g.SubbufBytes || h.ContentBits > h.PacketBits || h.ContentBits < HeaderLen*8 {
		return h, nil // a program has lied: the sub-buffer is nobody's
	}
	return h, src[:size]
}

// exchange gives the reader the page of a sub-buffer for its own; again, it gives it
// back. It reports false where writers have taken it.
func (r *Reader) exchange(at uint64) bool {
	entry := r.l.WriteTable + 8*r.index(at)
	round := r.turn(at) << idRoundAt
	old := r.load(entry)
	if old&IDNoRef == 0 || old>>idRoundAt<<idRoundAt != round || old&idIndex >= r.g.pages() {
		return false
	}
	if !r.cas(entry, old, round|IDNoRef|r.page) {
		return false
	}
	r.page = old & idIndex
	r.store(ReadID, round|IDNoRef|r.page)
	return true
}

// Mend makes the counters of a torn sub-buffer complete, so that writers can use it again
// when they come round. It is for a sub-buffer that is to be released and that nobody
// will ever commit to.
func (r *Reader) Mend(at uint64) {
	defer r.catch()
	i, sum := r.index(at), r.round(at)+r.g.SubbufBytes
	r.store(r.l.Hot+counterLen*i, sum)
	r.store(r.l.Cold+counterLen*i, sum)
}

// Release gives the sub-buffer of a position to the writers.
func (r *Reader) Release(at uint64) error {
	err := r.release(at)
	if r.fault != nil {
		return r.fault
	}
	return err
}

func (r *Reader) release(at uint64) error {
	defer r.catch()
	next := r.begin(at) + r.g.SubbufBytes
	if !r.cas(ConsumedOffset, at, next) {
		if r.g.Overwrite {
			return nil // writers were before us
		}
		return fmt.Errorf("%w: a program has moved what is read from %d to %d", ErrCorrupt, at, r.load(ConsumedOffset))
	}
	r.at = next
	return nil
}

// Flush ends the sub-buffer that writers are in at a time, so that it can be read once
// all that is reserved in it is committed. It reports false where nothing was in it;
// with empty, that is no reason.
func (r *Reader) Flush(now uint64, empty bool) bool {
	defer r.catch()
	for {
		old := r.load(WriteOffset)
		used := old & (r.g.SubbufBytes - 1)
		if used <= HeaderLen && !empty || used == 0 && !r.hasRoom(old) {
			return false
		}
		if !r.cas(WriteOffset, old, r.begin(old)+r.g.SubbufBytes) {
			continue
		}
		if used == 0 {
			r.beginSubbuf(old, now)
			used = HeaderLen
		}
		r.endSubbuf(old, used, now)
		return true
	}
}

// hasRoom reports whether the sub-buffer that begins at a position can be written.
func (r *Reader) hasRoom(at uint64) bool {
	return !r.g.Overwrite && at-r.at < r.g.Bytes() &&
		r.load(r.l.Cold+counterLen*r.index(at))&r.g.mask() == r.round(at)&r.g.mask()
}

// beginSubbuf begins a packet.
func (r *Reader) beginSubbuf(at, now uint64) {
	i := r.index(at)
	head := r.l.Memory + i*r.g.SubbufBytes
	clear(r.b[head : head+HeaderLen])
	le.PutUint64(r.b[head+beginAt:], now)
	r.add(r.l.Hot+counterLen*i, HeaderLen)
}

// Forget lets go of everything in a ring in which writers overwrite.
func (r *Reader) Forget() {
	defer r.catch()
	for {
		c, write := r.load(ConsumedOffset), r.begin(r.load(WriteOffset))
		if c >= write || r.cas(ConsumedOffset, c, write) {
			return
		}
	}
}

// endSubbuf fills a sub-buffer up, behind the last event. Whoever commits the last of
// it delivers it.
func (r *Reader) endSubbuf(old, used, now uint64) {
	i := r.index(old)
	r.store(r.l.TimeEnds+8*i, now)
	page := i
	if r.g.Overwrite {
		if page = r.load(r.l.WriteTable+8*i) & idIndex; page >= r.g.pages() {
			return
		}
	}
	r.store(r.l.Pages+pageLen*page+PageDataSize, used)
	sum := r.add(r.l.Hot+counterLen*i, r.g.SubbufBytes-used)
	if (sum-r.g.SubbufBytes)&r.g.mask() == r.round(old)&r.g.mask() {
		r.deliver(old, page, used, now, sum)
	}
}

// deliver completes the packet of a sub-buffer, unless a program does.
func (r *Reader) deliver(at, page, used, now, sum uint64) {
	i := r.index(at)
	cold := r.l.Cold + counterLen*i
	if !r.cas(cold, sum-r.g.SubbufBytes, sum-r.g.SubbufBytes+1) {
		return
	}
	head := r.l.Memory + page*r.g.SubbufBytes
	packet := min((used+memoryAlign-1)&^(memoryAlign-1), r.g.SubbufBytes)
	for i, v := range [...]uint64{now, 8 * used, 8 * packet, r.Subbuf(at), r.Lost()} {
		le.PutUint64(r.b[head+endAt+8*uint64(i):], v)
	}
	r.add(r.l.Counts+8*i, 1)
	if r.g.Overwrite {
		entry := r.l.WriteTable + 8*i
		r.store(entry, id(r.turn(at), page))
	}
	// From here on it can be read, and written again.
	r.cas(cold, sum-r.g.SubbufBytes+1, sum)
}
