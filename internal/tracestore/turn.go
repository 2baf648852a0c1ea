// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
)

// turn is a rotation that waits for its position in a stream.
type turn struct {
	at   uint64 // packet_seq_num of the first packet of the next chunk; numbers may be skipped
	next *chunk // nil: the stream gets no chunk
}

// rotate lets the stream go on in another chunk from packet number at on
// (writer). Each packet goes to the chunk that its own number says, so data
// that ran ahead of its index is moved when the index tells that it belongs to
// the next chunk.
func (st *Stream) rotate(at uint64, next *chunk) error {
	if st.turning != nil {
		return fmt.Errorf("%w: stream %d", ErrRotating, st.id)
	}
	if st.nameless {
		return nil // it ends where it is
	}
	if next != nil {
		next.get()
	}
	if st.metadata {
		return st.rotateMetadata(next)
	}
	st.turning = &turn{at: at, next: next}
	if st.nextSeq >= at || !st.indexed {
		return st.turn(st.prevIndex + 1)
	}
	return nil
}

// turn goes on in the next chunk; packets from net_seq_num first on go along.
func (st *Stream) turn(first uint64) error {
	t := st.turning
	st.turning = nil
	oldChunk, old := st.chunk, st.file
	st.flushIndex(false) // the chunk may end with this stream's leaving
	st.chunk = t.next
	st.setFile(nil)
	var err error
	if t.next != nil {
		err = st.enterOwned(t.next)
		st.lendMetadata()
	}
	if st.file == nil {
		st.tail.Idle()
	}
	st.moveAhead(first)
	if old != nil {
		st.retire(old)
	}
	if oldChunk != nil {
		oldChunk.put()
	}
	return err
}

// enterOwned is enter for a chunk that the stream is a user of already.
func (st *Stream) enterOwned(c *chunk) error {
	if err := st.enter(c); err != nil {
		st.chunk = nil
		c.put()
		return err
	}
	c.put() // enter took one more
	return nil
}

// moveAhead moves the data of packets from first on, received before their
// index, to the current file. Without one they are given up.
func (st *Stream) moveAhead(first uint64) {
	cut := make(map[*TraceFile]int64)
	st.pending.each(func(h *half) {
		if h.file == nil || h.file == st.file || int64(h.seq-first) < 0 {
			return
		}
		from := h.file
		if at, ok := cut[from]; !ok || h.offset < at {
			cut[from] = h.offset
		}
		st.relocate(h)
		from.owed--
		from.put()
	})
	st.moveIncoming(first, cut)
	for f, at := range cut {
		if err := f.truncate(at); err != nil {
			st.session.store.log.Error("moved packets not cut", "file", f.path(), "offset", at, "err", err)
		}
		f.size = at
		st.retire(f)
	}
}

// relocate copies the data of a half to the end of the current file.
func (st *Stream) relocate(h *half) {
	if st.file != nil && st.overflows(uint64(h.size)) {
		if err := st.nextFile(); err != nil {
			st.session.store.log.Error("next trace file not made", "stream", st.id, "err", err)
		}
	}
	f := st.file
	if f == nil {
		h.file, h.dropped = nil, true
		st.lose(1)
		return
	}
	if !h.dropped {
		if err := copyData(f.data, f.size, h.file.data, h.offset, h.size); err != nil {
			st.session.store.log.Error("packet not moved to the next chunk", "file", h.file.path(), "offset", h.offset, "err", err)
			h.dropped = true
		}
	}
	h.file, h.offset = f, f.size
	f.owe()
	if !h.dropped {
		f.size += h.size
		st.commit(f)
	}
}

// moveIncoming redirects the packet that is being received.
func (st *Stream) moveIncoming(first uint64, cut map[*TraceFile]int64) {
	p := st.in
	if p == nil || p.file == nil || p.file == st.file || int64(p.seq-first) < 0 {
		return
	}
	from, start := p.file, p.start
	if at, ok := cut[from]; !ok || start < at {
		cut[from] = start
	}
	if st.file == nil {
		p.dropped = true
		return
	}
	if st.overflows(uint64(p.data)) {
		if err := st.nextFile(); err != nil {
			st.session.store.log.Error("next trace file not made", "stream", st.id, "err", err)
		}
	}
	p.file, p.start = st.file, st.file.size
	if p.dropped {
		return
	}
	if err := copyData(p.file.data, p.start, from.data, start, p.written); err != nil {
		st.drop(err)
	}
}

const copyBuffer = 64 << 10

// copyData copies n bytes between files.
func copyData(dst *fdpool.File, to int64, src *fdpool.File, from, n int64) error {
	fd, err := src.Acquire()
	if err != nil {
		return err
	}
	defer src.Release()
	buf := make([]byte, min(n, copyBuffer))
	for n > 0 {
		k, err := unix.Pread(fd, buf[:min(n, copyBuffer)], from)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if k == 0 {
			return fmt.Errorf("offset %d: %w", from, os.ErrInvalid)
		}
		if err := writeAt(dst, buf[:k], to); err != nil {
			return err
		}
		from, to, n = from+int64(k), to+int64(k), n-int64(k)
	}
	return nil
}
