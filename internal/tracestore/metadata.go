// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"

	"github.com/weir-io/weir/lttng"
)

const (
	// maxUnwritten bounds the metadata kept in memory while the disk is full.
	maxUnwritten = 16 << 20
	// maxPadding bounds what a few bytes from the wire make the relay write.
	// Metadata sub-buffers are of 4 KiB.
	maxPadding = 64 << 10
)

// AppendMetadata appends content and padding to the metadata (writer). While
// the disk is full it is kept, and written with the next part or by Retry.
// LTTng relay protocol, SEND_METADATA.
func (st *Stream) AppendMetadata(m lttng.Metadata) error {
	if !st.metadata {
		return fmt.Errorf("%w: metadata for data stream %d", ErrWrongKind, st.id)
	}
	if st.chunk == nil {
		return fmt.Errorf("%w: metadata stream %d", ErrNoChunk, st.id)
	}
	if m.Padding > maxPadding {
		return fmt.Errorf("%w: metadata padding of %d bytes, want at most %d", ErrLimit, m.Padding, maxPadding)
	}
	if st.seeded > 0 {
		done, err := st.matchSeed(&m)
		if done || err != nil {
			return err
		}
	}
	if len(st.unwritten) > 0 || m.Padding > 0 {
		// Content and padding go out in one write: metadata is read in
		// whole packets.
		st.unwritten = append(st.unwritten, m.Content...)
		st.unwritten = append(st.unwritten, make([]byte, m.Padding)...)
		return st.writeMetadata(st.unwritten)
	}
	return st.writeMetadata(m.Content)
}

// Retry writes what found no room before (writer).
func (st *Stream) Retry() {
	// What fails again stays for the next attempt.
	_ = st.openFile()
	if len(st.unwritten) > 0 {
		_ = st.writeMetadata(st.unwritten)
	}
	st.writeLate(false)
	st.flushIndex(false)
}

// writeMetadata writes b, which is either st.unwritten or a new part while
// that is empty.
func (st *Stream) writeMetadata(b []byte) error {
	if err := st.openFile(); err != nil {
		return st.keepMetadata(b, err)
	}
	f := st.file
	if err := writeAt(f.data, b, f.size); err != nil {
		if terr := f.truncate(f.size); terr != nil {
			return fmt.Errorf("cut partial metadata of %s at %d: %w", f.path(), f.size, terr)
		}
		return st.keepMetadata(b, err)
	}
	st.wroteMetadata(f.size + int64(len(b)))
	st.unwritten = nil
	st.session.store.counters.MetadataBytes.Add(uint64(len(b)))
	return nil
}

// wroteMetadata takes note of the metadata file's new size.
func (st *Stream) wroteMetadata(size int64) {
	st.file.size = size
	st.tail.Commit(size)
	st.mu.Lock()
	if size < st.metaSize {
		st.metaEpoch++ // a seed was cut: something else will follow
	}
	st.metaSize = size
	st.mu.Unlock()
	st.session.version.Add(1)
	st.tellMetadata()
}

// keepMetadata keeps b when the disk is full.
func (st *Stream) keepMetadata(b []byte, err error) error {
	if !isPassing(err) {
		return fmt.Errorf("write metadata of %v: %w", st, err)
	}
	if len(b) > maxUnwritten {
		return fmt.Errorf("%w: %d bytes of metadata wait for disk space", ErrLimit, len(b))
	}
	if len(st.unwritten) == 0 {
		st.unwritten = append(st.unwritten, b...)
	}
	if st.session.store.counters.DataErrors.Add(1) == 1 {
		st.session.store.log.Error("metadata not written, kept for later", "stream", st.id, "err", err)
	}
	return nil
}

// ResetMetadata discards the metadata; all of it is sent again (writer). LTTng
// relay protocol, RESET_METADATA.
func (st *Stream) ResetMetadata() error {
	switch {
	case !st.metadata:
		return fmt.Errorf("%w: stream %d is not metadata", ErrWrongKind, st.id)
	case st.session.Live():
		return fmt.Errorf("%w: metadata reset of stream %d", ErrLiveSession, st.id)
	case st.chunk == nil:
		return fmt.Errorf("%w: metadata stream %d", ErrNoChunk, st.id)
	}
	return st.replaceMetadata(st.chunk)
}

// replaceMetadata begins a new metadata file in c, of which the stream is a
// user. The old file is unlinked first when it would be the same one.
func (st *Stream) replaceMetadata(c *chunk) error {
	old := st.file
	if old != nil && old.chunk == c {
		if err := old.data.Pin(); err != nil {
			return err
		}
		if err := c.remove(old.name); err != nil {
			return fmt.Errorf("old metadata: %w", err)
		}
	}
	f, err := st.createFile(c, 0)
	if err != nil && !isPassing(err) {
		return err
	}
	st.unwritten = nil // of a reset
	st.seeded, st.matched, st.resumed = 0, 0, false
	st.setFile(f)
	if f == nil { // for want of space; openFile makes it
		st.tail.Idle()
	} else {
		st.readableMetadata(f)
	}
	if f != nil && old != nil && old.chunk != c {
		st.seed(old)
	}
	if old != nil {
		st.retire(old)
	}
	return nil
}

// lateText is metadata that found no room in a file that was left since.
type lateText struct {
	file *TraceFile
	text []byte
}

// leaveMetadata lets go of the present file's metadata that found no room: it
// waits apart, so that the chunk before a rotation can be read once there is
// space.
func (st *Stream) leaveMetadata() {
	text := st.unwritten
	st.unwritten = nil
	if len(text) == 0 {
		return
	}
	if err := st.openFile(); err != nil {
		st.session.store.log.Error("metadata lost: packets cannot be read", "stream", st.id, "bytes", len(text), "err", err)
		return
	}
	f := st.file
	f.get()
	st.late = append(st.late, lateText{f, text})
	st.writeLate(false)
}

// writeLate writes what found no room in files that were left; with last it is
// given up where that fails.
func (st *Stream) writeLate(last bool) {
	kept, bytes := st.late[:0], 0
	for _, l := range st.late {
		err := l.write()
		if bytes += len(l.text); isPassing(err) && !last && bytes <= maxUnwritten {
			kept = append(kept, l)
			continue
		}
		if err != nil {
			st.session.store.log.Error("metadata lost: packets cannot be read", "file", l.file.path(), "bytes", len(l.text), "err", err)
		}
		l.file.put()
	}
	clear(st.late[len(kept):])
	st.late = kept
}

// write appends the text to its file, or nothing.
func (l *lateText) write() error {
	f, st := l.file, l.file.stream
	if f.discarded() {
		return nil
	}
	if err := writeAt(f.data, l.text, f.size); err != nil {
		if e := f.truncate(f.size); e != nil {
			st.session.store.log.Error("partial metadata not cut", "file", f.path(), "err", e)
		}
		return err
	}
	f.size += int64(len(l.text))
	st.session.store.counters.MetadataBytes.Add(uint64(len(l.text)))
	if f == st.file {
		st.wroteMetadata(f.size)
	} else if st.session.store.opts.SyncOnClose {
		f.get()
		st.session.store.backlog.force(st.session.group, f)
	}
	return nil
}

// readableMetadata makes f the file that viewers read, in place of the one
// before.
func (st *Stream) readableMetadata(f *TraceFile) {
	f.get()
	st.mu.Lock()
	old := st.meta
	st.meta, st.metaSize = f, 0
	st.metaEpoch++
	st.mu.Unlock()
	if old != nil {
		old.put()
	}
}

// rotateMetadata turns at once: metadata packets have no numbers, and all of
// it is sent again for the new chunk.
func (st *Stream) rotateMetadata(next *chunk) error {
	st.settleSeed()
	st.leaveMetadata()
	old := st.chunk
	if next == nil {
		st.leave()
		return nil
	}
	next.note(firstDir(st.dir))
	if err := st.replaceMetadata(next); err != nil {
		next.put()
		st.leave()
		return err
	}
	st.chunk = next
	st.session.mark(next)
	if old != nil {
		old.put()
	}
	return nil
}
