// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// image is what a table file says.
type image struct {
	boot  [bootLen]byte
	pid   int
	state uint32
	files []followed
	dirs  map[uint32]directory // those in use that a file refers to
}

// followed is a file that was being written.
type followed struct {
	dir       uint32
	rel       string
	dev, ino  uint64
	committed int64
}

// directory is where files are looked for: under the current path, then under
// the other one. other is empty without a rename under way.
type directory struct {
	current, other string
}

// decoder reads a table file. It allocates no more than the file justifies.
type decoder struct {
	r    io.ReaderAt
	path string // for errors
	l    layout
	buf  [dirLen]byte
}

// decode reads a table file of size bytes. An error is a *[CorruptError], or
// one of r. A table whose making was cut short has the state tableNew.
func decode(r io.ReaderAt, size int64, path string) (*image, error) {
	d := &decoder{r: r, path: path}
	if size == 0 {
		return &image{state: tableNew}, nil
	}
	m, tops, err := d.header(size)
	if err != nil || m.state == tableNew {
		return m, err
	}
	if err := d.slots(m, tops.slots); err != nil {
		return nil, err
	}
	return m, d.directories(m, tops.dirs)
}

// read reads n bytes at off into the decoder's buffer.
func (d *decoder) read(off int64, n int) ([]byte, error) {
	b := d.buf[:n]
	got, err := d.r.ReadAt(b, off)
	if got == n {
		return b, nil
	}
	if err == io.EOF {
		return nil, d.corrupt("record length", off, uint64(got), uint64(n))
	}
	return nil, fmt.Errorf("read %s at offset %d: %w", d.path, off, err)
}

func (d *decoder) corrupt(field string, off int64, got, want uint64) error {
	return &CorruptError{Path: d.path, Field: field, Offset: off, Got: got, Want: want}
}

// header reads the header; the returned layout says how many records were ever
// used.
func (d *decoder) header(size int64) (*image, layout, error) {
	if size < headerUsed {
		return nil, layout{}, d.corrupt("file length", size, uint64(size), headerLen)
	}
	b, err := d.read(0, headerUsed)
	if err != nil {
		return nil, layout{}, err
	}
	ne := binary.NativeEndian
	m := &image{
		pid: int(ne.Uint32(b[headerPID:])), state: ne.Uint32(b[headerState:]),
		dirs: make(map[uint32]directory),
	}
	copy(m.boot[:], b[headerBoot:])
	if m.state == tableNew && (ne.Uint64(b) == 0 || ne.Uint64(b) == magic) {
		return m, layout{}, nil
	}
	if err := d.checkHeader(b, size); err != nil {
		return nil, layout{}, err
	}
	tops := layout{slots: ne.Uint32(b[headerSlotTop:]), dirs: ne.Uint32(b[headerDirTop:])}
	if tops.slots > d.l.slots {
		return nil, tops, d.corrupt("slots used", headerSlotTop, uint64(tops.slots), uint64(d.l.slots))
	}
	if tops.dirs > d.l.dirs {
		return nil, tops, d.corrupt("directories used", headerDirTop, uint64(tops.dirs), uint64(d.l.dirs))
	}
	return m, tops, nil
}

// checkHeader checks what never changes, and takes the layout from it.
func (d *decoder) checkHeader(b []byte, size int64) error {
	ne := binary.NativeEndian
	if got := ne.Uint64(b); got != magic {
		return d.corrupt("magic", 0, got, magic)
	}
	for _, f := range []struct {
		field string
		off   int64
		want  uint32
	}{
		{"version", 8, version},
		{"header length", 12, headerLen},
		{"slot length", 16, slotLen},
		{"directory length", 24, dirLen},
		{"header checksum", headerCRC, crc32.Checksum(b[:headerCRC], castagnoli)},
	} {
		if got := ne.Uint32(b[f.off:]); got != f.want {
			return d.corrupt(f.field, f.off, uint64(got), uint64(f.want))
		}
	}
	if got := ne.Uint32(b[headerState:]); got != tableOpen && got != tableClean {
		return d.corrupt("state", headerState, uint64(got), tableOpen)
	}
	d.l = layout{slots: ne.Uint32(b[headerSlots:]), dirs: ne.Uint32(b[headerDirs:])}
	if want := d.l.size(); size != want {
		return d.corrupt("file length", size, uint64(size), uint64(want))
	}
	return nil
}

// slots reads the slots that follow a file.
func (d *decoder) slots(m *image, top uint32) error {
	ne := binary.NativeEndian
	for i := range top {
		at := d.l.slot(i)
		b, err := d.read(at, slotLen)
		if err != nil {
			return err
		}
		switch state := ne.Uint32(b); state {
		case slotIdle:
			continue
		case slotFollows:
		default:
			return d.corrupt("slot state", at, uint64(state), slotFollows)
		}
		f, err := d.slot(b, at)
		if err != nil {
			return err
		}
		m.files = append(m.files, f)
	}
	return nil
}

// slot reads one slot, which stands at the offset at.
func (d *decoder) slot(b []byte, at int64) (followed, error) {
	ne := binary.NativeEndian
	n := ne.Uint32(b[slotRelLen:])
	if n == 0 || n > maxRel {
		return followed{}, d.corrupt("path length", at+slotRelLen, uint64(n), maxRel)
	}
	if got, want := ne.Uint32(b[slotCRC:]), slotSum(b, int(n)); got != want {
		return followed{}, d.corrupt("slot checksum", at+slotCRC, uint64(got), uint64(want))
	}
	committed := ne.Uint64(b[slotCommitted:])
	if committed > math.MaxInt64 {
		return followed{}, d.corrupt("committed length", at+slotCommitted, committed, math.MaxInt64)
	}
	dir := ne.Uint32(b[slotDir:])
	if dir >= d.l.dirs {
		return followed{}, d.corrupt("directory number", at+slotDir, uint64(dir), uint64(d.l.dirs))
	}
	return followed{
		dir: dir, rel: string(b[slotRel : slotRel+n]),
		dev: ne.Uint64(b[slotDev:]), ino: ne.Uint64(b[slotIno:]),
		committed: int64(committed),
	}, nil
}

// directories reads those that the files refer to.
func (d *decoder) directories(m *image, top uint32) error {
	for _, f := range m.files {
		if _, ok := m.dirs[f.dir]; ok {
			continue
		}
		at := d.l.dir(f.dir)
		if f.dir >= top {
			return d.corrupt("directories used", headerDirTop, uint64(top), uint64(f.dir)+1)
		}
		b, err := d.read(at, dirLen)
		if err != nil {
			return err
		}
		dir, err := d.directory(b, at)
		if err != nil {
			return err
		}
		m.dirs[f.dir] = dir
	}
	return nil
}

// directory reads one directory, which stands at the offset at.
func (d *decoder) directory(b []byte, at int64) (dir directory, err error) {
	state := binary.NativeEndian.Uint32(b)
	if state&dirUsed == 0 || state&^dirBits != 0 {
		return dir, d.corrupt("directory state", at, uint64(state), dirUsed)
	}
	second := state&dirSecond != 0
	if dir.current, err = d.text(b, at, second); err != nil {
		return dir, err
	}
	if state&dirOther != 0 {
		dir.other, err = d.text(b, at, !second)
	}
	return dir, err
}

// text reads one of a directory's paths.
func (d *decoder) text(b []byte, at int64, second bool) (string, error) {
	off := pathAt(second)
	b, at = b[off:off+pathLen], at+off
	ne := binary.NativeEndian
	n := ne.Uint32(b)
	if n == 0 || n > maxPath {
		return "", d.corrupt("path length", at, uint64(n), maxPath)
	}
	path := b[pathText : pathText+n]
	if got, want := ne.Uint32(b[4:]), crc32.Checksum(path, castagnoli); got != want {
		return "", d.corrupt("path checksum", at+4, uint64(got), uint64(want))
	}
	return string(path), nil
}
