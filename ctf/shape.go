// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"

	"github.com/weir-io/weir/ctf/schema"
)

// headerShape says whether an event header is one of the two that LTTng writes,
// which are decoded without a plan.
type headerShape uint8

const (
	generalHeader headerShape = iota
	compactHeader             // id 5 bits, timestamp 27 bits; or 31, id 32, timestamp 64
	largeHeader               // id 16 bits, timestamp 32 bits; or 65535, id 32, timestamp 64
)

// shapeOf recognises LTTng's event headers in packed little-endian form.
func shapeOf(h *schema.Struct) headerShape {
	if h == nil || len(h.Members) != 2 || h.Alignment() != 8 {
		return generalHeader
	}
	id, ok1 := h.Members[0].Class.(*schema.Integer)
	v, ok2 := h.Members[1].Class.(*schema.Variant)
	if !ok1 || !ok2 || id.Role != schema.RoleEventClassID || id.Clock != nil || len(v.Options) != 2 ||
		v.Tag.Scope != schema.EventHeader || len(v.Tag.Path) != 1 || v.Tag.Path[0] != h.Members[0].SpelledName() {
		return generalHeader
	}
	for shape, want := range map[headerShape]struct{ id, ts uint8 }{compactHeader: {5, 27}, largeHeader: {16, 32}} {
		last := uint64(1)<<want.id - 1
		if isPlain(id, want.id) &&
			isShort(&v.Options[0], want.ts, last) && isExtended(&v.Options[1], last) {
			return shape
		}
	}
	return generalHeader
}

// isPlain reports whether an integer is unsigned, packed and little-endian, and
// of a size.
func isPlain(f *schema.Integer, size uint8) bool {
	packed := f.Align <= 8
	if size%8 != 0 {
		packed = f.Align <= 1
	}
	return !f.Variable && !f.Signed && f.Size == size && packed && f.Order == schema.LittleEndian && !f.Reversed
}

// isShort recognises the option with a short timestamp, for ids below last.
func isShort(o *schema.Option, size uint8, last uint64) bool {
	s, ok := o.Class.(*schema.Struct)
	if !ok || len(s.Members) != 1 || !isOneRange(o.Ranges, 0, last-1) {
		return false
	}
	ts, ok := s.Members[0].Class.(*schema.Integer)
	return ok && s.Alignment() <= ts.Alignment() && isPlain(ts, size) && isTime(ts)
}

// isExtended recognises the option with the full id and timestamp.
func isExtended(o *schema.Option, last uint64) bool {
	s, ok := o.Class.(*schema.Struct)
	if !ok || len(s.Members) != 2 || s.Alignment() != 8 || !isOneRange(o.Ranges, last, last) {
		return false
	}
	id, ok1 := s.Members[0].Class.(*schema.Integer)
	ts, ok2 := s.Members[1].Class.(*schema.Integer)
	return ok1 && ok2 && id.Role == schema.RoleEventClassID && id.Clock == nil && isPlain(id, 32) && isPlain(ts, 64) && isTime(ts)
}

func isTime(f *schema.Integer) bool { return f.Clock != nil && f.Role != schema.RoleEventClassID }

func isOneRange(r []schema.Range, low, high uint64) bool {
	return len(r) == 1 && r[0] == schema.Range{Low: low, High: high}
}

// Sizes of LTTng's event headers in bytes.
const (
	compactLen         = 4
	compactExtendedLen = 1 + 4 + 8
	largeLen           = 2 + 4
	largeExtendedLen   = 2 + 4 + 8
)

// lttngHeader decodes one of LTTng's event headers, ticks the clock and returns
// the id. It reports false when not all of it is at hand.
func (m *machine) lttngHeader(shape headerShape) (id uint64, ok bool) {
	at := (m.pos + 7) >> 3
	if at > uint64(len(m.win)) {
		return 0, false
	}
	b := m.win[at:]
	if shape == largeHeader {
		if len(b) < largeLen {
			return 0, false
		}
		if id := binary.LittleEndian.Uint16(b); id != 0xffff {
			m.tick(uint64(binary.LittleEndian.Uint32(b[2:])), 32)
			m.pos = 8 * (at + largeLen)
			return uint64(id), true
		}
		if len(b) < largeExtendedLen {
			return 0, false
		}
		m.clock = binary.LittleEndian.Uint64(b[6:])
		m.pos = 8 * (at + largeExtendedLen)
		return uint64(binary.LittleEndian.Uint32(b[2:])), true
	}
	if len(b) < compactLen {
		return 0, false
	}
	if w := binary.LittleEndian.Uint32(b); w&31 != 31 {
		m.tick(uint64(w>>5), 27)
		m.pos = 8 * (at + compactLen)
		return uint64(w & 31), true
	}
	if len(b) < compactExtendedLen {
		return 0, false
	}
	m.clock = binary.LittleEndian.Uint64(b[5:])
	m.pos = 8 * (at + compactExtendedLen)
	return uint64(binary.LittleEndian.Uint32(b[1:])), true
}
