// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"os"
	"path"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/fdpool"
)

// TraceFile is a data file and, once a packet in it is complete, its index
// file. With tracefile rotation a stream has several.
type TraceFile struct {
	// Immutable after createFile.
	stream *Stream
	chunk  *chunk
	number uint64 // of the tracefile rotation
	name   string // within the chunk
	data   *fdpool.File

	// refs keeps the descriptors: the writer, the stream's list, pending
	// packets, cursors.
	refs atomic.Int32

	// Owned by the writer.
	size      int64  // end of the last packet
	records   []byte // index records to be written
	indexEnd  int64  // length of the index file
	recording int64  // end of the last packet with a record
	recorded  int64  // the same, of those whose records are written
	owed      int    // packets in it that wait for their index
	retired   bool   // the writer's reference is gone
	unflushed bool   // records are to be written: the stream has it listed

	// Guarded by Stream.mu.
	index   *fdpool.File // nil before the first complete packet
	packets uint64       // in the index file

	gone atomic.Bool // deleted or overwritten: viewers go on elsewhere
}

// createFile makes the data file of number n in the stream's chunk.
func (st *Stream) createFile(c *chunk, n uint64) (*TraceFile, error) {
	name := path.Join(st.dir, st.fileName(n))
	if err := c.make(); err != nil {
		return nil, fmt.Errorf("stream %d: %w", st.id, err)
	}
	osf, err := c.createFile(name, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("stream %d: create data file: %w", st.id, err)
	}
	f := &TraceFile{stream: st, chunk: c, number: n, name: name}
	f.refs.Store(1)
	c.refs.Add(1)
	f.data = st.session.store.opts.Files.File(osf, func() (*os.File, error) {
		return c.openFile(name, os.O_RDWR)
	})
	st.follow(c, f.data, name, 0)
	return f, nil
}

// follow tells the tail table which file the stream writes now, and how much of
// it is whole packets.
func (st *Stream) follow(c *chunk, data *fdpool.File, name string, committed int64) {
	if st.tail == nil {
		return
	}
	fd, err := data.Acquire()
	if err != nil {
		return
	}
	defer data.Release()
	var info unix.Stat_t
	if unix.Fstat(fd, &info) == nil {
		st.tail.Follow(c.tails, name, info.Dev, info.Ino, committed)
	}
}

// sentAgain reports whether the producer sends a packet again of which the index has not
// come, when it comes back: as far as is known here, nothing is lost with it.
func (st *Stream) sentAgain() bool {
	return st.session.resumable && !st.session.request.Snapshot && st.indexed && !st.metadata
}

// commit has the stream's file kept to the end of its last packet when the relay is
// killed; to that of the last one with a record where the others are sent again. Who
// reads what is left then finds an index that fits, by which packets can be told that
// the producer has kept, too.
func (st *Stream) commit(f *TraceFile) {
	if st.sentAgain() {
		st.tail.Commit(f.recorded)
		return
	}
	st.tail.Commit(f.size)
}

// cutUnrecorded is the same for the end of the producer's connection (writer).
func (st *Stream) cutUnrecorded() {
	f := st.file
	if f == nil || !st.sentAgain() || f.size <= f.recorded || f.discarded() {
		return
	}
	if err := f.truncate(f.recorded); err != nil {
		st.session.store.log.Error("packets without an index not cut", "file", f.path(), "offset", f.recorded, "err", err)
		return
	}
	f.size = f.recorded
}

func (st *Stream) fileName(n uint64) string {
	if !st.ring() {
		return st.channel
	}
	return fmt.Sprintf("%s_%d", st.channel, n)
}

func (f *TraceFile) indexName() string { return indexNameOf(f.name) }

func (f *TraceFile) get() { f.refs.Add(1) }

// owe notes a packet that waits for its index; Stream.forget is the end of it.
// One that was dropped for want of a file has none.
func (f *TraceFile) owe() {
	if f == nil {
		return
	}
	f.owed++
	f.get()
}

// discarded reports whether the file was overwritten or its chunk cleared.
func (f *TraceFile) discarded() bool { return f.gone.Load() || f.chunk.cleared.Load() }

// put lets go of the file; the last one closes it.
func (f *TraceFile) put() {
	if f.refs.Add(-1) > 0 {
		return
	}
	err := f.data.Close()
	if f.index != nil {
		if e := f.index.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		f.stream.session.store.log.Error("trace file not closed", "file", f.path(), "err", err)
	}
	f.chunk.unref()
}

// path returns the file's place below the output directory, for messages.
func (f *TraceFile) path() string {
	return path.Join(f.chunk.group.dir, f.chunk.place(), f.name)
}

// writeAt writes all of b.
func writeAt(file *fdpool.File, b []byte, off int64) error {
	fd, err := file.Acquire()
	if err != nil {
		return err
	}
	defer file.Release()
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// truncate cuts or extends the data file. Padding is made this way: it reads
// as zeros, which is what the original writes.
func (f *TraceFile) truncate(size int64) error {
	fd, err := f.data.Acquire()
	if err != nil {
		return err
	}
	defer f.data.Release()
	for {
		if err := unix.Ftruncate(fd, size); err != unix.EINTR {
			return err
		}
	}
}

// openIndex makes the index file, which appears with the first complete
// packet. An older file of that name is unlinked: readers may hold it.
func (f *TraceFile) openIndex() error {
	name, c, st := f.indexName(), f.chunk, f.stream
	if err := c.remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	osf, err := c.createFile(name, os.O_RDWR)
	if err != nil {
		return err
	}
	file := st.session.store.opts.Files.File(osf, func() (*os.File, error) {
		return c.openFile(name, os.O_RDWR)
	})
	header := ctf.AppendIndexHeader(nil, uint32(st.indexMinor()))
	if err := writeAt(file, header, 0); err != nil {
		_ = file.Close() // the write's error counts
		return err
	}
	st.mu.Lock()
	f.index = file
	st.mu.Unlock()
	f.indexEnd = int64(len(header))
	return nil
}

// flushRecords writes the collected index records and makes their packets
// visible. What cannot be written stays for the next attempt.
func (f *TraceFile) flushRecords() error {
	if f.gone.Load() {
		f.records = f.records[:0]
	}
	if len(f.records) == 0 {
		return nil
	}
	if f.index == nil {
		if err := f.openIndex(); err != nil {
			return fmt.Errorf("create index of %s: %w", f.path(), err)
		}
	}
	if err := writeAt(f.index, f.records, f.indexEnd); err != nil {
		return fmt.Errorf("write index of %s at %d: %w", f.path(), f.indexEnd, err)
	}
	n := uint64(len(f.records)) / uint64(f.stream.recordLen)
	f.indexEnd += int64(len(f.records))
	f.records = f.records[:0]
	f.recorded = f.recording
	if f == f.stream.file {
		f.stream.commit(f)
	}
	f.stream.publish(f, n)
	return nil
}

// sync forces both files to disk. It may be called from anywhere.
func (f *TraceFile) sync() error {
	f.stream.mu.Lock()
	index := f.index
	f.stream.mu.Unlock()
	for _, file := range []*fdpool.File{f.data, index} {
		if file == nil {
			continue
		}
		fd, err := file.Acquire()
		if err != nil {
			return err
		}
		err = f.stream.session.store.opts.Force(fd)
		file.Release()
		if err != nil {
			return fmt.Errorf("force %s to disk: %w", f.path(), err)
		}
	}
	return nil
}
