// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/weir-io/weir/internal/ust/wire"
)

// Event is what events of all numbers of fields have.
type Event struct {
	// targets is where the event is recorded; nil is nowhere. What it points to does
	// not change.
	targets atomic.Pointer[targets]

	// Immutable.
	name   string
	level  Level
	fields []field
}

// Enabled reports whether somebody records the event. Write asks by itself; this is for
// values that are dear to make.
func (e *Event) Enabled() bool { return e.targets.Load() != nil }

// Name is the event's name with its provider.
func (e *Event) Name() string { return e.name }

// write records the event. The arguments are not kept.
//
//go:noinline
func (e *Event) write(ts *targets, args []arg) {
	size := uint64(0)
	for i := range args {
		a := &args[i]
		switch f := &e.fields[i]; f.op {
		case op8:
			size++
		case op16:
			size += 2
		case op32:
			size += 4
		case op64:
			size += 8
		case opString:
			if zero := strings.IndexByte(unsafe.String((*byte)(a.p), a.n), 0); zero >= 0 {
				a.n = uint64(zero)
			}
			size += a.n + 1
		case opSlice:
			a.n = min(a.n, 1<<32-1)
			size += 4 + a.n*f.elem
		}
	}
	for i := range ts.list {
		ts.list[i].write(ts, e.fields, args, size)
	}
}

// put writes the fields.
func put(p unsafe.Pointer, fields []field, args []arg) {
	for i := range args {
		a := &args[i]
		switch f := &fields[i]; f.op {
		case op8:
			*(*uint8)(p) = uint8(a.n)
			p = unsafe.Add(p, 1)
		case op16:
			*(*uint16)(p) = uint16(a.n)
			p = unsafe.Add(p, 2)
		case op32:
			*(*uint32)(p) = uint32(a.n)
			p = unsafe.Add(p, 4)
		case op64:
			*(*uint64)(p) = a.n
			p = unsafe.Add(p, 8)
		case opString:
			copy(unsafe.Slice((*byte)(p), a.n), unsafe.Slice((*byte)(a.p), a.n))
			p = unsafe.Add(p, a.n)
			*(*byte)(p) = 0
			p = unsafe.Add(p, 1)
		case opSlice:
			*(*uint32)(p) = uint32(a.n)
			p = unsafe.Add(p, 4)
			n := a.n * f.elem
			copy(unsafe.Slice((*byte)(p), n), unsafe.Slice((*byte)(a.p), n))
			p = unsafe.Add(p, n)
		}
	}
}

// signature is what tells events of the same name apart that have other fields.
func (e *Event) signature() string {
	var b strings.Builder
	for i, f := range e.fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.describe())
	}
	return b.String()
}

// records describes the fields, as they lie in the trace.
func (e *Event) records(enums map[string]uint64) (all []wire.Field) {
	for _, f := range e.fields {
		n := f.numberRecord()
		switch {
		case f.op == opString:
			all = append(all, wire.Field{Name: f.name, Kind: wire.String, Encoding: wire.UTF8})
		case f.op == opSlice:
			length := "_" + f.name + "_length"
			n.Name = ""
			all = append(all,
				wire.Field{Name: length, Kind: wire.Integer, Bits: 32, Base: 10, Align: 8},
				wire.Field{Name: f.name, Kind: wire.Sequence, Ref: length},
				n)
		case f.enum != nil:
			n.Name = ""
			all = append(all, wire.Field{Name: f.name, Kind: wire.Enum, Enum: f.enum.name, EnumID: enums[f.enum.name]}, n)
		default:
			all = append(all, n)
		}
	}
	return all
}

// numberRecord describes a number, or an element of a slice.
func (f *field) numberRecord() wire.Field {
	r := wire.Field{Name: f.name, Kind: f.kind, Align: 8}
	switch {
	case f.kind != wire.Float:
		r.Bits, r.Signed, r.Base = f.bits, f.sign, f.base
	case f.bits == 32:
		r.Exponent, r.Mantissa = 8, 24
	default:
		r.Exponent, r.Mantissa = 11, 53
	}
	return r
}
