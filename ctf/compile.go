// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// compiler makes the plan of one scope after the other. It knows of the
// position in the packet what can be known beforehand: its residue.
type compiler struct {
	refs *refTable
	all  bool                  // keep the values of all fields, not only of those in refs
	role [schema.NumRoles]bool // roles that a field has had

	scope   schema.Scope
	path    []string // of the member being compiled, as spelled
	options int      // variants around it

	out *block
	run int // index of the open run in out.ops, -1: none
	at  residue
	pad struct{ bytes, align uint64 } // behind the open run, not part of it yet
}

// compileScope makes the plan of a scope's struct that begins at a position of
// which at is known, and returns what is known of its end.
func (c *compiler) compileScope(s schema.Scope, st *schema.Struct, at residue) (*block, residue) {
	c.out, c.run, c.at = &block{}, -1, at
	c.addScope(s, st)
	c.breakRun()
	return c.out, c.at
}

// addScope adds a scope's struct to the plan, behind what is there.
func (c *compiler) addScope(s schema.Scope, st *schema.Struct) {
	c.scope, c.path = s, c.path[:0]
	if st == nil {
		return
	}
	c.class(st, c.out.width)
	c.out.width += Width(st)
	c.out.minBits = addBits(c.out.minBits, minBits(st))
}

// nested makes the plan of an element or option, whose row has words of its own.
func (c *compiler) nested(class schema.Class, at residue) (*block, residue) {
	out, run, pos := c.out, c.run, c.at
	b := &block{width: Width(class), minBits: minBits(class)}
	c.out, c.run, c.at = b, -1, at
	c.class(class, 0)
	c.breakRun()
	end := c.at
	c.out, c.run, c.at = out, run, pos
	return b, end
}

func (c *compiler) emit(o op) {
	if o.opRest == nil {
		o.opRest = &opRest{}
	}
	o.field = strings.Join(c.path, ".")
	c.out.ops = append(c.out.ops, o)
}

// breakRun ends the open run: what follows has no fixed distance from its start.
func (c *compiler) breakRun() {
	c.run = -1
	if c.pad.bytes > 0 {
		c.emit(op{code: opAlign, n: c.pad.align})
	}
	c.pad.bytes, c.pad.align = 0, 0
}

// align advances to a multiple of n bits.
func (c *compiler) align(n uint64) {
	if c.at.aligned(n) {
		return
	}
	if pad := (n - c.at.r&(n-1)) & (n - 1); c.at.m >= n && c.run >= 0 && pad%8 == 0 {
		c.pad.bytes += pad / 8
		c.pad.align = n
		c.at = c.at.add(pad)
		return
	}
	c.breakRun()
	c.emit(op{code: opAlign, n: n})
	if c.at.m >= n {
		c.at.r = (c.at.r + n - 1) &^ (n - 1) & (c.at.m - 1)
	} else {
		c.at = residue{n, 0}
	}
}

// take reserves n bytes of the open run, or of a new one, and returns their
// distance from its start. The position must be on a byte boundary.
func (c *compiler) take(n uint64) uint32 {
	if c.run < 0 {
		c.run = len(c.out.ops)
		c.emit(op{code: opRun})
	}
	r := &c.out.ops[c.run]
	r.n += c.pad.bytes
	c.pad.bytes, c.pad.align = 0, 0
	off := uint32(r.n)
	r.n += n
	c.at = c.at.add(8 * n)
	return off
}

func (c *compiler) class(class schema.Class, slot int) {
	switch f := class.(type) {
	case *schema.Integer:
		c.integer(f, slot)
	case *schema.Bits:
		c.align(f.Alignment())
		c.load(&f.BitLayout, false, slot)
		c.keepWord(slot)
	case *schema.Float:
		c.align(f.Alignment())
		c.load(&f.BitLayout, false, slot)
	case *schema.String:
		c.align(8)
		c.breakRun()
		c.emit(op{code: opString, size: uint8(unitSize(f.Encoding)), slot: uint32(slot)})
		c.at = byteBoundary // its length is anything
	case *schema.Text:
		c.align(f.Alignment())
		c.extent(f.Length, f.LengthRef, slot)
	case *schema.Blob:
		c.align(8)
		c.extent(f.Length, f.LengthRef, slot)
	case *schema.Struct:
		c.structure(f, slot)
	case *schema.Array:
		c.elements(f, slot)
	case *schema.Variant:
		c.variant(f, slot)
	case *schema.Optional:
		c.optional(f, slot)
	}
}

func (c *compiler) structure(s *schema.Struct, slot int) {
	c.align(s.Alignment())
	for i := range s.Members {
		m := &s.Members[i]
		c.path = append(c.path, m.SpelledName())
		c.class(m.Class, slot)
		c.path = c.path[:len(c.path)-1]
		slot += Width(m.Class)
	}
}

func (c *compiler) integer(f *schema.Integer, slot int) {
	if f.Variable {
		c.align(8)
		c.breakRun()
		c.emit(op{code: opLEB, signed: f.Signed, slot: uint32(slot)})
		c.at = byteBoundary
	} else {
		c.align(f.Alignment())
		c.load(&f.BitLayout, f.Signed, slot)
	}
	// A signed integer is no value of a clock, whatever it is mapped to.
	if f.Clock != nil && !f.Signed && f.Role != schema.RoleTimestampEnd {
		size := f.Size
		if f.Variable {
			size = 64
		}
		c.emit(op{code: opClock, size: size, slot: uint32(slot)})
	}
	if f.Role != schema.RoleNone {
		c.role[f.Role] = true
		c.emit(op{code: opKeep, slot: uint32(slot), ref: uint32(f.Role)})
	}
	c.keepWord(slot)
}

// keepWord keeps the value of the field just loaded when others need it.
func (c *compiler) keepWord(slot int) {
	if c.all {
		c.refs.number(c.scope, c.path)
	}
	code := opKeep
	if c.all && c.options > 0 {
		code = opMark
	}
	for _, n := range c.refs.fields[refKey(c.scope, c.path)] {
		c.emit(op{code: code, slot: uint32(slot), ref: n})
	}
}

// latest finds the last one of the fields that a reference leads to, of a scope
// that was decoded by another plan.
func (c *compiler) latest(r *schema.Ref, from *refTable) {
	among := []uint32{from.number(r.Scope, r.Path)}
	for _, path := range r.Others {
		among = append(among, from.number(r.Scope, path))
	}
	c.emit(op{code: opLatest, ref: c.refs.of(r), opRest: &opRest{among: among}})
}

// load loads a field of 1 to 64 bits at the position, which is aligned.
func (c *compiler) load(f *schema.BitLayout, signed bool, slot int) {
	size := uint64(f.Size)
	code, ok := loads(f.Size, f.Order, signed)
	if ok && c.at.aligned(8) && !f.Reversed {
		c.emitIn(op{code: code, size: f.Size, slot: uint32(slot)}, size/8)
		return
	}
	c.breakRun()
	order := bitsLE
	if f.Order == schema.BigEndian {
		order = bitsBE
	}
	if f.Reversed {
		order += bitsLEReversed
	}
	c.emit(op{code: opBits, size: f.Size, signed: signed, bits: order, slot: uint32(slot)})
	c.at = c.at.add(size)
}

// emitIn adds a step that picks n bytes of the run.
func (c *compiler) emitIn(o op, n uint64) {
	o.off = c.take(n)
	c.emit(o)
}

// extent takes bytes of a length that is fixed, or that another field gives.
func (c *compiler) extent(n uint64, ref *schema.Ref, slot int) {
	if ref == nil && n < 1<<16 && c.at.aligned(8) {
		c.emitIn(op{code: opExtent, slot: uint32(slot), n: n}, n)
		return
	}
	c.breakRun()
	c.emit(op{code: opDynamic, slot: uint32(slot), n: n, ref: c.number(ref)})
	c.at = byteBoundary
}

// noRef is the ref of a step whose length is fixed.
const noRef = ^uint32(0)

func (c *compiler) number(r *schema.Ref) uint32 {
	if r == nil {
		return noRef
	}
	return c.refs.of(r)
}

func (c *compiler) elements(f *schema.Array, slot int) {
	c.align(f.Alignment())
	c.breakRun()
	// What is known of the position must hold before each element.
	at := byteBoundary
	if !c.at.aligned(8) || !after(f.Element, at).aligned(8) {
		at = residue{1, 0}
	}
	sub, end := c.nested(f.Element, at)
	code := opArray
	if f.LengthRef != nil {
		code = opSeq
	}
	c.emit(op{code: code, slot: uint32(slot), n: f.Length, ref: c.number(f.LengthRef), opRest: &opRest{sub: sub}})
	c.at = end.or(at).or(c.at)
}

func (c *compiler) variant(f *schema.Variant, slot int) {
	c.breakRun()
	ch := &choice{variant: f}
	at, end := c.at, residue{}
	c.options++
	for i := range f.Options {
		o := &f.Options[i]
		c.path = append(c.path, o.SpelledName())
		sub, e := c.nested(o.Class, at)
		c.path = c.path[:len(c.path)-1]
		ch.options = append(ch.options, sub)
		if i == 0 {
			end = e
		}
		end = end.or(e)
	}
	c.options--
	c.emit(op{code: opVariant, slot: uint32(slot), ref: c.number(f.Tag), opRest: &opRest{choice: ch}})
	if end.m > 0 {
		c.at = end
	}
}

func (c *compiler) optional(f *schema.Optional, slot int) {
	c.breakRun()
	sub, end := c.nested(f.Class, c.at)
	c.emit(op{code: opOption, slot: uint32(slot), ref: c.number(f.Selector), opRest: &opRest{sub: sub, choice: &choice{optional: f}}})
	c.at = c.at.or(end)
}

// minBits is the least number of bits that a field of a class takes, paddings
// left out.
func minBits(class schema.Class) uint64 {
	switch f := class.(type) {
	case *schema.Integer:
		if f.Variable {
			return 8
		}
		return uint64(f.Size)
	case *schema.Bits:
		return uint64(f.Size)
	case *schema.Float:
		return uint64(f.Size)
	case *schema.String:
		return 8 * uint64(unitSize(f.Encoding))
	case *schema.Text:
		return fixedBits(f.Length, 8, f.LengthRef)
	case *schema.Blob:
		return fixedBits(f.Length, 8, f.LengthRef)
	case *schema.Struct:
		var n uint64
		for i := range f.Members {
			n = addBits(n, minBits(f.Members[i].Class))
		}
		return n
	case *schema.Array:
		return fixedBits(f.Length, minBits(f.Element), f.LengthRef)
	default:
		return 0
	}
}

// maxBits is more than any packet holds.
const maxBits = 1 << 62

func addBits(a, b uint64) uint64 { return min(a+b, maxBits) }

func fixedBits(n, each uint64, ref *schema.Ref) uint64 {
	switch {
	case ref != nil || each == 0:
		return 0
	case n > maxBits/each:
		return maxBits
	default:
		return n * each
	}
}
