// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

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
	hang        *hang
	title       string // of what hangs
}

// name is that of the stream.
func (w *fileWriter) name() string { return streamName(w.s) }

// streamName is what files of a stream are called.
func streamName(s *stream) string { return fmt.Sprintf("%s_%d", s.channel.Name, s.cpu) }

// traceFile is a file of a stream, with its index; none where there is no room.
type traceFile struct{ data, index *os.File }

// make makes the file of a number in a directory.
func (w *fileWriter) make(dir *os.File, number uint64) (f traceFile, err error) {
	name := w.name()
	if w.limit() > 0 {
		name = fmt.Sprintf("%s_%d", name, number)
		if w.s.channel.TracefileCount > 0 { // its place may be taken
			_ = unix.Unlinkat(int(dir.Fd()), name, 0)
			_ = unix.Unlinkat(int(dir.Fd()), "index/"+name+".idx", 0)
		}
	}
	if f.data, err = create(dir, name); err != nil {
		return traceFile{}, err
	}
	if f.index, err = create(dir, "index/"+name+".idx"); err == nil {
		if _, err = f.index.Write(ctf.AppendIndexHeader(nil, 1)); err == nil {
			return f, nil
		}
		err = fmt.Errorf("%s: %w", f.index.Name(), err)
	}
	f.remove(dir) // the names are wanted again
	return traceFile{}, err
}

// remove removes what make has made.
func (f traceFile) remove(dir *os.File) {
	for _, f := range []*os.File{f.data, f.index} {
		if f != nil {
			f.Close()
			_ = unix.Unlinkat(int(dir.Fd()), f.Name(), 0)
		}
	}
}

// open begins the next file.
func (w *fileWriter) open() error {
	if err := w.close(); err != nil {
		return err
	}
	f, err := w.make(w.d.dir, w.number)
	if err == nil {
		w.take(f)
	}
	return err
}

// take has the next packet go to a file that was made; to one that is made then, if there
// is none.
func (w *fileWriter) take(f traceFile) {
	w.data, w.index, w.offset, w.entries = f.data, f.index, 0, ctf.IndexHeaderLen
}

// limit is how many bytes a file may have; 0: any.
func (w *fileWriter) limit() int64 {
	if w.whole {
		return 0
	}
	return int64(w.s.channel.TracefileBytes)
}

// begin takes note that files are being written, if that can hang: memory answers, and
// to set an alarm wakes threads.
func (w *fileWriter) begin() {
	if !w.d.memory {
		w.hang.begin(w.title)
	}
}

// end takes note that they are.
func (w *fileWriter) end() {
	if !w.d.memory {
		w.hang.end()
	}
}

// prompt implements promptWriter: memory answers.
func (w *fileWriter) prompt() bool { return w.d.memory }

func (w *fileWriter) write(packet []byte, info ctf.PacketInfo) error {
	w.begin()
	err := w.keep(packet, info)
	w.end()
	w.d.failed(w, err)
	return err
}

// keep writes a packet and its index entry, or nothing.
func (w *fileWriter) keep(packet []byte, info ctf.PacketInfo) error {
	err := w.store(packet, nil, info)
	if err == nil {
		err = w.enter(int64(len(packet)), info)
	}
	if err != nil && w.data != nil {
		err = errors.Join(err, w.cut())
	}
	return err
}

func (w *fileWriter) writeLent(head, body []byte, info ctf.PacketInfo, taken func() bool) (back []byte, err error) {
	w.begin()
	back, err = w.keepLent(head, body, info, taken)
	w.end()
	if err != errTakenBack { // which is no fault of the disk's
		w.d.failed(w, err)
	}
	return back, err
}

// keepLent is keep of a packet that is taken in between: a consumer that dies before that
// leaves what does not count, one that dies later a gap.
func (w *fileWriter) keepLent(head, body []byte, info ctf.PacketInfo, taken func() bool) (back []byte, err error) {
	size := int64(len(head) + len(body))
	if err = w.store(head, body, info); err == nil {
		if !taken() {
			_ = w.cut() // else the next packet is written over it
			return nil, errTakenBack
		}
		if err = w.enter(size, info); noRoom(err) {
			back = w.back(size)
		}
	}
	if err != nil && w.data != nil {
		err = errors.Join(err, w.cut())
	}
	return back, err
}

// back reads the bytes of a packet that does not count; nil: they are lost.
func (w *fileWriter) back(size int64) []byte {
	b := make([]byte, size)
	if _, err := w.data.ReadAt(b, w.offset); err != nil {
		return nil
	}
	return b
}

// store writes the bytes of a packet, which does not count yet.
func (w *fileWriter) store(head, body []byte, info ctf.PacketInfo) error {
	size := int64(len(head) + len(body))
	if err := w.d.completeMetadata(); err != nil {
		return err
	}
	limit := w.limit()
	if w.data == nil || limit > 0 && w.offset > 0 && w.offset+size > limit {
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
	if err := writeParts(w.data, w.offset, w.d.memory, head, body); err != nil {
		return fmt.Errorf("%s: packet %d: write: %w", w.data.Name(), info.Sequence, err)
	}
	return nil
}

// enter writes the index entry of the packet that is stored.
func (w *fileWriter) enter(size int64, info ctf.PacketInfo) error {
	e := ctf.IndexEntry{
		Offset: uint64(w.offset), PacketSize: info.Size, ContentSize: info.ContentSize,
		TimestampBegin: info.Begin, TimestampEnd: info.End, EventsDiscarded: info.Discarded,
		StreamClass: info.ClassID, InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}
	w.buf = e.Append(w.buf[:0], ctf.IndexRecordLenMinor)
	if err := writeParts(w.index, w.entries, w.d.memory, w.buf); err != nil {
		return fmt.Errorf("%s: packet %d: write: %w", w.index.Name(), info.Sequence, err)
	}
	w.offset += size
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
