// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package selfmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Image is where the executable's read-only segments are in memory.
type Image struct {
	spans []span
	room  []byte // of flags of pages
}

// span is a range of addresses, of whole pages.
type span struct{ from, to uint64 }

// Load finds the running executable. It fails with an error that wraps
// errors.ErrUnsupported for a file that is no ELF of 64 bits.
func Load() (*Image, error) {
	vector, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header := make([]byte, headerBytes)
	n, err := io.ReadFull(f, header)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the executable: %w", err)
	}
	spans, err := parseImage(header[:n], programHeaders(vector), uint64(os.Getpagesize()))
	if err != nil {
		return nil, err
	}
	return &Image{spans: spans}, nil
}

// Sizes and places in the auxiliary vector and in an ELF file of 64 bits, in bytes.
const (
	headerBytes = 4096 // has the file's header and, right behind it, those of segments
	wordBytes   = 8
	auxEntry    = 2 * wordBytes
	fileHeader  = 64
	phoffAt     = 32 // in the file's header: where the program headers begin
	phentAt     = 54 // the size of one
	phnumAt     = 56 // how many there are
	phMin       = 56 // bytes of one
	phFlagsAt   = 4
	phOffsetAt  = 8
	phVaddrAt   = 16
	phFileszAt  = 32
)

const (
	auxPhdr   = 3 // AT_PHDR
	loadable  = 1 // PT_LOAD
	writeable = 2 // PF_W
)

// programHeaders returns where the kernel put the program headers, from the
// auxiliary vector: pairs of words, a key and a value. 0: it does not say.
func programHeaders(vector []byte) uint64 {
	for ; len(vector) >= auxEntry; vector = vector[auxEntry:] {
		if binary.NativeEndian.Uint64(vector) == auxPhdr {
			return binary.NativeEndian.Uint64(vector[wordBytes:])
		}
	}
	return 0
}

// parseImage returns the read-only segments of an executable from the beginning of
// its file and the address of its program headers.
func parseImage(b []byte, headersAt, page uint64) ([]span, error) {
	const class64 = 2
	if len(b) < fileHeader || string(b[:4]) != "\x7fELF" || b[4] != class64 || headersAt == 0 {
		return nil, fmt.Errorf("the executable's header of %d bytes: %w: no ELF of 64 bits", len(b), errors.ErrUnsupported)
	}
	at, size, count := binary.NativeEndian.Uint64(b[phoffAt:]), uint64(binary.NativeEndian.Uint16(b[phentAt:])), uint64(binary.NativeEndian.Uint16(b[phnumAt:]))
	if size < phMin || at > uint64(len(b)) || count*size > uint64(len(b))-at {
		return nil, fmt.Errorf("the executable's program headers: %d of %d bytes at %d, want them within the first %d", count, size, at, len(b))
	}
	headers := b[at : at+count*size]
	base, found := uint64(0), false
	var list []span
	for ; len(headers) > 0; headers = headers[size:] {
		if binary.NativeEndian.Uint32(headers) != loadable {
			continue
		}
		offset, vaddr, length := binary.NativeEndian.Uint64(headers[phOffsetAt:]), binary.NativeEndian.Uint64(headers[phVaddrAt:]), binary.NativeEndian.Uint64(headers[phFileszAt:])
		if offset <= at && at-offset < length { // it has the program headers
			base, found = headersAt-(vaddr+at-offset), true
		}
		if binary.NativeEndian.Uint32(headers[phFlagsAt:])&writeable == 0 {
			list = append(list, span{vaddr, vaddr + length})
		}
	}
	if !found {
		return nil, fmt.Errorf("the executable's program headers at %d: no segment has them", at)
	}
	kept := list[:0]
	for _, s := range list {
		// Half a page may be another segment's.
		s = span{(s.from + base + page - 1) / page * page, (s.to + base) / page * page}
		if s.from < s.to {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// Flags of a page in /proc/self/pagemap.
const (
	pagePresent = 1 << 63
	pageOfFile  = 1 << 61
)

// pagesAtOnce is how many pages are looked at in one reading.
const pagesAtOnce = 2048

// Drop gives the pages back, and returns how many bytes were resident of them.
func (m *Image) Drop() (bytes int, err error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if m.room == nil {
		m.room = make([]byte, pagesAtOnce*wordBytes)
	}
	page := uint64(os.Getpagesize())
	for _, s := range m.spans {
		for s.from < s.to {
			count := min((s.to-s.from)/page, pagesAtOnce)
			flags := m.room[:count*wordBytes]
			if _, err := f.ReadAt(flags, int64(s.from/page*wordBytes)); err != nil {
				return bytes, fmt.Errorf("flags of %d pages at %#x: %w", count, s.from, err)
			}
			n, err := dropRuns(flags, s.from, page)
			if bytes += n; err != nil {
				return bytes, err
			}
			s.from += count * page
		}
	}
	return bytes, nil
}

// dropRuns gives back runs of pages of which flags tell.
func dropRuns(flags []byte, from, page uint64) (bytes int, err error) {
	for _, r := range runs(flags) {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(from+r.from*page), uintptr((r.to-r.from)*page), unix.MADV_DONTNEED)
		if errno != 0 {
			return bytes, fmt.Errorf("give back %d pages at %#x: %w", r.to-r.from, from+r.from*page, errno)
		}
		bytes += int((r.to - r.from) * page)
	}
	return bytes, nil
}

// runs returns the runs of pages that are there and are the file's, by their
// numbers.
func runs(flags []byte) (list []span) {
	for i := uint64(0); i < uint64(len(flags)/wordBytes); i++ {
		const wanted = pagePresent | pageOfFile
		if binary.NativeEndian.Uint64(flags[i*wordBytes:])&wanted != wanted {
			continue
		}
		if n := len(list); n > 0 && list[n-1].to == i {
			list[n-1].to++
		} else {
			list = append(list, span{i, i + 1})
		}
	}
	return list
}
