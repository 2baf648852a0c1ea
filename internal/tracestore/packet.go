// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/lttng"
)

// maxUnflushed bounds the index records kept while the disk refuses them.
const maxUnflushed = 4096

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

// PutIndex takes the description of a packet, or a beacon (writer).
// FlushIndexes makes it durable. LTTng relay protocol, SEND_INDEX.
func (st *Stream) PutIndex(x lttng.Index) error {
	if !st.indexed {
		return fmt.Errorf("%w: index for stream %d", ErrWrongKind, st.id)
	}
	if x.IsBeacon() {
		st.putBeacon(&x)
		return nil
	}
	h := st.pending.find(x.NetSeqNum)
	switch {
	case h == nil && st.full(x.NetSeqNum):
		return st.refusePending()
	case h == nil:
		h = st.await(half{seq: x.NetSeqNum, index: true})
		h.entry = entryOf(&x)
	case h.index:
		return fmt.Errorf("%w: index of packet %d of stream %d", ErrDuplicate, x.NetSeqNum, st.id)
	}
	if !h.index {
		h.index, h.entry = true, entryOf(&x)
	}
	if x.PacketSeqNum >= st.floor {
		st.mu.Lock()
		st.class, st.beacon = x.StreamClass, noBeacon
		st.newest = packetState{there: true, instance: x.InstanceID, sequence: x.PacketSeqNum, discarded: x.EventsDiscarded}
		st.mu.Unlock()
	}
	if h.hasData() {
		st.complete(h)
	}
	return nil
}

// putBeacon remembers that nothing happened up to a time. It says nothing
// while the data of an announced packet is still to come.
func (st *Stream) putBeacon(x *lttng.Index) {
	st.session.store.counters.Beacons.Add(1)
	if st.pending.awaitsData() {
		return
	}
	// A viewer must not see the beacon before the packets that precede it.
	if st.flushIndex(false); len(st.unflushed) > 0 {
		return
	}
	st.mu.Lock()
	st.beacon, st.class = x.TimestampEnd, x.StreamClass
	st.mu.Unlock()
}

// complete writes the record of a packet of which both halves are there.
func (st *Stream) complete(h *half) {
	seq := h.entry.PacketSeqNum
	if seq < st.floor {
		st.prevIndex = h.seq
		st.dropDuplicate(h)
		st.forget(h)
		st.pending.remove(h)
		return
	}
	if t := st.turning; t != nil && seq >= t.at {
		st.mustTurn(h.seq)
	}
	st.prevIndex = h.seq
	st.nextSeq = seq + 1
	if !h.dropped {
		st.record(h)
	}
	st.forget(h)
	st.pending.remove(h)
	if t := st.turning; t != nil && st.nextSeq >= t.at {
		st.mustTurn(st.prevIndex + 1)
	}
}

// mustTurn turns where no reply can carry the error. Without its next chunk
// the stream refuses further packets.
func (st *Stream) mustTurn(first uint64) {
	if err := st.turn(first); err != nil {
		st.session.store.log.Error("rotation failed", "stream", st.id, "err", err)
	}
}

func (st *Stream) record(h *half) {
	f, ss := h.file, st.session
	if f.gone.Load() {
		return // overwritten before its index came
	}
	if len(f.records) >= maxUnflushed*st.recordLen {
		st.lose(1)
		return
	}
	h.entry.Offset = uint64(h.offset)
	f.records = h.entry.Append(f.records, uint32(st.recordLen))
	f.recording = max(f.recording, h.offset+h.size)
	if !f.unflushed {
		f.unflushed = true
		st.unflushed = append(st.unflushed, f)
	}
	if !st.queued {
		st.queued = true
		ss.dirty = append(ss.dirty, st)
	}
	// The tracer's count is cumulative; it begins anew with the stream.
	if before := st.stats.EventsDiscarded.Swap(h.entry.EventsDiscarded); h.entry.EventsDiscarded > before {
		ss.store.counters.EventsDiscarded.Add(h.entry.EventsDiscarded - before)
	}
	st.stats.LastTimestamp.Store(h.entry.TimestampEnd)
}

// full reports whether a packet of that number may not wait: the memory of what
// waits is bounded for each stream and for the session.
func (st *Stream) full(seq uint64) bool {
	limit := st.session.store.opts.MaxPendingPerSession
	return limit > 0 && st.session.waiting >= limit || st.pending.full(seq)
}

func (st *Stream) refusePending() error {
	st.session.store.counters.PendingRefused.Add(1)
	return fmt.Errorf("%w: %d packets of stream %d, %d of session %d lack data or index",
		ErrLimit, st.pending.len(), st.id, st.session.waiting, st.session.id)
}

// await lets a half wait for the other one.
func (st *Stream) await(h half) *half {
	st.session.waiting++
	st.session.store.counters.Pending.Add(1)
	return st.pending.push(h)
}

// forget ends a half's hold on its file; the caller takes it off the queue.
func (st *Stream) forget(h *half) {
	st.session.waiting--
	st.session.store.counters.Pending.Add(-1)
	f := h.file
	if f == nil {
		return
	}
	h.file = nil
	f.owed--
	f.put()
	if f != st.file {
		st.retire(f)
	}
}

func entryOf(x *lttng.Index) ctf.IndexEntry {
	return ctf.IndexEntry{
		PacketSize: x.PacketSize, ContentSize: x.ContentSize,
		TimestampBegin: x.TimestampBegin, TimestampEnd: x.TimestampEnd,
		EventsDiscarded: x.EventsDiscarded, StreamClass: x.StreamClass,
		InstanceID: x.InstanceID, PacketSeqNum: x.PacketSeqNum,
	}
}

// overflows reports whether a packet of n bytes does not fit in the current
// file. Padding does not count, as in the original.
func (st *Stream) overflows(n uint64) bool {
	return st.tracefileSize > 0 && st.file != nil && uint64(st.file.size)+n > st.tracefileSize
}

// nextFile goes on to the next file of the tracefile rotation. A count of 0
// means that files are never overwritten.
func (st *Stream) nextFile() error {
	old, n := st.file, st.file.number+1
	if st.tracefileCount > 0 {
		n %= st.tracefileCount
	}
	if st.tracefileCount > 0 {
		st.overwrite(n, old.chunk)
	}
	f, err := st.createFile(old.chunk, n)
	if err != nil {
		return err
	}
	st.setFile(f)
	st.list(f)
	st.retire(old)
	return nil
}

// overwrite makes room for file n: the one of that number is unlinked, so that
// whoever has it open can read on.
func (st *Stream) overwrite(n uint64, c *chunk) {
	same := func(f *TraceFile) bool { return f.number == n && f.chunk == c }
	st.keepUsed(same)
	st.dropFiles(same)
	f := TraceFile{stream: st, chunk: c, number: n}
	f.name = path.Join(st.dir, st.fileName(n))
	for _, name := range []string{f.name, f.indexName()} {
		if err := c.remove(name); err != nil && !os.IsNotExist(err) {
			st.session.store.log.Error("old trace file not removed", "file", name, "err", err)
		}
	}
}

// keepUsed prepares files that others than the stream's list use for losing
// their names.
func (st *Stream) keepUsed(which func(*TraceFile) bool) {
	st.pending.each(func(h *half) {
		if h.file != nil && which(h.file) {
			st.keepUnlinked(h.file)
		}
	})
	st.mu.Lock()
	var read []*TraceFile
	for _, f := range st.files {
		if which(f) {
			read = append(read, f)
		}
	}
	st.mu.Unlock()
	for _, f := range read {
		if f.refs.Load() > 1 {
			st.keepUnlinked(f)
		}
	}
}

// keepUnlinked prepares a file for losing its name.
func (st *Stream) keepUnlinked(f *TraceFile) {
	f.gone.Store(true)
	st.mu.Lock()
	index := f.index
	st.mu.Unlock()
	err := f.data.Pin()
	if index != nil {
		err = errors.Join(err, index.Pin())
	}
	if err != nil {
		st.session.store.log.Warn("overwritten file cannot be read on", "file", f.path(), "err", err)
	}
}

// firstDir is the first element of a stream's directory.
func firstDir(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}
