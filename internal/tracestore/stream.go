// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/lttng"
)

// noBeacon is the time stamp that means "no beacon"; it is never a real one.
const noBeacon = ^uint64(0)

// Stream is one ring buffer's packets, or the metadata of a trace.
type Stream struct {
	// Immutable once registered.
	session        *Session
	trace          *Trace
	id             lttng.StreamID
	channel        string
	dir            string // within the chunk
	place          string // name of the snapshot's chunk, or empty
	metadata       bool
	indexed        bool // packets are described by SEND_INDEX
	recordLen      int  // bytes of an index record
	tracefileSize  uint64
	tracefileCount uint64
	tail           *tail.Slot

	// Owned by the writer.
	chunk     *chunk       // nil between a rotation to no chunk and the next
	file      *TraceFile   // nil with chunk, and while there is no disk space to make it
	in        *packet      // being received
	inBuffer  packet       // what in points to
	pending   halves       // packets that lack data or index
	turning   *turn        // rotation asked for but not carried out
	prevData  uint64       // net_seq_num of the last complete data, NoSeq before
	prevIndex uint64       // of the last complete packet
	nextSeq   uint64       // packet_seq_num + 1 of the last complete packet
	floor     uint64       // packets of lower numbers were stored by an earlier session
	resumed   bool         // the metadata file is an earlier session's
	checked   bool         // asked about in this pending round
	closing   bool         // CLOSE_STREAM received, or the connection is gone
	last      uint64       // net_seq_num to wait for while closing
	nameless  bool         // a new stream has the names of its files: it goes to no other chunk
	replaced  bool         // and the files themselves: nothing more is stored
	unflushed []*TraceFile // have index records to write
	queued    bool         // the session knows that
	unwritten []byte       // metadata that found no room
	late      []lateText   // the same, of chunks that were left since
	seeded    int64        // bytes that the metadata file took from the one before; 0 = none, or sent again
	matched   int64        // of them, sent again so far

	serial uint64 // guarded by Session.mu; order of publication

	stats StreamStats

	mu        sync.Mutex
	current   *TraceFile   // guarded by mu; same as file, for Sync
	synced    uint64       // guarded by mu; stored bytes at the last Sync
	files     []*TraceFile // guarded by mu; live sessions: all that can be read; else the current one
	meta      *TraceFile   // guarded by mu; the metadata stream's current file
	metaSize  int64        // guarded by mu; readable bytes of meta
	metaEpoch uint64       // guarded by mu; changes when bytes of meta were replaced
	newest    packetState  // guarded by mu; from the last index
	beacon    uint64       // guarded by mu; idle until then, or noBeacon
	class     uint64       // guarded by mu; CTF stream class, from the last index
	closed    bool         // guarded by mu
	ended     time.Time    // guarded by mu; when closed
}

// StreamStats are the figures of one stream. They only grow.
type StreamStats struct {
	Packets, Bytes  atomic.Uint64 // stored, padding included
	DroppedPackets  atomic.Uint64 // received and not stored
	EventsDiscarded atomic.Uint64 // by the tracer, as the last index says
	LastTimestamp   atomic.Uint64 // end of the newest packet, trace clock
	LastArrival     atomic.Int64  // ns since the epoch
}

func newStream(ss *Session, id lttng.StreamID, m lttng.AddStream, dir string) *Stream {
	st := &Stream{
		session: ss, id: id, channel: m.Channel, dir: dir, place: ss.current.name,
		metadata:      isMetadata(m.Channel),
		tracefileSize: m.TracefileSize, tracefileCount: m.TracefileCount,
		prevData: lttng.NoSeq, prevIndex: lttng.NoSeq, beacon: noBeacon,
	}
	st.indexed = ss.hasIndex() && !st.metadata
	st.recordLen = int(ctf.IndexRecordLenOf(uint32(st.indexMinor())))
	st.tail = ss.store.newTail()
	return st
}

// isMetadata reports whether a channel's name is that of metadata streams.
func isMetadata(channel string) bool { return channel == "metadata" }

func (s *Store) newTail() *tail.Slot {
	slot, err := s.opts.Tails.Slot()
	if err != nil {
		s.log.Warn("stream not protected against a crash", "err", err)
		return nil
	}
	return slot
}

// ID returns the handle that the producer and the viewers use.
func (st *Stream) ID() lttng.StreamID { return st.id }

// Trace returns the container.
func (st *Stream) Trace() *Trace { return st.trace }

// Session returns the session of the stream.
func (st *Stream) Session() *Session { return st.session }

// Channel returns the channel's name with the CPU's number, or "metadata".
func (st *Stream) Channel() string { return st.channel }

// IsMetadata reports whether this is the metadata of its trace.
func (st *Stream) IsMetadata() bool { return st.metadata }

// Serial orders the streams of a session by publication, from 1.
func (st *Stream) Serial() uint64 { return st.serial }

// Stats returns the stream's figures.
func (st *Stream) Stats() *StreamStats { return &st.stats }

// Closed reports whether no packet will be added.
func (st *Stream) Closed() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.closed
}

// ring reports whether the stream has several trace files.
func (st *Stream) ring() bool { return st.tracefileSize > 0 && !st.metadata }

func (st *Stream) indexMinor() int {
	if st.session.minor < lttng.MinorIndexInstance {
		return 0
	}
	return 1
}

// enter begins to write in a chunk. While there is no disk space for a file
// the stream is in the chunk without one.
func (st *Stream) enter(c *chunk) error {
	c.note(firstDir(st.dir))
	st.chunk = c
	if err := st.openFile(); err != nil && !isPassing(err) {
		st.chunk = nil
		return err
	}
	c.get()
	st.session.mark(c)
	return nil
}

// openFile makes the stream's first file in its chunk, if that has not been
// possible before.
func (st *Stream) openFile() error {
	if st.file != nil || st.chunk == nil {
		return nil
	}
	f, err := st.createFile(st.chunk, 0)
	if err != nil {
		if s := st.session.store; s.counters.DataErrors.Add(1) == 1 {
			s.log.Error("trace file not made", "stream", st.id, "err", err)
		}
		return err
	}
	st.setFile(f)
	if st.metadata {
		st.readableMetadata(f)
	} else {
		st.list(f)
	}
	return nil
}

// setFile makes f the file being written; nil for none.
func (st *Stream) setFile(f *TraceFile) {
	st.file = f
	st.mu.Lock()
	st.current = f
	st.mu.Unlock()
}

// list makes a file the newest one that viewers find.
func (st *Stream) list(f *TraceFile) {
	if !st.session.Live() {
		return
	}
	f.get()
	st.mu.Lock()
	st.files = append(st.files, f)
	st.mu.Unlock()
}

// publish makes n more packets of f visible.
func (st *Stream) publish(f *TraceFile, n uint64) {
	st.mu.Lock()
	f.packets += n
	st.mu.Unlock()
}

// dropFiles takes files away from viewers.
func (st *Stream) dropFiles(which func(*TraceFile) bool) {
	var dropped []*TraceFile
	st.mu.Lock()
	st.files = slices.DeleteFunc(st.files, func(f *TraceFile) bool {
		if !which(f) {
			return false
		}
		f.gone.Store(true)
		dropped = append(dropped, f)
		return true
	})
	st.mu.Unlock()
	for _, f := range dropped {
		f.put()
	}
}

// flushIndex writes the records of completed packets. What finds no room on the
// disk stays for the next attempt; with last there is none.
func (st *Stream) flushIndex(last bool) {
	st.queued = false
	kept := st.unflushed[:0]
	for _, f := range st.unflushed {
		err := f.flushRecords()
		if err != nil && st.session.store.counters.IndexErrors.Add(1) == 1 {
			st.session.store.log.Error("index records not written", "stream", st.id, "err", err)
		}
		if isPassing(err) && !last {
			kept = append(kept, f)
			continue
		}
		if err != nil {
			st.lose(uint64(len(f.records) / st.recordLen))
			f.records = nil
		}
		f.unflushed = false
		st.retire(f)
	}
	clear(st.unflushed[len(kept):])
	st.unflushed = kept
}

// lose counts packets that were received and are not stored, or cannot be
// found for want of their index.
func (st *Stream) lose(n uint64) {
	st.stats.DroppedPackets.Add(n)
	st.session.store.counters.DroppedPackets.Add(n)
}

// retire ends the writer's hold on a file it has left, once nothing is owed
// to it.
func (st *Stream) retire(f *TraceFile) {
	if f.retired || f == st.file || f.unflushed || f.owed > 0 ||
		(st.in != nil && st.in.file == f) {
		return
	}
	f.retired = true
	if s := st.session.store; s.opts.SyncOnClose && !f.discarded() {
		s.backlog.force(st.session.group, f)
		return
	}
	f.put()
}

// Pending answers DATA_PENDING (writer): whether anything up to last is
// missing. Data and index both count.
func (st *Stream) Pending(last uint64) bool {
	st.checked = true
	have := st.prevData
	if st.indexed && int64(st.prevIndex-have) < 0 {
		have = st.prevIndex
	}
	return int64(have-last) < 0
}

// RequestClose ends the stream as soon as everything up to last has arrived
// (writer); NoSeq stands for "nothing more". LTTng relay protocol,
// CLOSE_STREAM.
func (st *Stream) RequestClose(last uint64) {
	if st.metadata {
		last = lttng.NoSeq // it came on this connection, and has no numbers
	}
	st.leaves(last)
	if last == lttng.NoSeq {
		st.dropUnindexed()
	}
	st.tryClose(false)
}

// leaves notes that the stream ends after packet last.
func (st *Stream) leaves(last uint64) {
	if !st.closing {
		st.session.leaving++
	}
	st.closing, st.last = true, last
}

// dropUnindexed forgets data whose index will not come and waits for the data
// of the indexes that are there.
func (st *Stream) dropUnindexed() {
	st.pending.removeFunc(func(h *half) bool {
		if h.index {
			if st.last == lttng.NoSeq || int64(h.seq-st.last) > 0 {
				st.last = h.seq
			}
			return false
		}
		st.forget(h)
		return true
	})
}

// tryClose closes the stream unless it waits for data. It reports whether the
// stream is closed.
func (st *Stream) tryClose(abort bool) bool {
	if !abort && (st.in != nil || st.last != lttng.NoSeq && int64(st.prevData-st.last) < 0) {
		return false
	}
	st.flushIndex(true)
	st.leaveMetadata()
	st.writeLate(true)
	st.settleSeed()
	st.Abandon()
	st.cutUnrecorded()
	st.pending.removeFunc(func(h *half) bool { st.forget(h); return true })
	if t := st.turning; t != nil {
		st.turning = nil
		if t.next != nil {
			t.next.put()
		}
	}
	st.leave()
	st.tail.Release()
	st.tail = nil
	st.mu.Lock()
	st.closed, st.ended = true, st.session.store.opts.Now()
	st.mu.Unlock()
	st.session.streamClosed(st)
	st.tellMetadata()
	// Nobody reads a session that is not live, or a stream never published.
	if !st.session.Live() || st.serial == 0 {
		st.expire()
	}
	return true
}

// leave ends the use of the current file and chunk.
func (st *Stream) leave() {
	if f := st.file; f != nil {
		st.setFile(nil)
		st.tail.Idle()
		st.retire(f)
	}
	if c := st.chunk; c != nil {
		st.chunk = nil
		c.put()
	}
}

// endedBefore reports whether the stream is closed since before t.
func (st *Stream) endedBefore(t time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.closed && st.ended.Before(t)
}

// expire frees what a closed stream keeps for viewers and takes it off its
// session. Cursors on it find its end.
func (st *Stream) expire() {
	st.session.forget(st)
	st.dropFiles(func(*TraceFile) bool { return true })
	st.mu.Lock()
	meta := st.meta
	st.meta = nil
	st.mu.Unlock()
	if meta != nil {
		meta.put()
	}
}

func (st *Stream) String() string {
	return fmt.Sprintf("stream %d (%s/%s)", st.id, st.dir, st.channel)
}
