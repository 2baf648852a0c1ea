// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "strconv"

// flagsOwn are weir's flags; HSM records have bits of Lustre's at their place.
const flagsOwn = FlagSynth | FlagMerged | FlagPartial | FlagGone

// own returns those of a record's flags that are weir's.
func (r *Record) own() Flags {
	if r.Type == HSM {
		return 0
	}
	return r.Flags & flagsOwn
}

// AppendLustre appends a record as a changelog_rec, as Lustre 2.16 lays it out: the
// native form without its blocks and without weir's flags. It takes at most 952
// bytes. Names must not hold a zero.
func AppendLustre(dst []byte, r *Record) []byte {
	return appendRec(dst, r, r.Flags&^r.own())
}

// DecodeLustre reads a changelog_rec, which must be all of b, into r; LustreLen cuts
// one from a buffer of several. What was in r before is gone. The slices of r point
// into b. It allocates nothing but the Marker of a mark. Errors are of type *Error.
func DecodeLustre(b []byte, r *Record) error {
	*r = Record{}
	d := decoder{form: "lustre record", b: b}
	if err := d.rec(r); err != nil {
		return err
	}
	if d.off < len(b) {
		return d.fail("", d.off, strconv.Itoa(len(b)-d.off)+" bytes more", "the end")
	}
	return nil
}

// LustreLen returns how many bytes the changelog_rec at the front of b takes.
func LustreLen(b []byte) (int, error) {
	var r Record
	d := decoder{form: "lustre record", b: b}
	if err := d.rec(&r); err != nil {
		return 0, err
	}
	return d.off, nil
}

// Header is what stands at the same place in every binary record.
type Header struct {
	Index uint64
	Type  Type
	Flags Flags
	Time  int64 // nanoseconds since 1970; 0 if it is not valid
}

// Peek reads the header of a record in native or Lustre's form without a look at the
// rest. It is false if b is too short or the type is unknown.
func Peek(b []byte) (h Header, ok bool) {
	if len(b) < headerLen || le.Uint32(b[offType:]) >= uint32(numTypes) {
		return h, false
	}
	h.Index, h.Type = le.Uint64(b[offIndex:]), Type(le.Uint32(b[offType:]))
	h.Flags = Flags(le.Uint16(b[offFlags:]) & flagsLow)
	h.Time, _ = unpackTime(le.Uint64(b[offTime:]))
	return h, true
}
