// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "math"

// Kind says how the word of a value is read.
type Kind uint8

// The kinds.
const (
	Signed   Kind = iota // the word is an int64
	Unsigned             // the word is a uint64
	Float64              // the word is the bits of a float64
	Float32              // the low half of the word is the bits of a float32
	String               // the word is offset<<32 | length, a place in Data
)

// promote returns the kind in which two numbers are computed.
func promote(a, b Kind) Kind {
	switch {
	case a == Float64 || b == Float64:
		return Float64
	case a == Unsigned || b == Unsigned:
		return Unsigned
	}
	return Signed
}

// convert changes the bits of a number of one kind into those of another.
func convert(bits uint64, from, to Kind) uint64 {
	if to != Float64 || from == Float64 {
		return bits
	}
	if from == Unsigned {
		return math.Float64bits(float64(bits))
	}
	return math.Float64bits(float64(int64(bits)))
}

// kernel computes with the bits of two numbers; false if there is no result.
type kernel func(a, b uint64) (uint64, bool)

// kernelOf returns the kernel of a bitwise or arithmetic operator on numbers
// of one kind, or nil if the kind has no such operator.
func kernelOf(op Op, k Kind) kernel {
	if k == Float64 {
		return floatKernel(op)
	}
	switch op {
	case BitOr:
		return func(a, b uint64) (uint64, bool) { return a | b, true }
	case BitXor:
		return func(a, b uint64) (uint64, bool) { return a ^ b, true }
	case BitAnd:
		return func(a, b uint64) (uint64, bool) { return a & b, true }
	case ShiftLeft:
		return func(a, b uint64) (uint64, bool) { return a << (b & 63), b < 64 }
	case ShiftRight:
		return func(a, b uint64) (uint64, bool) { return a >> (b & 63), b < 64 }
	case Add:
		return func(a, b uint64) (uint64, bool) { return a + b, true }
	case Subtract:
		return func(a, b uint64) (uint64, bool) { return a - b, true }
	case Multiply:
		return func(a, b uint64) (uint64, bool) { return a * b, true }
	}
	if k == Signed {
		return signedDivision(op)
	}
	return unsignedDivision(op)
}

func signedDivision(op Op) kernel {
	if op == Divide {
		return func(a, b uint64) (uint64, bool) {
			if b == 0 {
				return 0, false
			}
			return uint64(int64(a) / int64(b)), true
		}
	}
	return func(a, b uint64) (uint64, bool) {
		if b == 0 {
			return 0, false
		}
		return uint64(int64(a) % int64(b)), true
	}
}

func unsignedDivision(op Op) kernel {
	if op == Divide {
		return func(a, b uint64) (uint64, bool) {
			if b == 0 {
				return 0, false
			}
			return a / b, true
		}
	}
	return func(a, b uint64) (uint64, bool) {
		if b == 0 {
			return 0, false
		}
		return a % b, true
	}
}

func floatKernel(op Op) kernel {
	var f func(a, b float64) (float64, bool)
	switch op {
	case Add:
		f = func(a, b float64) (float64, bool) { return a + b, true }
	case Subtract:
		f = func(a, b float64) (float64, bool) { return a - b, true }
	case Multiply:
		f = func(a, b float64) (float64, bool) { return a * b, true }
	case Divide:
		f = func(a, b float64) (float64, bool) { return a / b, b != 0 }
	default:
		return nil
	}
	return func(a, b uint64) (uint64, bool) {
		v, ok := f(math.Float64frombits(a), math.Float64frombits(b))
		return math.Float64bits(v), ok
	}
}

// resultKind is the kind of what an operator on numbers of two kinds returns,
// and that in which it computes. A shift is of the kind of its left side.
func resultKind(op Op, a, b Kind) Kind {
	if op == ShiftLeft || op == ShiftRight {
		if b == Float64 {
			return Float64 // which has no shifts
		}
		return a
	}
	return promote(a, b)
}

// order is how two numbers are to each other, as a set of one bit.
type order uint8

const (
	below order = 1 << iota
	same
	above
	unordered // one of them is not a number
)

// holds returns the orders for which a comparison is true.
func (o Op) holds() order {
	switch o {
	case Equal:
		return same
	case NotEqual:
		return below | above | unordered
	case Less:
		return below
	case LessEqual:
		return below | same
	case Greater:
		return above
	}
	return above | same
}

func orderOf[T int64 | uint64 | float64](a, b T) order {
	switch {
	case a < b:
		return below
	case a == b:
		return same
	case a > b:
		return above
	}
	return unordered
}

// compare returns the order of two numbers by their values, whatever their
// kinds; integers beside floats are rounded to float64.
func compare(a uint64, ka Kind, b uint64, kb Kind) order {
	switch {
	case ka == Float64 || kb == Float64:
		return orderOf(
			math.Float64frombits(convert(a, ka, Float64)),
			math.Float64frombits(convert(b, kb, Float64)))
	case ka == Signed && kb == Signed:
		return orderOf(int64(a), int64(b))
	case ka == Signed && int64(a) < 0:
		return below
	case kb == Signed && int64(b) < 0:
		return above
	}
	return orderOf(a, b)
}

// isTrue reports whether a number counts as true.
func isTrue(bits uint64, k Kind) bool {
	if k == Float64 {
		return math.Float64frombits(bits) != 0
	}
	return bits != 0
}

// unaryNumber computes ~, - or + of a number; false if there is no result.
func unaryNumber(op Op, bits uint64, k Kind) (uint64, bool) {
	switch {
	case op == Plus:
		return bits, true
	case op == Negate && k == Float64:
		return bits ^ 1<<63, true
	case op == Negate:
		return -bits, true
	}
	return ^bits, k != Float64
}

// unaryKind is the kind of what unaryNumber returns: a negated number can be
// negative.
func unaryKind(op Op, k Kind) Kind {
	if op == Negate && k == Unsigned {
		return Signed
	}
	return k
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
