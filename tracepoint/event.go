// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/weir-io/weir/internal/ust/wire"
)

// Event is what events of all numbers of fields have.
type Event struct {
	// on is what Write asks: it is little enough to be compiled into callers.
	on atomic.Uint32
	// targets is where the event is recorded; nil is nowhere. What it points to does
	// not change.
	targets atomic.Pointer[targets]

	// Immutable.
	name   string
	level  Level
	fields []field
	layout []place
	fixed  uint64 // bytes of an event whose texts and slices are empty
}

// place is what writing has to know of a field.
type place struct {
	op   op
	elem uint8 // bytes of an element, of a slice
}

// lay places the fields.
func (e *Event) lay() {
	for _, f := range e.fields {
		e.layout = append(e.layout, place{f.op, uint8(f.elem)})
		e.fixed += [...]uint64{op8: 1, op16: 2, op32: 4, op64: 8, opString: 1, opSlice: 4}[f.op]
	}
}

// aim changes where the event is recorded.
func (e *Event) aim(all []target) {
	if len(all) == 0 {
		e.on.Store(0)
		e.targets.Store(nil)
		return
	}
	e.targets.Store(&targets{all})
	e.on.Store(1)
}

// Enabled reports whether somebody records the event. Write asks by itself; this is for
// values that are dear to make.
func (e *Event) Enabled() bool { return e.on.Load() != 0 }

// Name is the event's name with its provider.
func (e *Event) Name() string { return e.name }

// write records the event. The arguments are not kept.
//
//go:noinline
func (e *Event) write(args []arg) {
	ts := e.targets.Load()
	if ts == nil {
		return // it has just been switched off
	}
	size, layout := e.fixed, e.layout[:len(args)]
	for i := range args {
		a := &args[i]
		switch f := layout[i]; f.op {
		case opString:
			if zero := strings.IndexByte(unsafe.String((*byte)(a.p), a.n), 0); zero >= 0 {
				a.n = uint64(zero)
			}
			size += a.n
		case opSlice:
			a.n = min(a.n, 1<<32-1)
			size += a.n * uint64(f.elem)
		}
	}
	p := processor()
	for i := range ts.list {
		ts.list[i].write(p, layout, args, size)
	}
	// Until here, events have been written to the memory of the targets.
	runtime.KeepAlive(ts)
}

// put writes the fields.
func put(p unsafe.Pointer, layout []place, args []arg) {
	for i := range args {
		a := &args[i]
		switch f := layout[i]; f.op {
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
			n := a.n * uint64(f.elem)
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
			length := f.lengthName()
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

// lengthName is the name of the field that has the number of a slice's elements.
func (f *field) lengthName() string { return "_" + f.name + "_length" }

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
