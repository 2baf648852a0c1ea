// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/weir-io/weir/internal/ust/wire"
)

// Field is a field of events, whose values are of type T.
type Field[T any] struct{ field }

// op is how a value is taken and written.
type op uint8

const (
	op8 op = iota
	op16
	op32
	op64
	opString
	opSlice
)

// field is what a field is without its type.
type field struct {
	name string
	op   op
	elem uint64 // bytes of an element, of a slice
	kind wire.Kind
	base uint32
	bits uint32 // of the number, or of an element
	sign bool
	enum *enum
}

// Number is what numeric fields can be of.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

// Num declares a field of any numeric type.
func Num[T Number](name string) Field[T] { return Field[T]{number[T](name)} }

func number[T Number](name string) field {
	var zero T
	one := T(1)
	f := field{name: name, kind: wire.Integer, base: 10, sign: zero-one < zero, bits: uint32(8 * unsafe.Sizeof(zero))}
	f.op = map[uint32]op{8: op8, 16: op16, 32: op32, 64: op64}[f.bits]
	if half := one / (one + one); half != zero {
		f.kind = wire.Float
	}
	return f
}

// Int declares a field.
func Int(name string) Field[int] { return Num[int](name) }

// Int32 declares a field.
func Int32(name string) Field[int32] { return Num[int32](name) }

// Int64 declares a field.
func Int64(name string) Field[int64] { return Num[int64](name) }

// Uint8 declares a field.
func Uint8(name string) Field[uint8] { return Num[uint8](name) }

// Uint32 declares a field.
func Uint32(name string) Field[uint32] { return Num[uint32](name) }

// Uint64 declares a field.
func Uint64(name string) Field[uint64] { return Num[uint64](name) }

// Float64 declares a field.
func Float64(name string) Field[float64] { return Num[float64](name) }

// Duration declares a field, in nanoseconds.
func Duration(name string) Field[time.Duration] { return Num[time.Duration](name) }

// Hex declares a field of an integer that is shown with base 16.
func Hex[T Number](name string) Field[T] {
	f := Num[T](name)
	f.base = 16
	return f
}

// Bool declares a field, which is 0 or 1.
func Bool(name string) Field[bool] {
	return Field[bool]{field{name: name, kind: wire.Integer, base: 10, bits: 8, op: op8}}
}

// String declares a field. What is behind a zero byte in a text is not recorded.
func String(name string) Field[string] {
	return Field[string]{field{name: name, kind: wire.String, op: opString}}
}

// Slice declares a field of any number of integers. In the trace, a field before it has
// the number of them. Session daemons of LTTng take no other sequences: one of floats
// would leave them with metadata that nobody can read.
func Slice[T Integer](name string) Field[[]T] {
	f := number[T](name)
	f.op, f.elem = opSlice, uint64(f.bits/8)
	return Field[[]T]{f}
}

// Bytes declares a field of any number of bytes.
func Bytes(name string) Field[[]byte] { return Slice[byte](name) }

// arg is a value on its way: a number, or where a text or slice is and how many bytes
// or elements it has.
type arg struct {
	p unsafe.Pointer
	n uint64
}

// argOf takes a value. It does not keep it.
func argOf[T any](o op, v *T) arg {
	p := unsafe.Pointer(v)
	switch o {
	case op8:
		return arg{n: uint64(*(*uint8)(p))}
	case op16:
		return arg{n: uint64(*(*uint16)(p))}
	case op32:
		return arg{n: uint64(*(*uint32)(p))}
	case op64:
		return arg{n: *(*uint64)(p)}
	case opString:
		s := *(*string)(p)
		return arg{unsafe.Pointer(unsafe.StringData(s)), uint64(len(s))}
	default:
		s := *(*[]byte)(p) // whatever the elements are
		return arg{unsafe.Pointer(unsafe.SliceData(s)), uint64(len(s))}
	}
}

// describe is the field's part of a signature.
func (f *field) describe() string {
	t := "u"
	switch {
	case f.op == opString:
		return "string " + f.name
	case f.kind == wire.Float:
		t = "float"
	case f.sign:
		t = "s"
	}
	t += strconv.Itoa(int(f.bits))
	if f.enum != nil {
		t = "enum " + f.enum.name + ":" + t
	}
	if f.op == opSlice {
		t = "[]" + t
	}
	return t + " " + f.name
}
