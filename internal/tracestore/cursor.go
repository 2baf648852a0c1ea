// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/fdpool"
)

// Seek says where a cursor begins.
type Seek int

// Where a cursor begins.
const (
	SeekBeginning Seek = iota // the oldest packet that is still stored
	SeekEnd                   // after the newest complete packet
)

// State is what a cursor finds.
type State int

// What a cursor finds.
const (
	StateWait   State = iota // nothing yet, and no promise about the time
	StatePacket              // a packet
	StateIdle                // nothing, and nothing up to a time
	StateEnd                 // the stream is closed and read to its end
)

// Step is the position of a cursor.
type Step struct {
	State State
	Entry ctf.IndexEntry // StatePacket
	Until uint64         // StateIdle: trace clock; no event up to then will come
	Class uint64         // StateIdle: CTF stream class

	// StateIdle: what the newest packet said, when there has been one. A clear
	// does not change it.
	HasNewest bool
	Instance  uint64 // of the stream, in LTTng the CPU; 0 below minor 8
	Sequence  uint64 // number of the packet; likewise
	Discarded uint64 // events, counted from the start
}

// packetState is what of a packet concerns the next one.
type packetState struct {
	there                         bool
	instance, sequence, discarded uint64
}

// Cursor is one viewer's place in a data stream. It belongs to one goroutine
// and must be closed.
type Cursor struct {
	stream *Stream
	file   *TraceFile // next packet is in it; nil before the first
	n      uint64     // its number there
	read   *TraceFile // of the packet taken last
	ahead  readAhead
}

// aheadRecords is how many index records a cursor reads at once: a viewer that
// catches up asks for one after the other.
const aheadRecords = 16

// readAhead holds index records of one file.
type readAhead struct {
	file  *TraceFile
	first uint64 // number of the first record in it
	n     uint64 // records
	buf   [aheadRecords * ctf.IndexRecordLenMinor]byte
}

// Cursor returns a new cursor. The session must be live: others keep no list
// of their packets.
func (st *Stream) Cursor(from Seek) *Cursor {
	c := &Cursor{stream: st}
	st.mu.Lock()
	defer st.mu.Unlock()
	if from == SeekBeginning || len(st.files) == 0 {
		return c
	}
	c.file = st.files[len(st.files)-1]
	c.file.get()
	c.n = c.file.packets
	return c
}

// Stream returns the stream.
func (c *Cursor) Stream() *Stream { return c.stream }

// Peek returns what comes next without taking it.
func (c *Cursor) Peek() (Step, error) {
	st := c.stream
	st.mu.Lock()
	step, ready := c.positionLocked()
	var there uint64
	if ready {
		there = c.file.packets - c.n
	}
	st.mu.Unlock()
	if !ready {
		return step, nil
	}
	entry, err := c.ahead.entry(c.file, c.n, there)
	if err != nil {
		return Step{}, err
	}
	return Step{State: StatePacket, Entry: entry}, nil
}

// Take goes past the packet that Peek found and keeps its file for Data.
func (c *Cursor) Take() {
	if c.read != c.file {
		c.file.get()
		if c.read != nil {
			c.read.put()
		}
		c.read = c.file
	}
	c.n++
}

// Data returns the file of the packet taken last, nil before the first, and
// its length in complete packets is at least that packet's end.
func (c *Cursor) Data() *fdpool.File {
	if c.read == nil {
		return nil
	}
	return c.read.data
}

// Close lets go of the files.
func (c *Cursor) Close() {
	for _, f := range []*TraceFile{c.file, c.read} {
		if f != nil {
			f.put()
		}
	}
	c.file, c.read = nil, nil
}

// positionLocked moves on to the file of the next packet and reports whether
// that packet is there. The beacon is read under the same lock: it must not
// belong to a later moment than the packet list.
func (c *Cursor) positionLocked() (Step, bool) {
	st := c.stream
	if c.file == nil || c.file.gone.Load() {
		c.rewindLocked()
	}
	for c.file != nil && c.n >= c.file.packets {
		next := c.laterLocked()
		if next == nil {
			break
		}
		c.enterLocked(next)
	}
	switch {
	case c.file != nil && c.n < c.file.packets:
		return Step{}, true
	case st.closed:
		return Step{State: StateEnd}, false
	case st.beacon != noBeacon:
		return Step{
			State: StateIdle, Until: st.beacon, Class: st.class,
			HasNewest: st.newest.there, Instance: st.newest.instance,
			Sequence: st.newest.sequence, Discarded: st.newest.discarded,
		}, false
	}
	return Step{State: StateWait}, false
}

// rewindLocked goes to the oldest packet that is left.
func (c *Cursor) rewindLocked() {
	if c.file != nil && c.n < c.file.packets {
		c.stream.session.store.counters.SkippedByViewers.Add(c.file.packets - c.n)
	}
	if len(c.stream.files) > 0 {
		c.enterLocked(c.stream.files[0])
		return
	}
	if c.file != nil {
		c.n = c.file.packets
	}
}

func (c *Cursor) enterLocked(f *TraceFile) {
	f.get()
	old := c.file
	c.file, c.n = f, 0
	if old != nil {
		old.put()
	}
}

// laterLocked returns the next file with packets. An empty one says nothing:
// indexes of the file before may still be on their way.
func (c *Cursor) laterLocked() *TraceFile {
	after := false
	for _, f := range c.stream.files {
		if after && f.packets > 0 {
			return f
		}
		after = after || f == c.file
	}
	return nil
}

// entry returns record n of a file's index, of which there are at least there
// from n on.
func (a *readAhead) entry(f *TraceFile, n, there uint64) (ctf.IndexEntry, error) {
	size := uint64(f.stream.recordLen)
	if a.file != f || n < a.first || n >= a.first+a.n {
		a.file, a.first, a.n = f, n, 0
		want := min(there, aheadRecords)
		if err := f.readIndex(a.buf[:want*size], int64(ctf.IndexHeaderLen)+int64(n*size)); err != nil {
			return ctf.IndexEntry{}, err
		}
		a.n = want
	}
	at := (n - a.first) * size
	return ctf.ParseIndexEntry(a.buf[at:at+size], uint32(size))
}

// readIndex fills b from the index file.
func (f *TraceFile) readIndex(b []byte, off int64) error {
	fd, err := f.index.Acquire()
	if err != nil {
		return fmt.Errorf("index of %s: %w", f.path(), err)
	}
	defer f.index.Release()
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, off)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("index of %s at %d: %d bytes missing: %w", f.path(), off, len(b), err)
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// MetadataCursor is one viewer's place in the metadata of a trace. It belongs
// to one goroutine and must be closed.
type MetadataCursor struct {
	stream *Stream
	sent   int64
	file   *TraceFile
}

// MetadataCursor returns a cursor at the beginning of the metadata.
func (st *Stream) MetadataCursor() *MetadataCursor { return &MetadataCursor{stream: st} }

// Unread returns how many bytes can be read. After a rotation or a clear the
// metadata is sent again; what was read of it before is skipped.
func (m *MetadataCursor) Unread() int64 {
	st := m.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	return max(st.metaSize-m.sent, 0)
}

// Read appends up to limit unread bytes to b and goes past them.
func (m *MetadataCursor) Read(b []byte, limit int64) ([]byte, error) {
	st := m.stream
	st.mu.Lock()
	f, n := st.meta, min(st.metaSize-m.sent, limit)
	if f != nil {
		f.get()
	}
	st.mu.Unlock()
	if f == nil || n <= 0 {
		if f != nil {
			f.put()
		}
		return b, nil
	}
	defer f.put()
	fd, err := f.data.Acquire()
	if err != nil {
		return b, fmt.Errorf("metadata %s: %w", f.path(), err)
	}
	defer f.data.Release()
	start := len(b)
	b = append(b, make([]byte, n)...)
	for at := start; at < len(b); {
		k, err := unix.Pread(fd, b[at:], m.sent+int64(at-start))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return b[:start], fmt.Errorf("metadata %s at %d: got %d bytes, want %d: %w", f.path(), m.sent, at-start+k, n, err)
		}
		at += k
	}
	m.sent += n
	return b, nil
}
