// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
)

// Sent returns how many bytes of the metadata were read or taken.
func (m *MetadataCursor) Sent() int64 { return m.sent }

// ReadAt reads metadata from off on without going past it and returns the
// number of bytes, fewer than len(b) where the metadata ends.
func (m *MetadataCursor) ReadAt(b []byte, off int64) (int, error) {
	f, size := m.stream.metadataFile()
	if f == nil {
		return 0, nil
	}
	defer f.put()
	return f.readMetadata(b, off, size)
}

// readMetadata fills b from off on, up to size.
func (f *TraceFile) readMetadata(b []byte, off, size int64) (int, error) {
	b = b[:max(0, min(int64(len(b)), size-off))]
	fd, err := f.data.Acquire()
	if err != nil {
		return 0, fmt.Errorf("metadata %s: %w", f.path(), err)
	}
	defer f.data.Release()
	n := 0
	for n < len(b) {
		k, err := unix.Pread(fd, b[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return n, fmt.Errorf("metadata %s at %d: got %d bytes, want %d: %w", f.path(), off, n, len(b), err)
		}
		n += k
	}
	return n, nil
}

// Take goes past n unread bytes and returns the file they lie in and where
// they begin. The file is nil when they are not there: a clear discarded the
// metadata and its repetition has not come so far. The file stays open until
// the next Take or Close.
func (m *MetadataCursor) Take(n int64) (*fdpool.File, int64) {
	f, size := m.stream.metadataFile()
	if f == nil {
		return nil, 0
	}
	if size-m.sent < n {
		f.put()
		return nil, 0
	}
	m.Close()
	m.file = f
	off := m.sent
	m.sent += n
	return f.data, off
}

// Data returns the present file of the metadata and its length, nil when
// there is none. It stays open until the next Take, Data or Close.
func (m *MetadataCursor) Data() (*fdpool.File, int64) {
	f, size := m.stream.metadataFile()
	m.Close()
	if f == nil {
		return nil, 0
	}
	m.file = f
	return f.data, size
}

// Close lets go of the file. The cursor keeps its place.
func (m *MetadataCursor) Close() {
	if m.file != nil {
		m.file.put()
		m.file = nil
	}
}

// metadataFile returns the file that viewers read, with one more user, and its
// readable length.
func (st *Stream) metadataFile() (*TraceFile, int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.meta == nil {
		return nil, 0
	}
	st.meta.get()
	return st.meta, st.metaSize
}
