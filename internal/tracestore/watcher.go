// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

// Watcher is told of what is stored by those who store it. Its methods are
// called on the event loops of the writers, without a lock held: they must
// neither wait nor call the writer's methods.
type Watcher interface {
	// MetadataStored tells that a metadata stream has more, or other, bytes, or
	// has been closed.
	MetadataStored(st *Stream)
	// SessionEnded tells that a session's producer is gone.
	SessionEnded(ss *Session)
}

// tellMetadata calls the watcher of a metadata stream.
func (st *Stream) tellMetadata() {
	if w := st.session.store.opts.Watcher; w != nil && st.metadata {
		w.MetadataStored(st)
	}
}

// StoredMetadata is a metadata stream's file as it was at one moment. It can be
// read until it is closed, whatever becomes of the stream.
type StoredMetadata struct {
	file  *TraceFile
	size  int64
	epoch uint64
}

// StoredMetadata returns what is stored; ok is false when there is no file. It
// must be closed.
func (st *Stream) StoredMetadata() (m StoredMetadata, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.meta == nil {
		return StoredMetadata{}, false
	}
	st.meta.get()
	return StoredMetadata{st.meta, st.metaSize, st.metaEpoch}, true
}

// Size returns the number of bytes.
func (m *StoredMetadata) Size() int64 { return m.size }

// Continues reports whether m begins with the bytes of an earlier state of the
// same stream. It does not after a clear, a rotation or a reset.
func (m *StoredMetadata) Continues(earlier *StoredMetadata) bool {
	return m.epoch == earlier.epoch && m.size >= earlier.size
}

// ReadAt reads from off on without going past the end and returns the number
// of bytes, fewer than len(b) at the end.
func (m *StoredMetadata) ReadAt(b []byte, off int64) (int, error) {
	return m.file.readMetadata(b, off, m.size)
}

// Close lets go of the file. It may be called again.
func (m *StoredMetadata) Close() {
	if m.file != nil {
		m.file.put()
		m.file = nil
	}
}
