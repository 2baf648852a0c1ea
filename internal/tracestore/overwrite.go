// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"os"
	"path"
	"strings"
)

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
