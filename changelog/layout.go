// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// Lustre's changelog_rec, little-endian: the header, then the extensions that its
// flags name, then the extensions that the extra flags name, each list in the order
// of the flags, then the name area. docs/format/changelog.md has the table.
const (
	offNameLen = 0
	offFlags   = 2
	offType    = 4
	offIndex   = 8
	offPrev    = 16
	offTime    = 24
	offTarget  = 32
	offParent  = 48
	headerLen  = 64

	fidLen    = 16
	renameLen = 2 * fidLen
	jobLen    = JobMax + 1
	extraLen  = 8
	userLen   = 16
	nidLen    = 24 // of which NID takes 20
	openLen   = 4
	xattrLen  = NameMax + 1
)

// Flags of the header above those of type Flags.
const (
	flagVersion uint16 = 0x1000
	flagRename  uint16 = 0x2000
	flagJob     uint16 = 0x4000
	flagExtra   uint16 = 0x8000
	flagsLow    uint16 = 0x0FFF
)

// Extra flags.
const (
	extraUser  uint64 = 0x01
	extraNID   uint64 = 0x02
	extraOpen  uint64 = 0x04
	extraXattr uint64 = 0x08
	extraNIDBE uint64 = 0x10 // the NID is an lnet_nid; without it, of 64 bits
	extraAll   uint64 = 0x1F
)

// timeShift is where the seconds begin in the header's time; below are nanoseconds.
const timeShift = 30

var le = binary.LittleEndian

// isRename reports whether a record has the extension of renames.
func (r *Record) isRename() bool {
	return r.Type == Rename || len(r.SourceName) > 0 || !r.Source.IsZero() || !r.SourceParent.IsZero()
}

// extra returns the extra flags that a record needs.
func (r *Record) extra() uint64 {
	var e uint64
	if r.Has&HasUser != 0 {
		e |= extraUser
	}
	if r.Has&HasNID != 0 {
		e |= extraNID | extraNIDBE
	}
	if r.Has&HasOpen != 0 {
		e |= extraOpen
	}
	if r.Xattr != nil {
		e |= extraXattr
	}
	return e
}

// appendRec appends a changelog_rec with the given low flags.
func appendRec(dst []byte, r *Record, low Flags) []byte {
	name, source := limit(r.Name, NameMax), limit(r.SourceName, NameMax)
	rename, extra := r.isRename(), r.extra()
	nameLen, flags := len(name), uint16(low)&flagsLow|flagVersion
	if rename {
		nameLen += 1 + len(source)
		flags |= flagRename
	}
	if r.Job != nil {
		flags |= flagJob
	}
	if extra != 0 {
		flags |= flagExtra
	}
	dst = le.AppendUint16(dst, uint16(nameLen))
	dst = le.AppendUint16(dst, flags)
	dst = le.AppendUint32(dst, uint32(r.Type))
	dst = le.AppendUint64(dst, r.Index)
	dst = le.AppendUint64(dst, r.Prev)
	dst = le.AppendUint64(dst, packTime(r.Time))
	if r.Type == Mark {
		dst = r.appendMarkTarget(dst)
	} else {
		dst = r.Target.AppendBinary(dst)
	}
	dst = r.Parent.AppendBinary(dst)
	if rename {
		dst = r.SourceParent.AppendBinary(r.Source.AppendBinary(dst))
	}
	if r.Job != nil {
		dst = appendPadded(dst, r.Job, jobLen)
	}
	if extra != 0 {
		dst = r.appendExtra(le.AppendUint64(dst, extra), extra)
	}
	dst = append(dst, name...)
	if rename {
		dst = append(append(dst, 0), source...)
	}
	return dst
}

// appendMarkTarget appends the marker's flag where other records have their object.
func (r *Record) appendMarkTarget(dst []byte) []byte {
	var kind MarkKind
	if r.Mark != nil {
		kind = r.Mark.Kind
	}
	return FID{Seq: uint64(kind)}.AppendBinary(dst)
}

func (r *Record) appendExtra(dst []byte, extra uint64) []byte {
	if extra&extraUser != 0 {
		dst = le.AppendUint64(dst, uint64(r.UID))
		dst = le.AppendUint64(dst, uint64(r.GID))
	}
	if extra&extraNID != 0 {
		dst = append(dst, r.NID[:]...)
		dst = append(dst, make([]byte, nidLen-len(r.NID))...)
	}
	if extra&extraOpen != 0 {
		dst = le.AppendUint32(dst, r.Open)
	}
	if extra&extraXattr != 0 {
		dst = appendPadded(dst, r.Xattr, xattrLen)
	}
	return dst
}

// appendPadded appends a text with zeros behind it, at least one, up to a size.
func appendPadded(dst, text []byte, size int) []byte {
	dst = append(dst, limit(text, size-1)...)
	for n := min(len(text), size-1); n < size; n++ {
		dst = append(dst, 0)
	}
	return dst
}

// decoder reads a record from the front of a buffer.
type decoder struct {
	form string
	b    []byte
	off  int
}

// fail returns the error of a field that begins at offset.
func (d *decoder) fail(field string, offset int, got, want string) error {
	return &Error{Form: d.form, Field: field, Offset: offset, Got: got, Want: want}
}

// take returns the next n bytes, which are the field of that name.
func (d *decoder) take(n int, field string) ([]byte, error) {
	if len(d.b)-d.off < n {
		return nil, d.fail(field, d.off, strconv.Itoa(len(d.b)-d.off)+" bytes", strconv.Itoa(n))
	}
	at := d.off
	d.off += n
	return d.b[at:d.off:d.off], nil
}

// rec reads a changelog_rec into r, which must be empty.
func (d *decoder) rec(r *Record) error {
	h, err := d.take(headerLen, "header")
	if err != nil {
		return err
	}
	flags, nameLen := le.Uint16(h[offFlags:]), int(le.Uint16(h[offNameLen:]))
	if err := d.header(h, r); err != nil {
		return err
	}
	if flags&flagRename != 0 {
		b, err := d.take(renameLen, "rename")
		if err != nil {
			return err
		}
		r.Source, r.SourceParent = fidAt(b), fidAt(b[fidLen:])
	}
	if flags&flagJob != 0 {
		if r.Job, err = d.padded(jobLen, "jobid"); err != nil {
			return err
		}
	}
	if flags&flagExtra != 0 {
		if err := d.extra(r); err != nil {
			return err
		}
	}
	return d.names(r, nameLen, flags&flagRename != 0)
}

// header reads the fields of the header that every record has.
func (d *decoder) header(h []byte, r *Record) error {
	flags, typ := le.Uint16(h[offFlags:]), le.Uint32(h[offType:])
	if flags&flagVersion == 0 {
		return d.fail("flags", offFlags, fmt.Sprintf("%#x", flags), "flag 0x1000")
	}
	if typ >= uint32(numTypes) {
		return d.fail("type", offType, strconv.FormatUint(uint64(typ), 10), "at most "+strconv.Itoa(int(numTypes-1)))
	}
	r.Flags, r.Type = Flags(flags&flagsLow), Type(typ)
	r.Index, r.Prev = le.Uint64(h[offIndex:]), le.Uint64(h[offPrev:])
	packed := le.Uint64(h[offTime:])
	var ok bool
	if r.Time, ok = unpackTime(packed); !ok {
		return d.fail("time", offTime, fmt.Sprintf("%d s, %d ns", packed>>timeShift, packed&(1<<timeShift-1)),
			fmt.Sprintf("at most %d s, less than 1000000000 ns", maxSeconds))
	}
	r.Target, r.Parent = fidAt(h[offTarget:]), fidAt(h[offParent:])
	if r.Type != Mark {
		return nil
	}
	if r.Target.Seq > math.MaxUint32 || r.Target.OID != 0 || r.Target.Ver != 0 {
		return d.fail("markerflags", offTarget, r.Target.String(), "4 bytes and 12 zeros")
	}
	r.Mark = &Marker{Kind: MarkKind(r.Target.Seq)}
	r.Target = FID{}
	return nil
}

// extra reads the extra flags and what they name.
func (d *decoder) extra(r *Record) error {
	at := d.off
	b, err := d.take(extraLen, "extra flags")
	if err != nil {
		return err
	}
	extra := le.Uint64(b)
	if extra&^extraAll != 0 {
		return d.fail("extra flags", at, fmt.Sprintf("%#x", extra), fmt.Sprintf("none but %#x", extraAll))
	}
	if extra&extraUser != 0 {
		if err := d.user(r); err != nil {
			return err
		}
	}
	if extra&extraNID != 0 {
		if b, err = d.take(nidLen, "nid"); err != nil {
			return err
		}
		r.Has |= HasNID
		if extra&extraNIDBE != 0 {
			r.NID = NID(b[:len(r.NID)])
		} else if r.NID, err = d.oldNID(b); err != nil {
			return err
		}
	}
	if extra&extraOpen != 0 {
		if b, err = d.take(openLen, "openflags"); err != nil {
			return err
		}
		r.Has |= HasOpen
		r.Open = le.Uint32(b)
	}
	if extra&extraXattr != 0 {
		if r.Xattr, err = d.padded(xattrLen, "xattr"); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) oldNID(b []byte) (NID, error) {
	v := le.Uint64(b)
	n, ok := NIDOfUint64(v)
	if !ok {
		return n, d.fail("nid", d.off-nidLen, fmt.Sprintf("%#x", v), "a type below 256")
	}
	return n, nil
}

// user reads the ids of the user: 64 bits each in the record, 32 in the kernel. All
// ones stand for unknown at either width.
func (d *decoder) user(r *Record) error {
	at := d.off
	b, err := d.take(userLen, "uidgid")
	if err != nil {
		return err
	}
	uid, gid := le.Uint64(b), le.Uint64(b[8:])
	if uid > Unknown && uid != math.MaxUint64 {
		return d.fail("uid", at, strconv.FormatUint(uid, 10), "at most 4294967295")
	}
	if gid > Unknown && gid != math.MaxUint64 {
		return d.fail("gid", at+8, strconv.FormatUint(gid, 10), "at most 4294967295")
	}
	r.UID, r.GID = uint32(uid), uint32(gid)
	r.Has |= HasUser
	return nil
}

// padded reads a text that ends at the first zero of a field. It is not nil.
func (d *decoder) padded(size int, field string) ([]byte, error) {
	at := d.off
	b, err := d.take(size, field)
	if err != nil {
		return nil, err
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return nil, d.fail(field, at, quoted(b), "a zero within "+strconv.Itoa(size)+" bytes")
	}
	return b[:end:end], nil
}

// names reads the name area: a name, and in renames a zero and the old name.
func (d *decoder) names(r *Record, size int, rename bool) error {
	at := d.off
	b, err := d.take(size, "name")
	if err != nil {
		return err
	}
	zero := bytes.IndexByte(b, 0)
	name, source := b, []byte(nil)
	switch {
	case rename && zero >= 0:
		name, source = b[:zero:zero], b[zero+1:]
		if i := bytes.IndexByte(source, 0); i >= 0 {
			return d.fail("sname", at+zero+1+i, "a zero", "one in all the names")
		}
	case zero >= 0:
		return d.fail("name", at+zero, "a zero", "none in a record that is not a rename")
	}
	if len(name) > NameMax {
		return d.fail("name", at, strconv.Itoa(len(name))+" bytes", "at most "+strconv.Itoa(NameMax))
	}
	if len(source) > NameMax {
		return d.fail("sname", at+zero+1, strconv.Itoa(len(source))+" bytes", "at most "+strconv.Itoa(NameMax))
	}
	if len(name) > 0 {
		r.Name = name
	}
	if len(source) > 0 {
		r.SourceName = source
	}
	return nil
}

// maxSeconds is the last second of which all nanoseconds fit into an int64.
const maxSeconds = math.MaxInt64/1_000_000_000 - 1

// packTime makes the header's time of nanoseconds. Times before 1970 become 0.
func packTime(ns int64) uint64 {
	if ns < 0 {
		return 0
	}
	s, n := uint64(ns)/1e9, uint64(ns)%1e9
	return s<<timeShift | n
}

func unpackTime(t uint64) (ns int64, ok bool) {
	s, n := t>>timeShift, t&(1<<timeShift-1)
	if s > maxSeconds || n >= 1e9 {
		return 0, false
	}
	return int64(s*1e9 + n), true
}
