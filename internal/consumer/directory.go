// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

// fileMode is that of trace files: readable by the group.
const fileMode = 0o640

// directory is an output of files, as LTTng lays them out:
//
//	metadata
//	CHANNEL_CPU[_FILE]
//	index/CHANNEL_CPU[_FILE].idx
//
// A packet counts once its index entry is written: what a crash leaves behind
// that is cut off by who repairs the trace.
type directory struct {
	// Owned by the engine.
	dir     *os.File
	writers []*fileWriter

	onFailure func(error) // is told when writing begins to fail, and with nil when it does no more; nil: nobody

	mu      sync.Mutex
	meta    *os.File // guarded by mu, as all below
	text    []byte   // all metadata, for the next chunk
	written int      // of it, in the file: the rest found no room
	failing int      // writers whose last packet was not written
	failure string   // what is wrong with the disk
}

// newDirectory begins to write in a directory, which it takes over.
func newDirectory(dir *os.File) (*directory, error) {
	d := &directory{}
	if err := d.enter(dir); err != nil {
		dir.Close()
		return nil, err
	}
	return d, nil
}

// enter makes dir the current directory, with the metadata there is.
func (d *directory) enter(dir *os.File) error {
	if err := unix.Mkdirat(int(dir.Fd()), "index", 0o750); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("directory of indexes: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	meta, err := create(dir, "metadata")
	if err == nil {
		if _, err = meta.Write(d.text); err != nil {
			meta.Close()
			_ = unix.Unlinkat(int(dir.Fd()), "metadata", 0)
		}
	}
	if err != nil {
		_ = unix.Unlinkat(int(dir.Fd()), "index", unix.AT_REMOVEDIR) // as it was
		return err
	}
	if d.dir != nil {
		d.dir.Close()
		d.meta.Close()
	}
	d.dir, d.meta, d.written = dir, meta, len(d.text)
	return nil
}

// create makes a file that is not there yet.
func create(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d *directory) metadata(text []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, text...)
	if err := d.writeMetadataLocked(); !noRoom(err) {
		return err
	}
	return nil // no packet is written before it is
}

// writeMetadataLocked writes what the file has not got, all of it or nothing.
func (d *directory) writeMetadataLocked() error {
	if d.written == len(d.text) {
		return nil
	}
	if _, err := d.meta.WriteAt(d.text[d.written:], int64(d.written)); err != nil {
		return errors.Join(fmt.Errorf("metadata of %d bytes: %w", len(d.text), err), d.meta.Truncate(int64(d.written)))
	}
	d.written = len(d.text)
	return nil
}

func (d *directory) completeMetadata() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeMetadataLocked()
}

func (d *directory) writer(s *stream) (packetWriter, error) {
	w := &fileWriter{d: d, s: s}
	if err := w.open(); err != nil {
		return nil, err
	}
	d.writers = append(d.writers, w)
	return w, nil
}

// regenerate puts other text into the place of that there is: a reader finds one
// of the two.
func (d *directory) regenerate(text []byte) error {
	const temporary = ".metadata"
	_ = unix.Unlinkat(int(d.dir.Fd()), temporary, 0)
	meta, err := create(d.dir, temporary)
	if err != nil {
		return err
	}
	_, err = meta.Write(text)
	if err == nil {
		err = unix.Renameat(int(d.dir.Fd()), temporary, int(d.dir.Fd()), "metadata")
	}
	if err != nil {
		meta.Close()
		_ = unix.Unlinkat(int(d.dir.Fd()), temporary, 0)
		return fmt.Errorf("metadata of %d bytes: %w", len(text), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta.Close()
	d.meta, d.text, d.written = meta, append([]byte(nil), text...), len(text)
	return nil
}

func (d *directory) rotate(_ handover.Chunk, dir *os.File) (func() error, error) {
	if dir == nil {
		return nil, errors.New("rotation: no directory was given")
	}
	if err := d.enter(dir); err != nil {
		dir.Close()
		return nil, err
	}
	var first error
	for _, w := range d.writers {
		w.number = 0
		if err := w.open(); err != nil && first == nil && !noRoom(err) { // it is opened for the next packet
			first = err
		}
	}
	return done, first
}

// clear is a rotation whose old directory the daemon removes.
func (d *directory) clear(c handover.Chunk, dir *os.File) (func() error, error) {
	return d.rotate(c, dir)
}

func (d *directory) settle(context.Context) error { return nil }

func (d *directory) close(context.Context) (unsent, error) {
	var first error
	for _, w := range d.writers {
		if err := w.close(); err != nil && first == nil {
			first = err
		}
	}
	d.writers = nil
	for _, f := range []*os.File{d.meta, d.dir} {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return unsent{}, first
}

func (d *directory) status(to *handover.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	to.Output, to.LastError = handover.OutputDirectory, d.failure
}

func (d *directory) confirmed(*stream) uint64 { return 0 }

// failed takes note that a stream's packet was not written, or, with nil, that one
// is.
func (d *directory) failed(w *fileWriter, err error) {
	d.mu.Lock()
	before := d.failing
	if w.failing != (err != nil) {
		w.failing = err != nil
		if w.failing {
			d.failing++
		} else {
			d.failing--
		}
	}
	after := d.failing
	switch {
	case err != nil:
		d.failure = err.Error()
	case after == 0:
		d.failure = ""
	}
	d.mu.Unlock()
	if (before == 0) != (after == 0) && d.onFailure != nil {
		d.onFailure(err)
	}
}

// fileWriter writes the packets of one stream.
type fileWriter struct {
	d     *directory
	s     *stream
	whole bool // one file, whatever the limits of the channel

	number      uint64 // of the file, where files are limited
	data, index *os.File
	offset      int64  // end of the last complete packet
	entries     int64  // bytes of the index
	buf         []byte // index entry
	failing     bool   // the last packet was not written; guarded by d.mu
}

// open begins the next file.
func (w *fileWriter) open() error {
	if err := w.close(); err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%d", w.s.channel.Name, w.s.cpu)
	if w.limit() > 0 {
		name = fmt.Sprintf("%s_%d", name, w.number)
		if w.s.channel.TracefileCount > 0 { // its place may be taken
			_ = unix.Unlinkat(int(w.d.dir.Fd()), name, 0)
			_ = unix.Unlinkat(int(w.d.dir.Fd()), "index/"+name+".idx", 0)
		}
	}
	data, err := create(w.d.dir, name)
	if err != nil {
		return err
	}
	undo := func() { // the names are wanted again
		data.Close()
		_ = unix.Unlinkat(int(w.d.dir.Fd()), name, 0)
	}
	index, err := create(w.d.dir, "index/"+name+".idx")
	if err != nil {
		undo()
		return err
	}
	head := ctf.AppendIndexHeader(nil, 1)
	if _, err := index.Write(head); err != nil {
		undo()
		index.Close()
		_ = unix.Unlinkat(int(w.d.dir.Fd()), index.Name(), 0)
		return fmt.Errorf("%s: %w", index.Name(), err)
	}
	w.data, w.index, w.offset, w.entries = data, index, 0, int64(len(head))
	return nil
}

// limit is how many bytes a file may have; 0: any.
func (w *fileWriter) limit() int64 {
	if w.whole {
		return 0
	}
	return int64(w.s.channel.TracefileBytes)
}

func (w *fileWriter) write(packet []byte, info ctf.PacketInfo) error {
	err := w.store(packet, info)
	w.d.failed(w, err)
	return err
}

func (w *fileWriter) store(packet []byte, info ctf.PacketInfo) error {
	if err := w.d.completeMetadata(); err != nil {
		return err
	}
	limit := w.limit()
	if w.data == nil || limit > 0 && w.offset > 0 && w.offset+int64(len(packet)) > limit {
		if w.data != nil {
			w.number++
			if n := w.s.channel.TracefileCount; n > 0 {
				w.number %= n
			}
		}
		if err := w.open(); err != nil {
			return err
		}
	}
	if _, err := w.data.WriteAt(packet, w.offset); err != nil {
		return errors.Join(fmt.Errorf("%s: packet %d: %w", w.data.Name(), info.Sequence, err), w.cut())
	}
	e := ctf.IndexEntry{
		Offset: uint64(w.offset), PacketSize: info.Size, ContentSize: info.ContentSize,
		TimestampBegin: info.Begin, TimestampEnd: info.End, EventsDiscarded: info.Discarded,
		StreamClass: info.ClassID, InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}
	w.buf = e.Append(w.buf[:0], ctf.IndexRecordLenMinor)
	if _, err := w.index.WriteAt(w.buf, w.entries); err != nil {
		return errors.Join(fmt.Errorf("%s: packet %d: %w", w.index.Name(), info.Sequence, err), w.cut())
	}
	w.offset += int64(len(packet))
	w.entries += int64(len(w.buf))
	return nil
}

func (w *fileWriter) beacon(uint64) error { return nil }

// cut takes away the parts of a packet that found no room.
func (w *fileWriter) cut() error {
	return errors.Join(w.data.Truncate(w.offset), w.index.Truncate(w.entries))
}

func (w *fileWriter) close() error {
	if w.data == nil {
		return nil
	}
	err := w.cut() // as that may have failed before
	for _, f := range []*os.File{w.data, w.index} {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	w.data, w.index = nil, nil
	return err
}
