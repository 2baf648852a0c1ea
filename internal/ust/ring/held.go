// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// held is what a writer has of the kernel.
type held struct {
	mem  []byte
	wake int
	// users are those who use the descriptor: the writer, until it retires, and whoever
	// is waking the reader. The last one closes it.
	users atomic.Int32
}

func newHeld(mem []byte, wake int) *held {
	h := &held{mem: mem, wake: wake}
	h.users.Store(1)
	return h
}

// wakeReader writes a byte to the pipe, unless the writer has retired.
func (h *held) wakeReader() {
	for {
		n := h.users.Load()
		if n == 0 {
			return
		}
		if h.users.CompareAndSwap(n, n+1) {
			break
		}
	}
	_, _ = unix.Write(h.wake, []byte{0}) // full: the reader is awake; broken: it is gone
	h.drop()
}

func (h *held) drop() {
	if h.users.Add(-1) == 0 {
		_ = unix.Close(h.wake) // it is open
	}
}

// Retire gives back what the writer holds once nobody needs what it writes: the
// descriptor, and the memory that it shares with the daemon. A program may have nothing
// else to do for minutes that would have the writer found unused. Those who are writing
// still do so, to memory that nobody reads.
func (w *Writer) Retire() error {
	if w.held == nil || !w.retired.CompareAndSwap(false, true) {
		return nil
	}
	w.held.drop()
	const flags = unix.MAP_FIXED | unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&w.mem[0]), uintptr(len(w.mem)), unix.PROT_READ|unix.PROT_WRITE, flags)
	runtime.KeepAlive(w) // not unmapped before
	if err != nil {
		return fmt.Errorf("ring: give back %d bytes: %w", len(w.mem), os.NewSyscallError("mmap", err))
	}
	return nil
}

// Retired reports whether the writer has retired.
func (w *Writer) Retired() bool { return w.retired.Load() }

// release ends the mapping, of whatever it is by now.
func (h *held) release() {
	if h.users.Load() != 0 {
		h.drop() // it was not retired
	}
	_ = unix.Munmap(h.mem) // it is mapped
}
