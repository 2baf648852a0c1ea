// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"math"
	"slices"
)

// SetMember gives a member of the packet header or context that the writer does
// not know of, such as "cpu_id", its value in the packets to come; before, it is
// zero or empty. The name is as shown, with dots within structs. The value has
// the kind that the member needs: an integer of Go, a bool, a float64, a string
// or a []byte. It is an error while a packet is open.
func (w *StreamWriter) SetMember(name string, value any) error {
	at := slices.IndexFunc(w.plan.packet.leaves, func(l encLeaf) bool { return l.name == name })
	if at < 0 {
		return w.refusal(nil, name, "", "", fmt.Errorf("%w: no such member of packet header or context", ErrFields))
	}
	l := &w.plan.packet.leaves[at]
	if w.packet.open {
		return w.refusal(nil, name, "a value within a packet", "one before its begin", ErrFields)
	}
	word, ok := w.memberWord(l.kind, at, value)
	if !ok {
		return w.refusal(nil, name, fmt.Sprintf("%T %v", value, value), l.kind.String(), ErrFields)
	}
	w.packet.frame.Words[at] = word
	return nil
}

func (w *StreamWriter) memberWord(kind encKind, at int, value any) (uint64, bool) {
	switch kind {
	case kindUint, kindInt:
		return integerOf(value, kind == kindInt)
	case kindFloat32, kindFloat64:
		v, ok := value.(float64)
		if kind == kindFloat32 {
			return uint64(math.Float32bits(float32(v))), ok
		}
		return math.Float64bits(v), ok
	case kindString, kindText, kindBlob:
		switch v := value.(type) {
		case string:
			return w.memberText(at, []byte(v)), kind != kindBlob
		case []byte:
			return w.memberText(at, v), true
		}
	}
	return 0, false
}

// memberText puts a text into the packet's frame, in place of the one before
// where it has room.
func (w *StreamWriter) memberText(at int, text []byte) uint64 {
	f := &w.packet.frame
	off, have := Extent(f.Words[at])
	if len(text) > have {
		off = len(f.Data)
		f.Data = append(f.Data, text...)
	} else {
		copy(f.Data[off:], text)
	}
	return extent(off, len(text))
}

// integerOf returns the word of an integer of Go.
func integerOf(value any, signed bool) (uint64, bool) {
	var i int64
	switch v := value.(type) {
	case uint64:
		return v, !signed || v <= math.MaxInt64
	case uint:
		return uint64(v), !signed || v <= math.MaxInt64
	case uint8:
		i = int64(v)
	case uint16:
		i = int64(v)
	case uint32:
		i = int64(v)
	case int64:
		i = v
	case int:
		i = int64(v)
	case int8:
		i = int64(v)
	case int16:
		i = int64(v)
	case int32:
		i = int64(v)
	case bool:
		if v {
			i = 1
		}
	default:
		return 0, false
	}
	return uint64(i), signed || i >= 0
}

// CopyMembers gives all members that the writer does not know of their values
// in a packet that was read, whose classes must be the same as the writer's. It
// is an error while a packet is open.
func (w *StreamWriter) CopyMembers(p *Packet) error {
	if w.packet.open {
		return w.refusal(nil, "", "values within a packet", "them before its begin", ErrFields)
	}
	words, data := p.Words, p.Data
	if len(words) < w.plan.packet.width {
		return w.refusal(nil, "", fmt.Sprintf("a packet frame of %d words", len(words)), fmt.Sprintf("%d", w.plan.packet.width), ErrFields)
	}
	for _, at := range w.roles.uuid {
		start, n := Extent(words[at])
		limit := len(words)
		if w.plan.packet.leaves[at].kind == kindBlob {
			limit = len(data)
		}
		if n != 16 || start+n > limit {
			return w.refusal(nil, w.plan.packet.leaves[at].name, "another length", "16 bytes", ErrFields)
		}
	}
	w.packet.frame = Frame{append(w.packet.frame.Words[:0], words...), append(w.packet.frame.Data[:0], data...)}
	return nil
}
