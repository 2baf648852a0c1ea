// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// WriterConfig is what a writer has to know of its channel.
type WriterConfig struct {
	Channel Channel
	Stream  uint32        // its number
	Now     func() uint64 // the trace's clock
}

// Map maps the memory file of a stream for writing, until Retire. What is mapped is
// unmapped once nobody has the writer any more: those who are writing when tracing ends
// need not be waited for. They keep it alive until after Commit. The descriptors become
// the writer's; wake is the end of a pipe that a byte is written to when there is
// something to read. Length is what the daemon says that the memory has.
func Map(c WriterConfig, memory, wake *os.File, length uint64) (*Writer, error) {
	defer memory.Close()
	w, err := mapWriter(c, memory, length)
	if err != nil {
		wake.Close()
		return nil, err
	}
	fd, err := keep(wake)
	if err != nil {
		return nil, fmt.Errorf("ring: wake-up descriptor: %w", joinClose(err, w))
	}
	w.held = newHeld(w.mem, fd)
	runtime.AddCleanup(w, (*held).release, w.held)
	return w, nil
}

func joinClose(err error, w *Writer) error {
	_ = unix.Munmap(w.mem) // the error is the first one
	return err
}

// keep takes the descriptor of a file for writes that never wait. It is not one of
// the first three, on which a broken pipe would end the program.
func keep(f *os.File) (int, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // the error is the first one
		return -1, err
	}
	return fd, nil
}

func mapWriter(c WriterConfig, memory *os.File, length uint64) (*Writer, error) {
	g := c.Channel.Geometry
	if err := g.Check(); err != nil {
		return nil, err
	}
	want := g.Layout()
	if length < want.Counts+8*g.Subbufs || length > want.Size+g.SubbufBytes+slack {
		return nil, fmt.Errorf("ring: memory of %d bytes, want %d", length, want.Size)
	}
	st, err := memory.Stat()
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	// What lies behind the end of the file would end the program when it is touched.
	if st.Size() < int64(length) {
		return nil, fmt.Errorf("ring: memory file of %d bytes, want %d", st.Size(), length)
	}
	mem, err := unix.Mmap(int(memory.Fd()), 0, int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("ring: map %d bytes: %w", length, err)
	}
	w := &Writer{
		mem: mem, base: unsafe.Pointer(&mem[0]), now: c.Now,
		subMask: g.SubbufBytes - 1, ringMask: g.Bytes() - 1, countMask: g.mask(),
		subOrder: uint(bits.TrailingZeros64(g.SubbufBytes)), countOrder: g.order(),
		overwrite: g.Overwrite, pages: g.pages(), instance: c.Stream, class: c.Channel.ID, uuid: c.Channel.UUID,
	}
	if err := w.locate(g); err != nil {
		return nil, joinClose(err, w)
	}
	return w, nil
}

// slack is how much longer than needed a memory may be, besides a page for the reader:
// LTTng's consumer daemon makes room for that in either mode.
const slack = 1 << 16

// locate finds the arrays, which a daemon may have put elsewhere than we would.
func (w *Writer) locate(g Geometry) error {
	var memory, refs unsafe.Pointer
	for _, p := range []struct {
		to   *unsafe.Pointer
		name string
		ref  uint64
		size uint64
	}{
		{&w.hot, "hot counters", CommitHotRef, counterLen * g.Subbufs},
		{&w.cold, "cold counters", CommitColdRef, counterLen * g.Subbufs},
		{&w.timeEnds, "times", TimeEndRef, 8 * g.Subbufs},
		{&refs, "pages", PagesRef, refLen * g.pages()},
		{&memory, "memory", MemoryRef, g.SubbufBytes * g.pages()},
		{&w.table, "table", WriteTableRef, 8 * g.Subbufs},
		{&w.counts, "counts", CountsRef, 8 * g.Subbufs},
	} {
		at := le.Uint64(w.mem[p.ref+8:])
		if at%8 != 0 || at < streamHeadLen || at > uint64(len(w.mem)) || uint64(len(w.mem))-at < p.size {
			return fmt.Errorf("ring: %s at %d of a memory of %d bytes", p.name, at, len(w.mem))
		}
		*p.to = unsafe.Add(w.base, at)
	}
	w.memory = memory
	return w.locatePages(g, uint64(uintptr(refs)-uintptr(w.base)))
}

// locatePages finds the descriptions of pages. Only where they are one behind the
// other, as daemons make them, are events written.
func (w *Writer) locatePages(g Geometry, refs uint64) error {
	begin := le.Uint64(w.mem[PagesRef+8:])
	if begin != refs {
		return fmt.Errorf("ring: pages at %d and %d", begin, refs)
	}
	first := le.Uint64(w.mem[refs+8:])
	size := pageLen * g.pages()
	if first%8 != 0 || first > uint64(len(w.mem)) || uint64(len(w.mem))-first < size {
		return fmt.Errorf("ring: descriptions of pages at %d of a memory of %d bytes", first, len(w.mem))
	}
	memory := uint64(uintptr(w.memory) - uintptr(w.base))
	for i := range g.pages() {
		at := le.Uint64(w.mem[refs+refLen*i+8:])
		if at != first+pageLen*i {
			return fmt.Errorf("ring: description of page %d at %d, want %d", i, at, first+pageLen*i)
		}
		if got := le.Uint64(w.mem[at+pageMemory+8:]); got != memory+i*g.SubbufBytes {
			return fmt.Errorf("ring: page %d at %d, want %d", i, got, memory+i*g.SubbufBytes)
		}
	}
	w.pageInfo = unsafe.Add(w.base, first)
	return nil
}
