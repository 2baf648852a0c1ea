// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"bytes"
	"fmt"
	"strconv"
)

// Tags of the blocks behind the name area of a native record: u16 tag, u16 length,
// value. The first begins at a multiple of 8 from the record's begin, each other
// where the one before ends. Readers skip tags that they do not know.
const (
	tagReint      = 1
	tagAttr       = 2
	tagPath       = 3
	tagSourcePath = 4
	tagLink       = 5
	tagProc       = 6
	tagMark       = 7
	tagMerged     = 8
	tagHost       = 9
	tagPathCut    = 10
	tagEdge       = 11

	tagsKnown = 12 // one above the last
	blockLen  = 4  // tag and length
	alignment = 8

	attrLen = 72
	procLen = 52
	commLen = 16
)

// blockNames are what errors call the blocks.
var blockNames = [tagsKnown]string{
	tagReint: "reint", tagAttr: "attr", tagPath: "path", tagSourcePath: "spath", tagLink: "link", tagProc: "proc",
	tagMark: "mark", tagMerged: "merged", tagHost: "host", tagPathCut: "path_truncated", tagEdge: "edge",
}

// blockSizes are the lengths of blocks; -1 where they differ.
var blockSizes = [tagsKnown]int{
	tagReint: len(Reint{}), tagAttr: attrLen, tagPath: -1, tagSourcePath: -1, tagLink: -1, tagProc: procLen,
	tagMark: -1, tagMerged: 4, tagHost: 16, tagPathCut: 0, tagEdge: 1,
}

// AppendNative appends a record in native form, at most RecordMax bytes. Equal
// records give equal bytes. Names must not hold a zero.
func AppendNative(dst []byte, r *Record) []byte {
	begin := len(dst)
	dst = appendRec(dst, r, r.Flags)
	if !r.hasBlocks() {
		return dst
	}
	for (len(dst)-begin)%alignment != 0 {
		dst = append(dst, 0)
	}
	if r.Has&HasReint != 0 {
		dst = append(appendBlock(dst, tagReint, len(r.Reint)), r.Reint[:]...)
	}
	if r.Has&HasAttr != 0 {
		dst = r.Attr.append(appendBlock(dst, tagAttr, attrLen))
	}
	path, source, cut := r.paths()
	dst = appendText(dst, tagPath, path)
	dst = appendText(dst, tagSourcePath, source)
	dst = appendText(dst, tagLink, limit(r.Link, LinkMax))
	if r.Has&HasProc != 0 {
		dst = r.Proc.append(appendBlock(dst, tagProc, procLen))
	}
	if r.Type == Mark && r.Mark != nil {
		dst = appendMarkBlock(dst, r.Mark)
	}
	if r.Merged != 0 {
		dst = le.AppendUint32(appendBlock(dst, tagMerged, 4), r.Merged)
	}
	if r.Has&HasHost != 0 {
		dst = append(appendBlock(dst, tagHost, len(r.Host)), r.Host[:]...)
	}
	if cut {
		dst = appendBlock(dst, tagPathCut, 0)
	}
	if r.Edge != EdgeNone {
		dst = append(appendBlock(dst, tagEdge, 1), byte(r.Edge))
	}
	return dst
}

func (r *Record) hasBlocks() bool {
	return r.Has&(HasReint|HasAttr|HasProc|HasHost|PathCut) != 0 || r.Path != nil || r.SourcePath != nil || r.Link != nil ||
		r.Type == Mark && r.Mark != nil || r.Merged != 0 || r.Edge != EdgeNone
}

func appendBlock(dst []byte, tag, size int) []byte {
	return le.AppendUint16(le.AppendUint16(dst, uint16(tag)), uint16(size))
}

// appendText appends a block of a text unless it is nil.
func appendText(dst []byte, tag int, text []byte) []byte {
	if text == nil {
		return dst
	}
	return append(appendBlock(dst, tag, len(text)), text...)
}

// appendMarkBlock appends the marker as JSON, whose length is known only behind it.
func appendMarkBlock(dst []byte, m *Marker) []byte {
	dst = appendBlock(dst, tagMark, 0)
	begin := len(dst)
	dst = m.AppendJSON(dst)
	le.PutUint16(dst[begin-2:], uint16(len(dst)-begin))
	return dst
}

// DecodeNative reads a record in native form, which must be all of b, into r. What
// was in r before is gone. The slices of r point into b. It allocates nothing but
// the Marker of a mark. Errors are of type *Error.
func DecodeNative(b []byte, r *Record) error {
	*r = Record{}
	d := decoder{form: "native record", b: b}
	if len(b) > RecordMax {
		return d.fail("", 0, strconv.Itoa(len(b))+" bytes", "at most "+strconv.Itoa(RecordMax))
	}
	if err := d.rec(r); err != nil {
		return err
	}
	if d.off == len(b) {
		return nil
	}
	pad, err := d.take(-d.off&(alignment-1), "padding")
	if err != nil {
		return err
	}
	for i, c := range pad {
		if c != 0 {
			return d.fail("padding", d.off-len(pad)+i, fmt.Sprintf("%#02x", c), "0")
		}
	}
	if d.off == len(b) {
		return d.fail("padding", d.off, "the end", "a block behind it")
	}
	var seen uint32
	for d.off < len(b) {
		if err := d.block(r, &seen); err != nil {
			return err
		}
	}
	return nil
}

// block reads the next block. seen has a bit for each tag that came before.
func (d *decoder) block(r *Record, seen *uint32) error {
	head, err := d.take(blockLen, "block")
	if err != nil {
		return err
	}
	tag, size := int(le.Uint16(head)), int(le.Uint16(head[2:]))
	if tag == 0 || tag >= tagsKnown {
		_, err := d.take(size, "block "+strconv.Itoa(tag))
		return err
	}
	name, at := blockNames[tag], d.off
	if want := blockSizes[tag]; want >= 0 && size != want {
		return d.fail(name, at-2, strconv.Itoa(size)+" bytes", strconv.Itoa(want))
	}
	if *seen&(1<<tag) != 0 {
		return d.fail(name, at-blockLen, "a second one", "one")
	}
	*seen |= 1 << tag
	b, err := d.take(size, name)
	if err != nil {
		return err
	}
	return d.value(r, tag, at, b)
}

// value puts the value of a block, which begins at offset at, into r.
func (d *decoder) value(r *Record, tag, at int, b []byte) error {
	switch tag {
	case tagReint:
		r.Reint, r.Has = Reint(b), r.Has|HasReint
	case tagAttr:
		r.Attr.decode(b)
		r.Has |= HasAttr
	case tagPath:
		r.Path = b
		return d.text(tag, at, b, PathMax)
	case tagSourcePath:
		r.SourcePath = b
		return d.text(tag, at, b, PathMax)
	case tagLink:
		r.Link = b
		return d.text(tag, at, b, LinkMax)
	case tagProc:
		r.Has |= HasProc
		return d.proc(&r.Proc, at, b)
	case tagMark:
		return d.mark(r, at, b)
	case tagMerged:
		r.Merged = le.Uint32(b)
	case tagHost:
		r.Host, r.Has = [16]byte(b), r.Has|HasHost
	case tagPathCut:
		r.Has |= PathCut
	case tagEdge:
		r.Edge = Edge(b[0])
		if r.Edge == EdgeNone || r.Edge > EdgeOut {
			return d.fail("edge", at, strconv.Itoa(int(b[0])), "1 or 2")
		}
	}
	return nil
}

// text refuses a text that is longer than it may be or has a zero in it.
func (d *decoder) text(tag, at int, b []byte, most int) error {
	if len(b) > most {
		return d.fail(blockNames[tag], at, strconv.Itoa(len(b))+" bytes", "at most "+strconv.Itoa(most))
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return d.fail(blockNames[tag], at+i, "a zero", "none")
	}
	return nil
}

// mark reads the marker, whose kind stands in the header too.
func (d *decoder) mark(r *Record, at int, b []byte) error {
	if r.Mark == nil {
		return d.fail("mark", at, "a mark", "none in a record of type "+r.Type.String())
	}
	kind := r.Mark.Kind
	if err := r.Mark.decodeJSON(d.form, b, at); err != nil {
		return err
	}
	if r.Mark.Kind != kind {
		return d.fail("mark", at, "kind "+r.Mark.Kind.String(), kind.String()+", as the header has it")
	}
	return nil
}

func (a *Attr) append(dst []byte) []byte {
	dst = le.AppendUint64(dst, uint64(a.Valid))
	dst = le.AppendUint32(dst, a.Mode)
	dst = le.AppendUint32(dst, a.Links)
	dst = le.AppendUint32(dst, a.UID)
	dst = le.AppendUint32(dst, a.GID)
	dst = le.AppendUint64(dst, a.Size)
	dst = le.AppendUint64(dst, a.Blocks)
	dst = le.AppendUint64(dst, uint64(a.Atime))
	dst = le.AppendUint64(dst, uint64(a.Mtime))
	dst = le.AppendUint64(dst, uint64(a.Ctime))
	dst = le.AppendUint32(dst, a.RdevMajor)
	return le.AppendUint32(dst, a.RdevMinor)
}

func (a *Attr) decode(b []byte) {
	_ = b[attrLen-1]
	a.Valid = Valid(le.Uint64(b))
	a.Mode, a.Links = le.Uint32(b[8:]), le.Uint32(b[12:])
	a.UID, a.GID = le.Uint32(b[16:]), le.Uint32(b[20:])
	a.Size, a.Blocks = le.Uint64(b[24:]), le.Uint64(b[32:])
	a.Atime, a.Mtime, a.Ctime = int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))
	a.RdevMajor, a.RdevMinor = le.Uint32(b[64:]), le.Uint32(b[68:])
}

func (p *Proc) append(dst []byte) []byte {
	dst = le.AppendUint32(dst, p.PID)
	dst = le.AppendUint32(dst, p.TID)
	dst = le.AppendUint32(dst, p.PPID)
	dst = le.AppendUint32(dst, p.LoginUID)
	dst = le.AppendUint32(dst, p.FSUID)
	dst = le.AppendUint32(dst, p.FSGID)
	dst = le.AppendUint64(dst, p.Cgroup)
	dst = append(dst, byte(p.By), 0, 0, 0)
	return append(dst, p.Comm[:]...)
}

func (d *decoder) proc(p *Proc, at int, b []byte) error {
	_ = b[procLen-1]
	p.PID, p.TID, p.PPID = le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])
	p.LoginUID, p.FSUID, p.FSGID = le.Uint32(b[12:]), le.Uint32(b[16:]), le.Uint32(b[20:])
	p.Cgroup, p.By = le.Uint64(b[24:]), By(b[32])
	if p.By > ByOwner {
		return d.fail("proc by", at+32, strconv.Itoa(int(p.By)), "at most "+strconv.Itoa(int(ByOwner)))
	}
	p.Comm = [commLen]byte(b[36:])
	return nil
}
