// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
)

// maxStoredFiles bounds the trace files of one stream that are looked at when
// it is resumed: the newest ones.
const maxStoredFiles = 256

// storedFile is a data file that an earlier stream has left, and what of it is
// good: whole packets that have their index records.
type storedFile struct {
	number  uint64
	records int64
	end     int64          // of the last of these packets
	last    ctf.IndexEntry // if records > 0
}

// storedFiles returns the files that streams of this name have left below root,
// oldest packets first; those without any good packet come before all others.
func (st *Stream) storedFiles(root *os.Root) ([]storedFile, error) {
	var files []storedFile
	for _, number := range st.storedNumbers(root) {
		f, err := st.examine(root, number)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("stream %d: %w", st.id, err)
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b storedFile) int {
		return cmp.Or(cmp.Compare(min(a.records, 1), min(b.records, 1)), cmp.Compare(a.last.PacketSeqNum, b.last.PacketSeqNum))
	})
	return files, nil
}

// storedNumbers returns the numbers of the stream's newest trace files.
func (st *Stream) storedNumbers(root *os.Root) []uint64 {
	if !st.ring() {
		return []uint64{0}
	}
	dir, err := root.Open(st.dir)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1) // what cannot be read is not there
	type aged struct {
		number uint64
		at     int64
	}
	var found []aged
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), st.channel+"_")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || strconv.FormatUint(n, 10) != digits {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			found = append(found, aged{n, info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(found, func(a, b aged) int { return cmp.Compare(b.at, a.at) })
	var numbers []uint64
	for _, f := range found[:min(len(found), maxStoredFiles)] {
		numbers = append(numbers, f.number)
	}
	return numbers
}

// indexBlock is how much of an index is read at once.
const indexBlock = 512 * ctf.IndexRecordLenMinor

// examine looks for the last good packet of a file: the last whole record whose
// packet the data file holds. The packets of a file stand in their order, so
// what is before it is good too.
func (st *Stream) examine(root *os.Root, number uint64) (storedFile, error) {
	f := storedFile{number: number}
	name := path.Join(st.dir, st.fileName(number))
	info, err := root.Lstat(name)
	if err != nil {
		return f, err
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("%s: %w", name, errReplaced)
	}
	index, err := root.Open(indexNameOf(name))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer index.Close()
	ixInfo, err := index.Stat()
	if err != nil || ixInfo.Size() < ctf.IndexHeaderLen {
		return f, err // cut in its making
	}
	head := make([]byte, ctf.IndexHeaderLen)
	if _, err := index.ReadAt(head, 0); err != nil {
		return f, err
	}
	h, err := ctf.ParseIndexHeader(head)
	if err != nil {
		return f, fmt.Errorf("index of %s: %w", name, err)
	}
	if int(h.RecordLen) != st.recordLen {
		return f, fmt.Errorf("index of %s: records of %d bytes, want %d", name, h.RecordLen, st.recordLen)
	}
	size := int64(h.RecordLen)
	buf := make([]byte, indexBlock)
	for last := (ixInfo.Size() - ctf.IndexHeaderLen) / size; last > 0; {
		first := max(last-int64(len(buf))/size, 0)
		b := buf[:(last-first)*size]
		if _, err := index.ReadAt(b, ctf.IndexHeaderLen+first*size); err != nil {
			return f, fmt.Errorf("index of %s: %w", name, err)
		}
		for ; last > first; last-- {
			e, err := ctf.ParseIndexEntry(b[(last-first-1)*size:], h.RecordLen)
			if err == nil && holds(info.Size(), &e) {
				f.records, f.last, f.end = last, e, int64(e.Offset+e.PacketSize/8)
				return f, nil
			}
		}
	}
	return f, nil
}

// holds reports whether a data file of that size has the whole packet. No packet
// is empty: a record of zeros is what a power failure leaves.
func holds(size int64, e *ctf.IndexEntry) bool {
	return e.PacketSize > 0 && e.PacketSize%8 == 0 && e.Offset <= uint64(size) && e.PacketSize/8 <= uint64(size)-e.Offset
}

// reopenFile goes on in a file that holds good packets; what is behind them is
// cut off.
func (st *Stream) reopenFile(c *chunk, s *storedFile) (*TraceFile, error) {
	name := path.Join(st.dir, st.fileName(s.number))
	osf, err := c.openFile(name, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("stream %d: reopen data file: %w", st.id, err)
	}
	f := &TraceFile{stream: st, chunk: c, number: s.number, name: name, size: s.end, recording: s.end, recorded: s.end}
	index, err := c.openFile(f.indexName(), os.O_RDWR)
	if err != nil {
		osf.Close()
		return nil, fmt.Errorf("stream %d: reopen index file: %w", st.id, err)
	}
	f.indexEnd = ctf.IndexHeaderLen + s.records*int64(st.recordLen)
	if err := errors.Join(osf.Truncate(s.end), index.Truncate(f.indexEnd)); err != nil {
		osf.Close()
		index.Close()
		return nil, fmt.Errorf("stream %d: cut to the last packet: %w", st.id, err)
	}
	files := st.session.store.opts.Files
	f.refs.Store(1)
	c.refs.Add(1)
	f.data = files.File(osf, func() (*os.File, error) { return c.openFile(name, os.O_RDWR) })
	f.index = files.File(index, func() (*os.File, error) { return c.openFile(f.indexName(), os.O_RDWR) })
	f.packets = uint64(s.records)
	return f, nil
}

// indexNameOf returns the name of a data file's index file.
func indexNameOf(name string) string {
	dir, base := path.Split(name)
	return path.Join(dir, indexDir, base+indexSuffix)
}
