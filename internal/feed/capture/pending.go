// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// pending has the names and directories that wait for their quiet look, in memory that
// belongs to a file which another process holds, too: whoever goes on after this process
// looks at them. A nil pending keeps nothing.
//
//	0  where the entries begin, 4 bytes, and how many bytes they are, 4 bytes, which
//	   change at once; pendingFull: there was no room for all
//	8  two halves, of which one has the entries: FID of a directory, 16 bytes; length of
//	   the name, 1 byte, 0 for the directory itself; the name
type pending struct{ mem []byte }

// Sizes of pending. The memory is only taken when it is written.
const (
	pendingHeader = 8
	pendingHalf   = 2 << 20
	pendingSize   = pendingHeader + 2*pendingHalf
	pendingEntry  = 17 // without the name
	pendingFull   = ^uint64(0)
)

// newPendingFile makes the file of a pending, in memory.
func newPendingFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("weir-feed-pending", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("names that wait: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "names that wait")
	if err := f.Truncate(pendingSize); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mapPending maps the file of a pending.
func mapPending(f *os.File) (*pending, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != pendingSize {
		return nil, fmt.Errorf("%s: got %d bytes, want %d", f.Name(), st.Size(), pendingSize)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, pendingSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: mmap: %w", f.Name(), err)
	}
	return &pending{mem}, nil
}

// place is the header. It is changed last: an entry counts once it is whole.
func (p *pending) place() *uint64 { return (*uint64)(unsafe.Pointer(&p.mem[0])) }

// bounds are where the entries begin and end; ok is false if they are not all.
func (p *pending) bounds() (begin, end int, ok bool) {
	v := atomic.LoadUint64(p.place())
	begin, end = pendingHeader+int(v&0xffffffff), pendingHeader+int(v&0xffffffff)+int(v>>32)
	return begin, end, v != pendingFull && end <= len(p.mem)
}

func (p *pending) setBounds(begin, end int) {
	atomic.StoreUint64(p.place(), uint64(begin-pendingHeader)|uint64(end-begin)<<32)
}

// limit is where the half ends that begins at an offset.
func (p *pending) limit(begin int) int { return begin + pendingHalf }

// add takes down a name. It is false where there is no room, which rewrite may make. Where
// that has failed, there is nothing to be done until clear.
func (p *pending) add(n name) bool {
	if p == nil || atomic.LoadUint64(p.place()) == pendingFull {
		return true
	}
	begin, end, ok := p.bounds()
	if !ok || !p.put(&end, p.limit(begin), n) {
		return false
	}
	p.setBounds(begin, end)
	return true
}

// put writes an entry at an offset and moves that on, unless a limit is in the way.
func (p *pending) put(at *int, limit int, n name) bool {
	if len(n.name) > 255 || *at+pendingEntry+len(n.name) > limit {
		return false
	}
	b := p.mem[*at:]
	binary.LittleEndian.PutUint64(b, n.parent.Seq)
	binary.LittleEndian.PutUint32(b[8:], n.parent.OID)
	binary.LittleEndian.PutUint32(b[12:], n.parent.Ver)
	b[16] = byte(len(n.name))
	*at += pendingEntry + copy(b[pendingEntry:], n.name)
	return true
}

// rewrite takes down names in the place of all others.
func (p *pending) rewrite(all iter.Seq[name]) {
	begin, _, _ := p.bounds()
	if begin == pendingHeader {
		begin += pendingHalf
	} else {
		begin = pendingHeader
	}
	end := begin
	for n := range all {
		if !p.put(&end, p.limit(begin), n) {
			atomic.StoreUint64(p.place(), pendingFull)
			return
		}
	}
	p.setBounds(begin, end)
}

// clear forgets all: everything was looked at, and what came of that is in the journal.
func (p *pending) clear() {
	if p != nil {
		p.setBounds(pendingHeader, pendingHeader)
	}
}

// names are what was taken down; whole is false where there is more that is not known.
func (p *pending) names() (all []name, whole bool) {
	if p == nil {
		return nil, false
	}
	begin, end, ok := p.bounds()
	if !ok {
		return nil, false
	}
	for b := p.mem[begin:end]; len(b) > 0; {
		if len(b) < pendingEntry || len(b) < pendingEntry+int(b[16]) {
			return all, false
		}
		size := pendingEntry + int(b[16])
		f := changelog.FID{
			Seq: binary.LittleEndian.Uint64(b), OID: binary.LittleEndian.Uint32(b[8:]), Ver: binary.LittleEndian.Uint32(b[12:]),
		}
		all = append(all, name{f, string(b[pendingEntry:size])})
		b = b[size:]
	}
	return all, true
}

func (p *pending) unmap() error {
	if p == nil {
		return nil
	}
	return unix.Munmap(p.mem)
}
