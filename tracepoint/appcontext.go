// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import "github.com/weir-io/weir/internal/ust/wire"

// dynamicKinds are the kinds of values that contexts of programs' own have, in the order of
// their numbers: LTTng's library declares these, and programs of a user that share a channel
// have to declare the same.
var dynamicKinds = []wire.Field{
	{Name: "none", Kind: wire.Struct},
	dynamicInteger("int8", 8, true), dynamicInteger("int16", 16, true), dynamicInteger("int32", 32, true), dynamicInteger("int64", 64, true),
	dynamicInteger("uint8", 8, false), dynamicInteger("uint16", 16, false), dynamicInteger("uint32", 32, false), dynamicInteger("uint64", 64, false),
	{Name: "float", Kind: wire.Float, Exponent: 8, Mantissa: 24, Align: 8},
	{Name: "double", Kind: wire.Float, Exponent: 11, Mantissa: 53, Align: 8},
	{Name: "string", Kind: wire.String, Encoding: wire.UTF8},
}

func dynamicInteger(name string, bits uint32, signed bool) wire.Field {
	return wire.Field{Name: name, Kind: wire.Integer, Bits: bits, Signed: signed, Base: 10, Align: 8}
}

// dynamicEnum is the enumeration of these kinds.
func dynamicEnum() *enum {
	e := &enum{name: "dynamic_type_enum"}
	for i, f := range dynamicKinds {
		value := wire.EnumValue{Value: uint64(i), Signed: true}
		e.entries = append(e.entries, wire.EnumEntry{Start: value, End: value, Label: "_" + f.Name})
	}
	return e
}

// newAppContext makes what writes a context of the program's own. No part of a Go program
// tells any, so there is no value, which takes a byte: the kind none.
func newAppContext(c wire.AppContext) contextWriter {
	return contextWriter{kind: wire.ContextApp, name: c.String(), size: 1}
}

// appKind is behind the name of a context in that of its value's kind.
const appKind = "_tag"

// appRecords describes such a context: the kind of its value, and the value of that kind.
func appRecords(name string, enum uint64) []wire.Field {
	kind := name + appKind
	return append([]wire.Field{
		{Name: kind, Kind: wire.Enum, Enum: dynamicEnum().name, EnumID: enum},
		{Kind: wire.Integer, Bits: 8, Signed: true, Base: 10, Align: 8},
		{Name: name, Kind: wire.OldVariant, Length: uint32(len(dynamicKinds)), Ref: kind},
	}, dynamicKinds...)
}
