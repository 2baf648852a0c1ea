// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// After a rotation the producer sends all metadata again, some time after the
// first packets of the new chunk. A relay killed in between would leave packets
// that nobody can read, and a file that makes readers refuse the whole tree.
// So the new file begins with a copy of the old one, its seed; what arrives is
// compared with it and, where it differs, replaces it.

// lendMetadata copies the trace's metadata of the chunk before into the chunk that
// a stream of packets has come to, until the metadata stream comes there too and
// makes a file of its own: that is a command later (writer). The copy appears
// whole, where the file system can do that, and is its own file: who goes on in
// it after a kill does not change the chunk before.
func (st *Stream) lendMetadata() {
	if st.metadata || st.chunk == nil {
		return
	}
	for _, m := range st.trace.Streams() {
		f := m.file
		if !m.metadata || f == nil || f.size == 0 || f.chunk == st.chunk || st.chunk.exists(f.name) {
			continue
		}
		if err := st.chunk.adopt(f); err != nil {
			st.session.store.log.Warn("metadata not lent to the next chunk", "file", f.path(), "err", err)
		}
	}
}

// adopt makes a copy of another chunk's file, all of it or nothing.
func (c *chunk) adopt(f *TraceFile) error {
	dir, err := c.openDir(path.Dir(f.name))
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := f.data.Acquire()
	if err != nil {
		return err
	}
	defer f.data.Release()
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o660)
	if err != nil {
		return fmt.Errorf("file without a name: %w", err)
	}
	defer unix.Close(fd)
	for at := int64(0); at < f.size; {
		n, err := unix.Sendfile(fd, from, &at, int(f.size-at))
		if err != nil && err != unix.EINTR {
			return err
		}
		if n == 0 && err == nil {
			return fmt.Errorf("offset %d of %d: %w", at, f.size, io.ErrUnexpectedEOF)
		}
	}
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), int(dir.Fd()), path.Base(f.name), unix.AT_SYMLINK_FOLLOW)
}

// openDir opens a directory of the chunk, if that is there: it may have been
// cleared, or not made for want of space.
func (c *chunk) openDir(name string) (*os.File, error) {
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	if c.root == nil {
		return nil, os.ErrNotExist
	}
	return c.root.OpenFile(name, unix.O_DIRECTORY, 0)
}

// seed copies old metadata into the new file (writer). Without it the file
// fills as the metadata arrives.
func (st *Stream) seed(old *TraceFile) {
	f := st.file
	if old.size == 0 {
		return
	}
	if err := copyData(f.data, 0, old.data, 0, old.size); err != nil {
		st.session.store.log.Warn("metadata not carried over to the next chunk", "file", f.path(), "err", err)
		st.cutSeed(0)
		return
	}
	st.seeded = old.size
	st.wroteMetadata(old.size)
}

// matchSeed compares a part of the metadata with the seed. It reports whether
// the part is stored with that; if not, the seed was cut and the part is to be
// appended.
func (st *Stream) matchSeed(m *lttng.Metadata) (done bool, err error) {
	n := int64(len(m.Content)) + int64(m.Padding)
	if more := st.seeded - st.matched; more < int64(len(m.Content)) {
		// What is new of the text is behind the seed.
		again := lttng.Metadata{Content: m.Content[:more]}
		if st.sameAsSeed(&again, more) {
			m.Content = m.Content[more:]
			st.seeded, st.matched = 0, 0
			return false, nil
		}
	}
	if st.matched+n <= st.seeded && st.sameAsSeed(m, n) {
		st.matched += n
		if st.matched == st.seeded {
			st.seeded = 0 // all of it was sent again
		}
		return true, nil
	}
	return false, st.cutSeed(st.matched)
}

// sameAsSeed reports whether the seed goes on with a part of n bytes.
func (st *Stream) sameAsSeed(m *lttng.Metadata, n int64) bool {
	fd, err := st.file.data.Acquire()
	if err != nil {
		return false
	}
	defer st.file.data.Release()
	have := make([]byte, n)
	for at := 0; at < len(have); {
		k, err := unix.Pread(fd, have[at:], st.matched+int64(at))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return false
		}
		at += k
	}
	content, padding := have[:len(m.Content)], have[len(m.Content):]
	return bytes.Equal(content, m.Content) && len(bytes.TrimLeft(padding, "\x00")) == 0
}

// cutSeed ends the comparison: the file keeps its first bytes.
func (st *Stream) cutSeed(size int64) error {
	st.seeded, st.matched = 0, 0
	if err := st.file.truncate(size); err != nil {
		return err
	}
	st.wroteMetadata(size)
	return nil
}

// settleSeed cuts what was not sent again, before the file is left. When
// nothing was, the producer is gone and the seed is the best there is; so it is
// after a resumption, where packets need what was not sent again.
func (st *Stream) settleSeed() {
	if st.file == nil || st.seeded == 0 || st.matched == 0 || st.resumed {
		return
	}
	if err := st.cutSeed(st.matched); err != nil {
		st.session.store.log.Error("metadata not cut", "file", st.file.path(), "err", err)
	}
}
