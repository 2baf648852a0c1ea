// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"maps"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// encRefs numbers the fields whose values others need.
type encRefs map[string]uint32

// encCompiler makes the encoding plan of one scope after the other. Of the
// position in the packet it knows what can be known beforehand.
type encCompiler struct {
	refs   encRefs
	wanted map[string]bool // fields whose values are kept; nil: all integers
	wide   bool            // variable-length integers with a role take their full length: they are written twice

	scope schema.Scope
	path  []string // of the field being compiled, as spelled
	shown []string // as shown
	array int      // depth of arrays around it: no reference leads into those

	out *encBlock
	run int // index of the open run in out.ops, -1: none
	at  residue
	err error
}

// anywhere is a position of which nothing is known.
var anywhere = residue{1, 0}

// compile adds the plan of a scope's struct to b and returns what is known of
// the position at its end.
func (c *encCompiler) compile(b *encBlock, s schema.Scope, st *schema.Struct, at residue) residue {
	if st == nil {
		return at
	}
	c.scope, c.path, c.shown, c.array = s, c.path[:0], c.shown[:0], 0
	c.out, c.run, c.at = b, -1, at
	c.class(st)
	return c.at
}

// nested makes the plan of an element or option, whose row has words of its own.
func (c *encCompiler) nested(class schema.Class, at residue) (*encBlock, residue) {
	out, run, pos := c.out, c.run, c.at
	b := &encBlock{}
	c.out, c.run, c.at = b, -1, at
	c.class(class)
	end := c.at
	c.out, c.run, c.at = out, run, pos
	return b, end
}

// leaf gives the field being compiled its word.
func (c *encCompiler) leaf(l encLeaf) uint32 {
	l.name = c.name()
	slot := uint32(c.out.width)
	c.out.leaves = append(c.out.leaves, l)
	c.out.kinds = append(c.out.kinds, l.kind)
	c.out.width++
	return slot
}

func (c *encCompiler) name() string { return strings.Join(c.shown, ".") }

func (c *encCompiler) emit(o encOp) {
	if o.encMore == nil {
		o.encMore = &encMore{}
	}
	o.field = c.name()
	c.out.ops = append(c.out.ops, o)
}

// emitAlone adds a step that no run can contain.
func (c *encCompiler) emitAlone(o encOp) {
	c.run = -1
	c.emit(o)
}

// align advances to a multiple of n bits.
func (c *encCompiler) align(n uint64) {
	if c.at.aligned(n) {
		return
	}
	pad := (n - c.at.r&(n-1)) & (n - 1)
	if c.at.m >= n && c.run >= 0 && pad%8 == 0 {
		c.emitIn(encOp{code: encZero, n: pad / 8}, pad/8)
		return
	}
	c.emitAlone(encOp{code: encAlign, n: n})
	if c.at.m >= n {
		c.at = c.at.add(pad)
	} else {
		c.at = residue{n, 0}
	}
}

// emitIn adds a step that puts n bytes into the open run, or into a new one.
// The position must be on a byte boundary.
func (c *encCompiler) emitIn(o encOp, n uint64) {
	if c.run < 0 {
		c.run = len(c.out.ops)
		c.emit(encOp{code: encRun})
	}
	r := &c.out.ops[c.run]
	o.off = uint32(r.n)
	r.n += n
	c.at = c.at.add(8 * n)
	c.emit(o)
}

func (c *encCompiler) class(class schema.Class) {
	switch f := class.(type) {
	case *schema.Integer:
		c.integer(f)
	case *schema.Bits:
		slot := c.leaf(encLeaf{kind: kindUint, class: f})
		c.fixed(&f.BitLayout, false, slot)
		c.keep(slot)
	case *schema.Float:
		kind := kindFloat64
		if f.Size == 32 {
			kind = kindFloat32
		} else if f.Size != 64 {
			c.fail("a floating-point number of %d bits", f.Size)
		}
		c.fixed(&f.BitLayout, false, c.leaf(encLeaf{kind: kind, class: f}))
	case *schema.String:
		c.align(8)
		c.emitAlone(encOp{code: encString, size: uint8(unitSize(f.Encoding)), slot: c.leaf(encLeaf{kind: kindString, class: f})})
		c.at = byteBoundary
	case *schema.Text:
		c.align(f.Alignment())
		c.bytes(f.Length, f.LengthRef, true, c.leaf(encLeaf{kind: kindText, class: f}))
	case *schema.Blob:
		c.align(8)
		c.bytes(f.Length, f.LengthRef, false, c.leaf(encLeaf{kind: kindBlob, class: f, role: f.Role}))
	case *schema.Struct:
		c.structure(f)
	case *schema.Array:
		c.elements(f)
	case *schema.Variant:
		c.variant(f)
	case *schema.Optional:
		c.optional(f)
	default:
		c.fail("a field of class %T", class)
	}
}

func (c *encCompiler) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s.%s: cannot write %s", c.scope, c.name(), fmt.Sprintf(format, args...))
	}
}

// enter runs f for a member or option of a name.
func (c *encCompiler) enter(spelled, shown string, f func()) {
	c.path, c.shown = append(c.path, spelled), append(c.shown, shown)
	f()
	c.path, c.shown = c.path[:len(c.path)-1], c.shown[:len(c.shown)-1]
}

func (c *encCompiler) structure(s *schema.Struct) {
	c.align(s.Alignment())
	for i := range s.Members {
		m := &s.Members[i]
		c.enter(m.SpelledName(), m.Name, func() { c.class(m.Class) })
	}
}

func (c *encCompiler) integer(f *schema.Integer) {
	kind := kindUint
	if f.Signed {
		kind = kindInt
	}
	slot := c.leaf(encLeaf{kind: kind, class: f, role: f.Role})
	size := f.Size
	if f.Variable {
		size = 64
		c.align(8)
		c.emitAlone(encOp{code: encLEB, signed: f.Signed, fixed: c.wide && f.Role != schema.RoleNone, slot: slot})
		c.at = byteBoundary
	} else {
		c.fixed(&f.BitLayout, f.Signed, slot)
	}
	if f.Clock != nil && f.Role != schema.RoleTimestampEnd {
		c.emit(encOp{code: encClock, size: size, slot: slot})
	}
	c.keep(slot)
}

// keep keeps the value of the field just written when others need it.
func (c *encCompiler) keep(slot uint32) {
	if c.array > 0 {
		return
	}
	key := refKey(c.scope, c.path)
	if c.wanted != nil && !c.wanted[key] {
		return
	}
	n, ok := c.refs[key]
	if !ok {
		n = uint32(len(c.refs))
		c.refs[key] = n
	}
	c.emit(encOp{code: encKeep, slot: slot, ref: n})
}

// ref finds the number of the field that another needs.
func (c *encCompiler) ref(r *schema.Ref) (n uint32, name string) {
	if r == nil {
		return encNoRef, ""
	}
	n, ok := c.refs[refKey(r.Scope, r.Path)]
	if !ok {
		c.fail("a field that needs %s: no such integer before it", r)
	}
	return n, r.String()
}

// fixed writes a field of 1 to 64 bits.
func (c *encCompiler) fixed(f *schema.BitLayout, signed bool, slot uint32) {
	if f.Size < 1 || f.Size > 64 || !schema.IsPowerOfTwo(f.Alignment()) || f.Order != schema.LittleEndian && f.Order != schema.BigEndian {
		c.fail("%d bits aligned to %d in byte order %d", f.Size, f.Align, f.Order)
		return
	}
	c.align(f.Alignment())
	if code, ok := encStores(f.Size, f.Order, signed); ok && c.at.aligned(8) && !f.Reversed {
		c.emitIn(encOp{code: code, size: f.Size, slot: slot}, uint64(f.Size)/8)
		return
	}
	c.emitAlone(encOp{code: encBits, size: f.Size, signed: signed, order: f.Order, reverse: f.Reversed, slot: slot})
	c.at = c.at.add(uint64(f.Size))
}

// bytes writes bytes of a length that is fixed, or that another field gives.
func (c *encCompiler) bytes(n uint64, ref *schema.Ref, pad bool, slot uint32) {
	o := encOp{code: encBytes, slot: slot, n: n, fixed: pad && ref == nil, encMore: &encMore{}}
	if ref == nil && n < 1<<16 && c.at.aligned(8) {
		c.emitIn(o, n)
		return
	}
	o.code = encDynamic
	o.ref, o.needs = c.ref(ref)
	c.emitAlone(o)
	c.at = byteBoundary
}

func (c *encCompiler) elements(f *schema.Array) {
	c.align(f.Alignment())
	c.array++
	// What is known of the position must hold before each element.
	at := byteBoundary
	sub, end := c.nested(f.Element, at)
	if !c.at.aligned(8) || !end.aligned(8) {
		at = anywhere
		sub, end = c.nested(f.Element, at)
	}
	c.array--
	o := encOp{code: encArray, n: f.Length, encMore: &encMore{sub: sub}, slot: c.leaf(encLeaf{kind: kindArray, class: f, role: f.Role, sub: sub})}
	o.ref, o.needs = c.ref(f.LengthRef)
	c.emitAlone(o)
	c.at = end.or(at).or(c.at)
}

func (c *encCompiler) variant(f *schema.Variant) {
	var subs []*encBlock
	start := c.at
	end := start
	for i := range f.Options {
		o := &f.Options[i]
		c.enter(o.SpelledName(), o.Name, func() {
			sub, e := c.nested(o.Class, start)
			subs = append(subs, sub)
			if i == 0 {
				end = e
			}
			end = end.or(e)
		})
	}
	o := encOp{code: encVariant, encMore: &encMore{variant: f, options: subs}, slot: c.leaf(encLeaf{kind: kindVariant, class: f, options: subs})}
	o.ref, o.needs = c.ref(f.Tag)
	c.emitAlone(o)
	c.at = end
}

func (c *encCompiler) optional(f *schema.Optional) {
	sub, end := c.nested(f.Class, c.at)
	o := encOp{code: encOption, encMore: &encMore{optional: f, sub: sub}, slot: c.leaf(encLeaf{kind: kindOptional, class: f, sub: sub})}
	o.ref, o.needs = c.ref(f.Selector)
	c.emitAlone(o)
	c.at = c.at.or(end)
}

// encStream is the part of the plans that all events of a stream class share.
type encStream struct {
	refs      encRefs  // of packet header, packet context and event header
	kept      int      // of refs, those of packet header and packet context
	packet    encBlock // packet header and context
	contextAt int      // index of the context's first word
	header    encBlock // event header
	headerEnd residue
}

func compileStream(class *schema.Stream) (*encStream, error) {
	p := &encStream{refs: encRefs{}}
	c := &encCompiler{refs: p.refs, wide: true}
	at := c.compile(&p.packet, schema.PacketHeader, class.Trace.PacketHeader, packetStart)
	p.contextAt = p.packet.width
	c.compile(&p.packet, schema.PacketContext, class.PacketContext, at)
	p.kept = len(p.refs)
	c.wide = false
	p.headerEnd = c.compile(&p.header, schema.EventHeader, class.EventHeader, anywhere)
	return p, c.err
}

// encEvent is the plan of an event class.
type encEvent struct {
	class  *schema.Event
	body   encBlock // common context, specific context and payload
	refs   int      // values to keep, those of the stream included
	header bool     // a field refers to the event header
	clear  bool     // values of the event before must be forgotten
	copies bool     // its bytes mean the same at any byte of a packet
	ticks  bool     // a field updates the clock
}

func (p *encStream) compileEvent(class *schema.Event) (*encEvent, error) {
	e := &encEvent{class: class}
	c := &encCompiler{refs: maps.Clone(p.refs), wanted: map[string]bool{}}
	for _, s := range bodyScopes {
		if st := class.Struct(s); st != nil {
			collectRefs(st, func(r *schema.Ref) {
				c.wanted[refKey(r.Scope, r.Path)] = true
				e.header = e.header || r.Scope == schema.EventHeader
			})
		}
	}
	at := p.headerEnd
	for _, s := range bodyScopes {
		at = c.compile(&e.body, s, class.Struct(s), at)
	}
	e.refs = len(c.refs)
	return e, c.err
}
