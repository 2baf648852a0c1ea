// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// tree is the value of a field of any class.
type tree struct {
	word   uint64 // of an integer, bits, a float
	text   []byte // of a string, text, blob
	kids   []tree // members, elements, the option's or the optional field
	option int    // of a variant; 0 or 1 of an optional field
}

// slowStream is a stream of bits that is written and read one bit at a time,
// straight from section 6 of the format's description.
type slowStream struct {
	bytes []byte
	pos   int
	order schema.ByteOrder // of the last bit
	rev   bool
	refs  map[string]uint64
}

var errSlowOrder = errors.New("two orders meet in a byte")

func (s *slowStream) at(order schema.ByteOrder) (*byte, byte) {
	for s.pos/8 >= len(s.bytes) {
		s.bytes = append(s.bytes, 0)
	}
	if order == schema.BigEndian {
		return &s.bytes[s.pos/8], 0x80 >> (s.pos % 8)
	}
	return &s.bytes[s.pos/8], 1 << (s.pos % 8)
}

func (s *slowStream) align(n uint64) {
	for s.pos%int(n) != 0 {
		s.pos++
	}
	for len(s.bytes) < (s.pos+7)/8 {
		s.bytes = append(s.bytes, 0)
	}
}

func (s *slowStream) put(l *schema.BitLayout, v uint64) error {
	s.align(max(1, uint64(l.Align)))
	if s.pos%8 != 0 && (s.order != l.Order || s.rev != l.Reversed) {
		return errSlowOrder
	}
	s.order, s.rev = l.Order, l.Reversed
	for k := range int(l.Size) {
		bit := k // of the value
		if (l.Order == schema.BigEndian) != l.Reversed {
			bit = int(l.Size) - 1 - k
		}
		b, mask := s.at(l.Order)
		if v>>bit&1 == 1 {
			*b |= mask
		}
		s.pos++
	}
	return nil
}

func (s *slowStream) get(l *schema.BitLayout, signed bool) uint64 {
	s.align(max(1, uint64(l.Align)))
	var v uint64
	for k := range int(l.Size) {
		bit := k
		if (l.Order == schema.BigEndian) != l.Reversed {
			bit = int(l.Size) - 1 - k
		}
		b, mask := s.at(l.Order)
		if *b&mask != 0 {
			v |= 1 << bit
		}
		s.pos++
	}
	if signed && v>>(l.Size-1) == 1 {
		for k := int(l.Size); k < 64; k++ {
			v |= 1 << k
		}
	}
	return v
}

func (s *slowStream) putBytes(b []byte) {
	s.align(8)
	s.bytes = append(s.bytes[:s.pos/8], b...)
	s.pos += 8 * len(b)
}

func (s *slowStream) getBytes(n int) []byte {
	s.align(8)
	b := s.bytes[s.pos/8 : s.pos/8+n]
	s.pos += 8 * n
	return b
}

// slowLEB gives the shortest variable-length form.
func slowLEB(v uint64, signed bool) []byte {
	for n := 1; ; n++ {
		fits := n == 10
		if !fits && signed {
			fits = int64(v)<<(64-7*n)>>(64-7*n) == int64(v)
		} else if !fits {
			fits = v>>(7*n) == 0
		}
		if !fits {
			continue
		}
		b := make([]byte, n)
		for i := range b {
			if signed {
				b[i] = byte(int64(v)>>(7*i)) & 0x7f
			} else {
				b[i] = byte(v>>(7*i)) & 0x7f
			}
			if i < n-1 {
				b[i] |= 0x80
			}
		}
		return b
	}
}

func slowKey(s schema.Scope, path []string) string { return fmt.Sprint(s, strings.Join(path, "/")) }

func (s *slowStream) length(n uint64, r *schema.Ref) int {
	if r == nil {
		return int(n)
	}
	return int(s.refs[slowKey(r.Scope, r.Path)])
}

// write writes a field.
func (s *slowStream) write(class schema.Class, v tree, scope schema.Scope, path []string) error {
	key := slowKey(scope, path)
	switch c := class.(type) {
	case *schema.Integer:
		s.refs[key] = v.word
		if c.Variable {
			s.putBytes(slowLEB(v.word, c.Signed))
			return nil
		}
		return s.put(&c.BitLayout, v.word)
	case *schema.Bits:
		s.refs[key] = v.word
		return s.put(&c.BitLayout, v.word)
	case *schema.Float:
		return s.put(&c.BitLayout, v.word)
	case *schema.String:
		s.putBytes(append(slices.Clone(v.text), make([]byte, unitSize(c.Encoding))...))
	case *schema.Text:
		s.align(c.Alignment())
		s.putBytes(v.text)
	case *schema.Blob:
		s.putBytes(v.text)
	case *schema.Struct:
		s.align(c.Alignment())
		for i, m := range c.Members {
			if err := s.write(m.Class, v.kids[i], scope, append(path, m.SpelledName())); err != nil {
				return err
			}
		}
	case *schema.Array:
		s.align(c.Alignment())
		for i := range v.kids {
			if err := s.write(c.Element, v.kids[i], scope, append(path, "[]")); err != nil {
				return err
			}
		}
	case *schema.Variant:
		o := c.Options[v.option]
		return s.write(o.Class, v.kids[0], scope, append(path, o.SpelledName()))
	case *schema.Optional:
		if v.option == 1 {
			return s.write(c.Class, v.kids[0], scope, path)
		}
	}
	return nil
}

// read reads a field.
func (s *slowStream) read(class schema.Class, scope schema.Scope, path []string) (v tree) {
	key := slowKey(scope, path)
	switch c := class.(type) {
	case *schema.Integer:
		if c.Variable {
			s.align(8)
			for n := 1; ; n++ {
				if b := s.bytes[s.pos/8:]; b[n-1] < 0x80 {
					v.word = slowUnLEB(s.getBytes(n), c.Signed)
					break
				}
			}
		} else {
			v.word = s.get(&c.BitLayout, c.Signed)
		}
		s.refs[key] = v.word
	case *schema.Bits:
		v.word = s.get(&c.BitLayout, false)
		s.refs[key] = v.word
	case *schema.Float:
		v.word = s.get(&c.BitLayout, false)
	case *schema.String:
		unit := unitSize(c.Encoding)
		for {
			b := s.getBytes(unit)
			if bytes.Equal(b, make([]byte, unit)) {
				return v
			}
			v.text = append(v.text, b...)
		}
	case *schema.Text:
		s.align(c.Alignment())
		v.text = s.getBytes(s.length(c.Length, c.LengthRef))
	case *schema.Blob:
		v.text = s.getBytes(s.length(c.Length, c.LengthRef))
	case *schema.Struct:
		s.align(c.Alignment())
		for _, m := range c.Members {
			v.kids = append(v.kids, s.read(m.Class, scope, append(path, m.SpelledName())))
		}
	case *schema.Array:
		s.align(c.Alignment())
		for range s.length(c.Length, c.LengthRef) {
			v.kids = append(v.kids, s.read(c.Element, scope, append(path, "[]")))
		}
	case *schema.Variant:
		v.option = c.Select(s.refs[slowKey(c.Tag.Scope, c.Tag.Path)])
		o := c.Options[v.option]
		v.kids = []tree{s.read(o.Class, scope, append(path, o.SpelledName()))}
	case *schema.Optional:
		if c.Present(s.refs[slowKey(c.Selector.Scope, c.Selector.Path)]) {
			v.option = 1
			v.kids = []tree{s.read(c.Class, scope, path)}
		}
	}
	return v
}

func slowUnLEB(b []byte, signed bool) uint64 {
	var v uint64
	for i, c := range b {
		v |= uint64(c&0x7f) << (7 * i)
	}
	if used := 7 * len(b); signed && used < 64 && v>>(used-1) == 1 {
		v |= ^uint64(0) << used
	}
	return v
}

// feed gives a value to an event writer, call by call.
func feed(e *EventWriter, class schema.Class, v tree) {
	switch c := class.(type) {
	case *schema.Integer:
		if c.Signed {
			e.Int(int64(v.word))
		} else {
			e.Uint(v.word)
		}
	case *schema.Bits:
		e.Uint(v.word)
	case *schema.Float:
		e.Float(FloatOf(v.word, c))
	case *schema.String:
		e.String(string(v.text))
	case *schema.Text, *schema.Blob:
		e.Bytes(v.text)
	case *schema.Struct:
		for i, m := range c.Members {
			feed(e, m.Class, v.kids[i])
		}
	case *schema.Array:
		e.Array(len(v.kids))
		for _, kid := range v.kids {
			feed(e, c.Element, kid)
		}
	case *schema.Variant:
		e.Option(v.option)
		feed(e, c.Options[v.option].Class, v.kids[0])
	case *schema.Optional:
		e.Present(v.option == 1)
		if v.option == 1 {
			feed(e, c.Class, v.kids[0])
		}
	}
}

// lay puts a value into a frame.
func lay(f *Frame, class schema.Class, v tree, at int) {
	grow := func(n int) int {
		start := len(f.Words)
		f.Words = append(f.Words, make([]uint64, n)...)
		return start
	}
	switch c := class.(type) {
	case *schema.String, *schema.Text, *schema.Blob:
		f.Words[at] = extent(len(f.Data), len(v.text))
		f.Data = append(f.Data, v.text...)
	case *schema.Struct:
		for i, m := range c.Members {
			lay(f, m.Class, v.kids[i], at)
			at += Width(m.Class)
		}
	case *schema.Array:
		start := grow(len(v.kids) * Width(c.Element))
		f.Words[at] = extent(start, len(v.kids))
		for i, kid := range v.kids {
			lay(f, c.Element, kid, start+i*Width(c.Element))
		}
	case *schema.Variant:
		o := c.Options[v.option].Class
		start := grow(Width(o))
		f.Words[at] = extent(start, v.option)
		lay(f, o, v.kids[0], start)
	case *schema.Optional:
		f.Words[at] = extent(len(f.Words), 0)
		if v.option == 1 {
			start := grow(Width(c.Class))
			f.Words[at] = extent(start, 1)
			lay(f, c.Class, v.kids[0], start)
		}
	default:
		f.Words[at] = v.word
	}
}

// treeOf is the tree of a field that a reader decoded.
func treeOf(v Value) (t tree) {
	switch c := v.Class().(type) {
	case *schema.String, *schema.Text, *schema.Blob:
		t.text = slices.Clone(v.Bytes())
	case *schema.Struct, *schema.Array:
		for i := range v.Len() {
			t.kids = append(t.kids, treeOf(v.Index(i)))
		}
	case *schema.Variant:
		o, f := v.Option()
		t.option, t.kids = o, []tree{treeOf(f)}
	case *schema.Optional:
		if f, ok := v.Optional(); ok {
			t.option, t.kids = 1, []tree{treeOf(f)}
		}
	default:
		_ = c
		t.word = v.Word()
	}
	return t
}

// String shows a value, the same for equal values.
func (t tree) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%#x:%q[", t.option, t.word, t.text)
	for _, k := range t.kids {
		b.WriteString(k.String() + " ")
	}
	return b.String() + "]"
}
