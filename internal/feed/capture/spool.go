// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// spool is the memory that events are read into. It belongs to a file that another
// process holds, too: what was read and not yet committed is still there after this
// process was killed.
//
//	0  serial of the buffer, 8 bytes
//	8  events as the kernel writes them, up to one of length 0
type spool struct {
	mem  []byte
	used int // bytes of events
}

// Sizes of a spool: what is read at once, room for the second half of an exchange
// behind it, and the length 0 that ends it.
const (
	spoolHeader = 8
	spoolRead   = 256 << 10
	spoolExtra  = 32 << 10
	spoolSize   = spoolHeader + spoolRead + spoolExtra + fanotify.MinBuffer
)

// newSpoolFile makes the file of a spool, in memory.
func newSpoolFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("weir-feed-spool", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("spool of events: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "spool of events")
	if err := f.Truncate(spoolSize); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mapSpool maps the file of a spool.
func mapSpool(f *os.File) (*spool, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != spoolSize {
		return nil, fmt.Errorf("%s: got %d bytes, want %d", f.Name(), st.Size(), spoolSize)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, spoolSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: mmap: %w", f.Name(), err)
	}
	return &spool{mem: mem}, nil
}

// begin makes room for the buffer of a serial.
func (s *spool) begin(serial uint64) {
	// What the last read left is ended at once, so that it is not taken for the new
	// serial's; the order matters to whoever reads this after a crash.
	clear(s.mem[spoolHeader : spoolHeader+s.used+4])
	s.used = 0
	binary.LittleEndian.PutUint64(s.mem, serial)
}

// serial is that of the buffer.
func (s *spool) serial() uint64 { return binary.LittleEndian.Uint64(s.mem) }

// room is where the next read goes; more of it for the first.
func (s *spool) room() []byte {
	if s.used == 0 {
		return s.mem[spoolHeader : spoolHeader+spoolRead]
	}
	at := spoolHeader + s.used
	return s.mem[at : len(s.mem)-4]
}

// events are what was read.
func (s *spool) events() []byte { return s.mem[spoolHeader : spoolHeader+s.used] }

// rest are the events that a process left which is gone; how many bytes, their end
// tells.
func (s *spool) rest() []byte { return s.mem[spoolHeader : len(s.mem)-4] }

func (s *spool) unmap() error { return unix.Munmap(s.mem) }
