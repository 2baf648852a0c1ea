// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// seals keep the size of a memory file as it is.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// Create makes the memory file of a stream. Its first packet begins at a time of the
// head.
func Create(g Geometry, head Header, cpu uint32) (*os.File, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	size := g.Layout().Size
	fd, err := unix.MemfdCreate("lttng-ust-ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("ring: memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "ring")
	if err := fill(fd, size, g, head, cpu); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func fill(fd int, size uint64, g Geometry, head Header, cpu uint32) error {
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return fmt.Errorf("ring of %d bytes: %w", size, err)
	}
	// The memory is taken now: a program that found none later would be killed.
	if err := unix.Fallocate(fd, 0, 0, int64(size)); err != nil {
		return fmt.Errorf("ring of %d bytes: %w", size, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("ring: seal memory: %w", err)
	}
	b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("ring: map %d bytes: %w", size, err)
	}
	g.Stream(b, head, cpu)
	return unix.Munmap(b)
}

// Open maps the memory file of a stream. The file is the caller's.
func Open(f *os.File, g Geometry) (*Reader, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	size := g.Layout().Size
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	got, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("ring: seals of memory: %w", err)
	}
	if uint64(st.Size()) != size || got&unix.F_SEAL_SHRINK == 0 {
		return nil, fmt.Errorf("ring: memory file of %d bytes with seals %#x, want %d that cannot shrink", st.Size(), got, size)
	}
	// All of it is going to be read, and its pages are there: they are mapped now, not one
	// by one while programs write.
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("ring: map %d bytes: %w", size, err)
	}
	return NewReader(b, g), nil
}

// Close unmaps the memory.
func (r *Reader) Close() error {
	b := r.b
	r.b = nil
	return unix.Munmap(b)
}
