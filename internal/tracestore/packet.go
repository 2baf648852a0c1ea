// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/lttng"
)

// packet is the one a data connection is receiving for a stream.
type packet struct {
	seq     uint64
	file    *TraceFile // nil if dropped for want of one
	start   int64      // in the file
	data    int64      // bytes to come
	padding int64
	written int64
	dropped bool // not stored: no space, or the file failed
}

// Begin starts the packet that header announces (writer).
func (st *Stream) Begin(h lttng.DataHeader) error {
	switch {
	case st.metadata:
		return fmt.Errorf("%w: data packet for metadata stream %d", ErrWrongKind, st.id)
	case st.in != nil:
		return fmt.Errorf("%w: %d on stream %d", ErrBusy, st.in.seq, st.id)
	case st.chunk == nil:
		return fmt.Errorf("%w: packet %d of stream %d", ErrNoChunk, h.NetSeqNum, st.id)
	case st.indexed && st.full(h.NetSeqNum) && st.pending.find(h.NetSeqNum) == nil:
		return st.refusePending()
	case st.duplicate(h.NetSeqNum):
		return fmt.Errorf("%w: packet %d of stream %d", ErrDuplicate, h.NetSeqNum, st.id)
	}
	size := int64(h.DataSize) + int64(h.PaddingSize)
	dropped := st.replaced || !st.session.store.space.take(size)
	if !st.replaced {
		if err := st.makeRoom(h.DataSize); err != nil {
			if !isPassing(err) {
				return err
			}
			dropped = true
		}
	}
	st.inBuffer = packet{
		seq: h.NetSeqNum, file: st.file,
		data: int64(h.DataSize), padding: int64(h.PaddingSize), dropped: dropped,
	}
	if st.file != nil {
		st.inBuffer.start = st.file.size
	}
	st.in = &st.inBuffer
	return nil
}

// makeRoom sees to it that there is a file that takes a packet of n bytes.
func (st *Stream) makeRoom(n uint32) error {
	if st.file == nil {
		return st.openFile()
	}
	if st.overflows(uint64(n)) {
		return st.nextFile()
	}
	return nil
}

// duplicate reports whether the data of a packet number is there and waits for
// its index. Numbers rise, so the search is for misbehaving peers only.
func (st *Stream) duplicate(seq uint64) bool {
	if int64(seq-st.prevData) > 0 {
		return false
	}
	h := st.pending.find(seq)
	return h != nil && h.hasData()
}

// Write stores the next bytes of the packet (writer). What the disk refuses is
// dropped with the packet, and counted: the connection goes on.
func (st *Stream) Write(b []byte) {
	p := st.in
	if p == nil {
		return // the stream was closed under the packet
	}
	if !p.dropped {
		if err := writeAt(p.file.data, b, p.start+p.written); err != nil {
			st.drop(err)
		}
	}
	p.written += int64(len(b))
}

// Target returns the file and offset for a caller that moves the next bytes
// without reading them; file is nil when they are to be thrown away (writer).
func (st *Stream) Target() (*fdpool.File, int64) {
	if p := st.in; p != nil && !p.dropped {
		return p.file.data, p.start + p.written
	}
	return nil, 0
}

// Advance records that n bytes were moved to Target, or thrown away (writer).
func (st *Stream) Advance(n int64) {
	if st.in != nil {
		st.in.written += n
	}
}

// Drop gives up the packet being received after a failed move (writer).
func (st *Stream) Drop(err error) {
	if st.in != nil {
		st.drop(err)
	}
}

func (st *Stream) drop(err error) {
	p, s := st.in, st.session.store
	p.dropped = true
	if s.counters.DataErrors.Add(1) == 1 || !isNoSpace(err) {
		s.log.Error("packet not stored", "file", p.file.path(), "offset", p.start, "err", err)
	}
	if err := p.file.truncate(p.start); err != nil {
		s.log.Error("partial packet not cut", "file", p.file.path(), "offset", p.start, "err", err)
	}
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// isPassing reports whether an operation may well succeed later.
func isPassing(err error) bool {
	return isNoSpace(err) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// Finish completes the packet (writer). It reports whether that closed the
// stream, which had waited for it.
func (st *Stream) Finish() (closed bool) {
	p := st.in
	if p == nil {
		return true
	}
	if !p.dropped && p.padding > 0 {
		if err := p.file.truncate(p.start + p.data + p.padding); err != nil {
			st.drop(err)
		}
	}
	st.in = nil
	st.settle(p)
	st.prevData = p.seq
	if h := st.pending.find(p.seq); h != nil {
		st.pending.waiting--
		h.file, h.offset, h.size, h.dropped = p.file, p.start, p.data+p.padding, p.dropped
		p.file.owe()
		st.complete(h)
	} else if st.indexed {
		p.file.owe()
		st.await(half{seq: p.seq, file: p.file, offset: p.start, size: p.data + p.padding, dropped: p.dropped})
	}
	if p.file != nil && p.file != st.file {
		st.retire(p.file)
	}
	return st.closing && st.tryClose(false)
}

// settle makes a packet's bytes part of its file.
func (st *Stream) settle(p *packet) {
	s := st.session.store
	if p.dropped {
		st.lose(1)
		s.counters.DroppedBytes.Add(uint64(p.data))
		return
	}
	size := p.data + p.padding
	p.file.size = p.start + size
	if p.file == st.file {
		st.commit(p.file)
	}
	st.stats.Packets.Add(1)
	st.stats.Bytes.Add(uint64(size))
	st.stats.LastArrival.Store(st.session.arrival)
	s.counters.Packets.Add(1)
	s.counters.Bytes.Add(uint64(size))
}

// Abandon cuts off a packet whose rest will not come (writer).
func (st *Stream) Abandon() {
	p := st.in
	if p == nil {
		return
	}
	st.in = nil
	if p.dropped || p.written == 0 {
		return
	}
	if err := p.file.truncate(p.start); err != nil {
		st.session.store.log.Error("partial packet not cut", "file", p.file.path(), "offset", p.start, "err", err)
	}
}

// GoPast goes past a packet that will not come (writer): the next one of its
// stream, all before it are stored or gone past. packet is its own number. It
// reports whether that closed the stream, which had waited for it.
func (st *Stream) GoPast(seq, packet uint64) (closed bool) {
	if h := st.pending.find(seq); h != nil {
		if h.awaitsData() {
			st.pending.waiting--
		}
		st.forget(h)
		st.pending.remove(h)
	}
	st.prevData, st.prevIndex = seq, seq
	if packet >= st.nextSeq {
		st.nextSeq = packet + 1
	}
	if t := st.turning; t != nil && st.nextSeq >= t.at {
		st.mustTurn(seq + 1)
	}
	return st.closing && st.tryClose(false)
}
