// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "strconv"

// AppendText appends a record as "lfs changelog" prints it, in UTC and without a
// line end:
//
//	INDEX NNTYPE HH:MM:SS.nnnnnnnnn YYYY.MM.DD 0xFLAGS t=FID [j=JOB] [ef=0xEXTRA] [u=UID:GID]
//	[nid=NID] [m=rwx] [x=XATTR] [p=PFID] [NAME] [s=SFID sp=SPFID SNAME]
//
// The name of a mark is its kind, and its reason if it has one. Names are written as they are: one with a line end in it goes on in the next line,
// and may look like another record there. Programs that must not be fooled read
// JSON.
func AppendText(dst []byte, r *Record) []byte {
	dst = strconv.AppendUint(dst, r.Index, 10)
	dst = appendDigits(append(dst, ' '), int(r.Type), 2)
	word := r.Type.String()
	dst = append(dst, word...)
	for n := len(word); n < typeWidth; n++ {
		dst = append(dst, ' ')
	}
	dst = appendClock(append(dst, ' '), r.Time)
	dst = appendDate(append(dst, ' '), r.Time, '.')
	dst = appendHex(append(dst, ' '), uint64(uint16(r.Flags)&flagsLow))
	target := r.Target
	if r.Type == Mark {
		target = FID{}
		if r.Mark != nil {
			target.Seq = uint64(r.Mark.Kind)
		}
	}
	dst = appendTextFID(append(dst, " t="...), target)
	if r.Job != nil {
		dst = append(append(dst, " j="...), limit(r.Job, JobMax)...)
	}
	dst = r.appendTextExtra(dst)
	if !r.Parent.IsZero() {
		dst = appendTextFID(append(dst, " p="...), r.Parent)
	}
	rename := r.isRename()
	switch {
	case rename || len(r.Name) > 0:
		dst = append(append(dst, ' '), limit(r.Name, NameMax)...)
	case r.Mark != nil:
		dst = r.Mark.appendName(append(dst, ' '))
	}
	if rename && !r.Source.IsZero() {
		dst = appendTextFID(append(dst, " s="...), r.Source)
		dst = appendTextFID(append(dst, " sp="...), r.SourceParent)
		dst = append(append(dst, ' '), limit(r.SourceName, NameMax)...)
	}
	return dst
}

// appendName appends what stands for a mark's name in texts.
func (m *Marker) appendName(dst []byte) []byte {
	dst = append(dst, m.Kind.String()...)
	if isWord(m.Reason) {
		dst = append(append(dst, ' '), m.Reason...)
	}
	return dst
}

// isWord reports whether a reason is one as weir has them: others could be anything.
func isWord(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

const typeWidth = 5

func (r *Record) appendTextExtra(dst []byte) []byte {
	extra := r.extra()
	if extra == 0 {
		return dst
	}
	dst = appendHex(append(dst, " ef="...), extra)
	if extra&extraUser != 0 {
		dst = strconv.AppendUint(append(dst, " u="...), uint64(r.UID), 10)
		dst = strconv.AppendUint(append(dst, ':'), uint64(r.GID), 10)
	}
	if extra&extraNID != 0 {
		dst = r.NID.AppendText(append(dst, " nid="...))
	}
	if extra&extraOpen != 0 {
		dst = append(dst, " m="...)
		for i, c := range [...]byte{'r', 'w', 'x'} {
			if r.Open&(1<<i) == 0 {
				c = '-'
			}
			dst = append(dst, c)
		}
	}
	if extra&extraXattr != 0 {
		dst = append(append(dst, " x="...), limit(r.Xattr, NameMax)...)
	}
	return dst
}

// appendHex appends a number as C's %#x does but for zero, which is 0x0.
func appendHex(dst []byte, v uint64) []byte { return strconv.AppendUint(append(dst, "0x"...), v, 16) }

// appendTextFID appends a FID as C prints it: the first number without 0x if it is 0.
func appendTextFID(dst []byte, f FID) []byte {
	if f.Seq != 0 {
		return f.AppendText(dst)
	}
	dst = append(dst, "[0:"...)
	dst = append(appendHex(dst, uint64(f.OID)), ':')
	return append(appendHex(dst, uint64(f.Ver)), ']')
}
