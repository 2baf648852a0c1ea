// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weir-io/weir/ctf/schema"
)

// Repair is what makes a file of a trace readable again.
type Repair struct {
	Path   string
	Size   int64 // bytes that stay
	Cut    int64 // bytes behind them, that go
	Remove bool  // the file goes: an index without which readers make their own
}

// Do carries the repair out, on a file that has the size it had. A link is refused.
func (r *Repair) Do() error {
	if r.Remove {
		return os.Remove(r.Path)
	}
	f, err := os.OpenFile(r.Path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != r.Size+r.Cut {
		err = fmt.Errorf("%s: got %d bytes, want the %d that there were: somebody writes it", r.Path, info.Size(), r.Size+r.Cut)
	}
	if err == nil {
		err = f.Truncate(r.Size)
	}
	return errors.Join(err, f.Close())
}

// RepairTrace cuts off what a writer that was killed left behind the last whole
// packet of the data files of a directory, and of their indexes, so that readers
// that take whole packets only, as babeltrace2 does, read the trace again. It
// returns the number of bytes that it took from each data file, by path.
//
// It does what [FindRepairs] finds. No writer may be at work.
func RepairTrace(dir string) (cut map[string]int64, err error) {
	repairs, err := FindRepairs(dir)
	if repairs == nil && err != nil {
		return nil, err
	}
	cut = map[string]int64{}
	errs := []error{err}
	for i := range repairs {
		r := &repairs[i]
		if err := r.Do(); err != nil {
			errs = append(errs, err)
		} else if filepath.Ext(r.Path) != indexSuffix {
			cut[r.Path] = r.Cut
		}
	}
	return cut, errors.Join(errs...)
}

// FindRepairs returns what a directory's data files and indexes need when their
// writer was killed, or the host was.
//
// Of a data file nothing goes but the begin of a packet that the file does not hold
// to its end, and zeros behind the last packet, which a file system leaves where data
// did not get to the disk; and a last packet that cannot be decoded, or has events after
// its end, where such zeros begin. A file with something else there stays as it is, and
// its error is among those returned. Of an index what goes is a torn record, and
// records of packets that the data file does not hold.
func FindRepairs(dir string) ([]Repair, error) {
	t, err := OpenTrace(dir, Options{})
	if err != nil {
		return nil, err
	}
	repairs := []Repair{}
	var errs []error
	for _, f := range t.files {
		found, err := f.repairs(t)
		repairs = append(repairs, found...)
		errs = append(errs, err)
	}
	return repairs, errors.Join(errs...)
}

// repairs are those of the file and its index.
func (f *dataFile) repairs(t *Trace) (all []Repair, err error) {
	var end int64
	if n := len(f.packets); n > 0 {
		end = f.packets[n-1].Offset + int64(f.packets[n-1].Size/8)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	torn := info.Size() - end
	ok := torn == 0 && f.err == nil
	if torn > 0 {
		if ok, err = f.canGo(t, end, torn); err != nil {
			return nil, errors.Join(err, f.err)
		}
	}
	if !ok {
		return nil, f.err
	}
	for n := len(f.packets); n > 0; n-- {
		last := &f.packets[n-1]
		zeroed, all, err := f.zeroed(t, last)
		if err != nil {
			return nil, err
		}
		if zeroed {
			end, torn = last.Offset, info.Size()-last.Offset
		}
		if !zeroed || !all { // the zeros reach into the one before only through this one
			break
		}
	}
	if torn > 0 {
		all = append(all, Repair{Path: f.path, Size: end, Cut: torn})
	}
	index, err := f.indexRepair(end)
	if index != nil {
		all = append(all, *index)
	}
	return all, err
}

// canGo reports whether n bytes at an offset may go: when they begin as the file
// does, with what a packet's header begins with, and do not hold the packet, or
// nothing but zeros behind a part of the header; or when there are only zeros.
func (f *dataFile) canGo(t *Trace, offset, n int64) (bool, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	there, err := lastByte(io.NewSectionReader(file, offset, n))
	if err != nil || there == 0 {
		return there == 0, err
	}
	if !errors.Is(f.err, ErrTorn) && f.err != nil && there >= f.head(t, file, offset+n) {
		return false, nil
	}
	const magicLen = 4
	first, begin := make([]byte, min(there, magicLen)), make([]byte, min(there, magicLen))
	_, err1 := file.ReadAt(first, 0)
	_, err2 := file.ReadAt(begin, offset)
	return bytes.Equal(first, begin), errors.Join(err1, err2)
}

// zeroed reports whether a packet ends with zeros that a file system has left in the
// place of what did not get to the disk: whether it cannot be decoded, or has an event
// after its end, where its last bytes that are not zero end; and whether it is all zeros.
func (f *dataFile) zeroed(t *Trace, p *PacketInfo) (zeroed, all bool, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return false, false, err
	}
	defer file.Close()
	content := int64(p.ContentSize / 8)
	if plan := t.plan(f.class); content == 0 || !plan.roles[schema.RolePacketSize] && !plan.roles[schema.RoleContentSize] {
		return false, false, nil // the file is the packet
	}
	there, err := lastByte(io.NewSectionReader(file, p.Offset, content))
	if err != nil || there == content || there == 0 {
		return there == 0, there == 0, err
	}
	bad, err := f.firstBad(t, p, file)
	if err != nil {
		return false, false, err
	}
	// What is cut in two is a field of a few bytes, or an event's header.
	const most = 16
	return bad >= 0 && bad+most >= there, false, nil
}

// firstBad returns where in a packet the first thing is that no reader takes, in bytes;
// -1 if there is none.
func (f *dataFile) firstBad(t *Trace, p *PacketInfo, file *os.File) (at int64, err error) {
	d := newDecoder(f.path, t.plan(f.class), maxWindow)
	err = d.open(rawPacket{data: file, offset: p.Offset, avail: int64(p.Size / 8), info: p})
	head := int64(d.packet.end+7) / 8
	for ok := err == nil; ok; {
		head = 0
		begin := int64(d.m.base+d.m.pos) / 8
		// An end of which only the lower bits are there says nothing of what is after it.
		if ok, err = d.next(); ok && d.packet.Has&HasEnd != 0 && d.plan.endSize == 64 && d.event.Cycles > d.packet.End {
			return begin, nil
		}
	}
	if err == nil {
		return -1, nil
	}
	if bad, isBad := errors.AsType[*PacketError](err); isBad && bad.Err == nil {
		return max(int64(bad.Bit/8), head), nil // of header and context it says what, not where
	}
	return 0, err
}

// head is how many bytes the header and context of the file's packets have, as far as
// the first one tells.
func (f *dataFile) head(t *Trace, file *os.File, size int64) int64 {
	plan := newScanner(t).probe
	if f.class != nil {
		plan = t.plan(f.class)
	}
	d := newDecoder(f.path, plan, scanWindow)
	d.probe = f.class == nil
	_ = d.open(rawPacket{data: file, avail: size}) // it may be wrong: its length is what counts
	return int64(d.packet.end+7) / 8
}

// lastByte returns how many bytes there are up to the last that is not zero.
func lastByte(r io.Reader) (n int64, err error) {
	b := make([]byte, 64<<10)
	for at := int64(0); ; {
		got, err := r.Read(b)
		if there := len(bytes.TrimRight(b[:got], "\x00")); there > 0 {
			n = at + int64(there)
		}
		at += int64(got)
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

const indexSuffix = ".idx"

// indexRepair is that of the file's index, nil if it needs none: up to the last
// record of a packet within the first end bytes of the data. Without one the file
// goes.
func (f *dataFile) indexRepair(end int64) (*Repair, error) {
	path := filepath.Join(filepath.Dir(f.path), "index", filepath.Base(f.path)+indexSuffix)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	size := int64(len(b))
	h, err := ParseIndexHeader(b)
	if err != nil {
		return &Repair{Path: path, Cut: size, Remove: true}, nil
	}
	keep := int64(IndexHeaderLen)
	for n := int64(h.RecordLen); keep+n <= size; keep += n {
		r, err := ParseIndexEntry(b[keep:], h.RecordLen)
		if err != nil || r.PacketSize == 0 || r.Offset > uint64(end) || r.PacketSize/8 > uint64(end)-r.Offset {
			break
		}
	}
	switch {
	case keep == IndexHeaderLen:
		return &Repair{Path: path, Cut: size, Remove: true}, nil
	case keep < size:
		return &Repair{Path: path, Size: keep, Cut: size - keep}, nil
	}
	return nil, nil
}
