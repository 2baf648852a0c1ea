// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

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

// maxUnflushed bounds the index records kept while the disk refuses them.
const maxUnflushed = 4096

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
