// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// spool is the memory that events are read into. It belongs to a file that another
// process holds, too: what was read and not yet committed is still there after this
// process was killed. It has many slots, so that events can be read while those before
// them are made into records.
type spool struct {
	mem   []byte
	slots []slot
	taken []*slot // that are being taken over
	open  []*slot // those behind them, in the order of their serials; the last is filled
	last  uint64  // serial given last
	most  int     // slots that were in use since shrink
}

// slot is a part of a spool.
//
//	0  serial of the batch that has its events, 8 bytes
//	8  events as the kernel writes them, up to one of length 0
type slot struct {
	mem    []byte
	used   int      // bytes of events
	by     []*actor // of each event
	number int
	busy   bool // it is taken or open
}

// Sizes of a slot: what is read at once, room for more behind it, and the length 0 that
// ends it.
const (
	spoolHeader = 8
	spoolRead   = 256 << 10
	spoolExtra  = 32 << 10
	slotSize    = spoolHeader + spoolRead + spoolExtra + fanotify.MinBuffer
)

// How many slots there are. What waits there would wait in the kernel otherwise, in as
// much memory; that of a spool is only taken when it is written, and all but that of the
// first slots is given back. A spool of an older weir has one slot: nothing is read ahead
// into that.
const (
	spoolSlots = 64
	keptSlots  = 4
	takeSlots  = 4 // that are taken over at once
)

// newSpoolFile makes the file of a spool, in memory.
func newSpoolFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("weir-feed-spool", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("spool of events: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "spool of events")
	if err := f.Truncate(spoolSlots * slotSize); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mapSpool maps the file of a spool. All slots are taken: release frees them once what
// they have was taken over.
func mapSpool(f *os.File) (*spool, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := int(st.Size() / slotSize)
	if st.Size()%slotSize != 0 || n < 1 || n > spoolSlots {
		return nil, fmt.Errorf("%s: got %d bytes, want 1 to %d times %d", f.Name(), st.Size(), spoolSlots, slotSize)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, n*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: mmap: %w", f.Name(), err)
	}
	s := &spool{mem: mem, slots: make([]slot, n), most: n}
	for i := range s.slots {
		l := &s.slots[i]
		// Nobody knows how much of it was used: all is, so that begin ends it anywhere.
		*l = slot{mem: mem[i*slotSize : (i+1)*slotSize], used: slotSize - spoolHeader - 4, number: i, busy: true}
		s.taken = append(s.taken, l)
	}
	return s, nil
}

func (s *slot) serial() uint64 { return binary.LittleEndian.Uint64(s.mem) }

// begin empties a slot for a serial.
func (s *slot) begin(serial uint64) {
	// What the last read left is ended at once, so that it is not taken for the new
	// serial's; the order matters to whoever reads this after a crash.
	clear(s.mem[spoolHeader : spoolHeader+s.used+4])
	s.used, s.by = 0, s.by[:0]
	binary.LittleEndian.PutUint64(s.mem, serial)
}

// rest are the events of a process that is gone; how many bytes, their end tells.
func (s *slot) rest() []byte { return s.mem[spoolHeader : len(s.mem)-4] }

// room is behind what was read.
func (s *slot) room() []byte {
	if s.used == 0 {
		return s.mem[spoolHeader : spoolHeader+spoolRead]
	}
	return s.mem[spoolHeader+s.used : len(s.mem)-4]
}

// events are what was read.
func (s *slot) events() []byte { return s.mem[spoolHeader : spoolHeader+s.used] }

// room is where the next events go, and their slot; nil while there is none. A slot that
// it begins has a serial behind all others and behind the journal's.
func (s *spool) room(journal uint64) ([]byte, *slot) {
	if n := len(s.open); n > 0 {
		if b := s.open[n-1].room(); len(b) >= fanotify.MinBuffer {
			return b, s.open[n-1]
		}
	}
	for i := range s.slots {
		if l := &s.slots[i]; !l.busy {
			l.busy, s.most = true, max(s.most, i+1)
			s.last = max(s.last, journal) + 1
			l.begin(s.last)
			s.open = append(s.open, l)
			return l.room(), l
		}
	}
	return nil, nil
}

// hasRoom reports whether room has some.
func (s *spool) hasRoom() bool {
	if n := len(s.open); n > 0 && len(s.open[n-1].room()) >= fanotify.MinBuffer {
		return true
	}
	return slices.ContainsFunc(s.slots, func(l slot) bool { return !l.busy })
}

// filled is how many bytes of events wait to be taken over.
func (s *spool) filled() (n int) {
	for _, l := range s.open {
		n += l.used
	}
	return n
}

// take begins to take over what was read first, and returns the serial that says so.
func (s *spool) take() uint64 {
	n := min(len(s.open), takeSlots)
	s.taken = append(s.taken, s.open[:n]...)
	s.open = slices.Delete(s.open, 0, n)
	return s.serial()
}

// serial is that of the last slot which is being taken over.
func (s *spool) serial() (last uint64) {
	for _, l := range s.taken {
		last = max(last, l.serial())
	}
	return last
}

// release frees the slots that were taken over.
func (s *spool) release() {
	for _, l := range s.taken {
		l.busy = false
		clear(l.by)
	}
	s.taken = s.taken[:0]
}

// shrink gives memory back while nothing waits.
func (s *spool) shrink() error {
	if s.most <= keptSlots || s.filled() > 0 {
		return nil
	}
	for _, l := range s.open { // what is empty need not be
		l.busy = false
	}
	s.open, s.most = nil, keptSlots
	page := os.Getpagesize()
	from := (keptSlots*slotSize + page - 1) / page * page
	if err := unix.Madvise(s.mem[from:], unix.MADV_REMOVE); err != nil {
		return fmt.Errorf("spool of events: madvise: %w", err)
	}
	return nil
}

// left are the slots that a process left which is gone, but for those that it had
// committed by the journal's serial.
func (s *spool) left(journal uint64) (all []*slot) {
	for i := range s.slots {
		if l := &s.slots[i]; l.serial() > journal {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *slot) int { return cmp.Compare(a.serial(), b.serial()) })
	s.last = s.serial()
	return all
}

func (s *spool) unmap() error { return unix.Munmap(s.mem) }
