// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"bytes"
	"cmp"
	"math"
	"unsafe"

	"github.com/weir-io/weir/internal/ust/bytecode"
	"github.com/weir-io/weir/internal/ust/wire"
)

// program is a filter for an event.
type program struct {
	code   []instruction // nil: nothing passes
	fields []field
}

// value is one on the stack of a program.
type value struct {
	kind    valueKind
	integer int64
	float   float64
	text    []byte
	literal *literal
}

type valueKind uint8

const (
	isInteger valueKind = iota
	isFloat
	isText
)

// passes reports whether an event is to be recorded. It allocates nothing.
func (p *program) passes(processor int, args []arg) bool {
	m := evaluation{program: p, args: args, processor: processor}
	for at := 0; at < len(p.code); at++ {
		in := &p.code[at]
		switch op := in.op; op {
		case bytecode.OpReturn:
			return m.top == 1 && m.stack[0].true()
		case bytecode.OpSkipIfFalse, bytecode.OpSkipIfTrue:
			if m.top == 0 || m.stack[m.top-1].kind == isText {
				return false
			}
			if m.stack[m.top-1].true() == (op == bytecode.OpSkipIfTrue) {
				m.stack[m.top-1] = boolean(op == bytecode.OpSkipIfTrue)
				at = in.to - 1
				continue
			}
			m.top--
		default:
			if !m.do(in) {
				return false
			}
		}
	}
	return false // it has no end
}

func boolean(on bool) value {
	if on {
		return value{integer: 1}
	}
	return value{}
}

func (v *value) true() bool {
	return v.kind == isInteger && v.integer != 0 || v.kind == isFloat && v.float != 0
}

// evaluation runs a program.
type evaluation struct {
	*program
	args      []arg
	processor int
	top       int
	stack     [maxStack]value
}

// do does an instruction. It reports false for what makes no sense: nothing passes.
func (m *evaluation) do(in *instruction) bool {
	switch in.op {
	case bytecode.OpField, bytecode.OpContext, bytecode.OpText, bytecode.OpInteger, bytecode.OpFloat:
		if m.top == maxStack {
			return false
		}
		m.top++
		return m.load(&m.stack[m.top-1], in)
	case bytecode.OpPlus, bytecode.OpNegate, bytecode.OpNot, bytecode.OpInvert, bytecode.OpTruth, bytecode.OpFloatTruth, bytecode.OpNothing:
		return m.top > 0 && m.stack[m.top-1].alter(in.op)
	}
	if m.top < 2 {
		return false
	}
	m.top--
	a, b := &m.stack[m.top-1], &m.stack[m.top]
	if in.op <= bytecode.OpXor {
		return a.combine(in.op, b)
	}
	return a.compare(in.op, b)
}

func (m *evaluation) load(v *value, in *instruction) bool {
	switch in.op {
	case bytecode.OpText:
		*v = value{kind: isText, text: in.text.prefix, literal: &in.text}
	case bytecode.OpInteger:
		*v = value{integer: in.integer}
	case bytecode.OpFloat:
		*v = value{kind: isFloat, float: in.float}
	case bytecode.OpContext:
		if c := &in.context; c.text != nil {
			*v = value{kind: isText, text: zeroEnded(c.text[:])}
		} else {
			*v = value{integer: int64(c.value(m.processor))}
		}
	default:
		return m.loadField(v, in)
	}
	return true
}

func zeroEnded(b []byte) []byte {
	if n := bytes.IndexByte(b, 0); n >= 0 {
		return b[:n]
	}
	return b
}

func (m *evaluation) loadField(v *value, in *instruction) bool {
	f, a := &m.fields[in.field], &m.args[in.field]
	switch {
	case f.op == opString:
		*v = value{kind: isText, text: unsafe.Slice((*byte)(a.p), a.n)}
		return in.index < 0
	case f.op == opSlice:
		if in.index < 0 || uint64(in.index) >= a.n {
			return false
		}
		*v = f.number(element(unsafe.Add(a.p, uint64(in.index)*f.elem), f.elem))
		return true
	}
	*v = f.number(a.n)
	return in.index < 0
}

// number is the value of a number that was taken with as many bits as it has.
func (f *field) number(n uint64) value {
	switch {
	case f.kind == wire.Float && f.bits == 32:
		return value{kind: isFloat, float: float64(math.Float32frombits(uint32(n)))}
	case f.kind == wire.Float:
		return value{kind: isFloat, float: math.Float64frombits(n)}
	case f.sign:
		return value{integer: int64(n) << (64 - f.bits) >> (64 - f.bits)}
	}
	return value{integer: int64(n)}
}

// element is a number in memory.
func element(p unsafe.Pointer, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

// alter does an operation of one value.
func (v *value) alter(op uint8) bool {
	switch {
	case op == bytecode.OpNothing:
	case v.kind == isText:
		return false
	case op == bytecode.OpTruth, op == bytecode.OpFloatTruth:
		if v.kind == isFloat {
			*v = value{integer: int64(v.float)}
		}
	case op == bytecode.OpNegate:
		v.integer, v.float = -v.integer, -v.float
	case op == bytecode.OpNot:
		*v = boolean(!v.true())
	case op == bytecode.OpInvert:
		v.integer = ^v.integer
		return v.kind == isInteger
	}
	return true
}

// combine does an operation of two integers.
func (v *value) combine(op uint8, w *value) bool {
	if v.kind != isInteger || w.kind != isInteger {
		return false
	}
	switch op {
	case bytecode.OpRightShift, bytecode.OpLeftShift:
		if w.integer < 0 || w.integer > 63 {
			return false
		}
		if op == bytecode.OpLeftShift {
			v.integer <<= w.integer
		} else {
			v.integer = int64(uint64(v.integer) >> w.integer)
		}
	case bytecode.OpAnd:
		v.integer &= w.integer
	case bytecode.OpOr:
		v.integer |= w.integer
	case bytecode.OpXor:
		v.integer ^= w.integer
	default:
		return false
	}
	return true
}

// compare compares two texts, or two numbers.
func (v *value) compare(op uint8, w *value) bool {
	order, number := 0, true
	switch {
	case v.kind == isText && w.kind == isText:
		order = textOrder(v, w)
	case v.kind == isText || w.kind == isText:
		return false
	case v.kind == isInteger && w.kind == isInteger:
		order = cmp.Compare(v.integer, w.integer)
	default:
		a, b := v.real(), w.real()
		order, number = cmp.Compare(a, b), a == a && b == b
	}
	switch op {
	case bytecode.OpEqual:
		*v = boolean(number && order == 0)
	case bytecode.OpNotEqual:
		*v = boolean(!number || order != 0)
	case bytecode.OpGreater:
		*v = boolean(number && order > 0)
	case bytecode.OpLess:
		*v = boolean(number && order < 0)
	case bytecode.OpGreaterEqual:
		*v = boolean(number && order >= 0)
	case bytecode.OpLessEqual:
		*v = boolean(number && order <= 0)
	}
	return true
}

func (v *value) real() float64 {
	if v.kind == isInteger {
		return float64(v.integer)
	}
	return v.float
}

// textOrder is the order of two texts, of which one may be a pattern.
func textOrder(v, w *value) int {
	switch {
	case w.literal != nil && w.literal.stars && w.literal.pattern.Match(v.text):
		return 0
	case v.literal != nil && v.literal.stars && v.literal.pattern.Match(w.text):
		return 0
	}
	order := bytes.Compare(v.text, w.text)
	if order == 0 && (v.literal != nil && v.literal.stars || w.literal != nil && w.literal.stars) {
		return -1 // what is before a star fits, and the rest does not
	}
	return order
}
