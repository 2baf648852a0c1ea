// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/ust/wire"
)

// Integer is what enumerations and slices can be of.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// enum is an enumeration with its labels.
type enum struct {
	name    string
	entries []wire.EnumEntry
}

// Enum declares a field of an enumeration: values have labels. The enumeration has a
// name of its own; those of the same name in a program have the same labels, of at most
// 255 bytes without a zero. Values without a label are recorded, too.
func Enum[T Integer](name, enumeration string, labels map[T]string) Field[T] {
	f := Num[T](name)
	if !identifier(enumeration) || len(labels) == 0 {
		panic(fmt.Sprintf("tracepoint: enumeration %q of %d labels: not a name for one, or nothing in it", enumeration, len(labels)))
	}
	f.enum = &enum{name: enumeration}
	for _, v := range slices.SortedFunc(maps.Keys(labels), cmp.Compare) {
		if l := labels[v]; len(l) > maxName || strings.IndexByte(l, 0) >= 0 {
			panic(fmt.Sprintf("tracepoint: enumeration %q: label %.300q, want at most %d bytes without a zero", enumeration, l, maxName))
		}
		value := wire.EnumValue{Value: uint64(v), Signed: f.sign}
		f.enum.entries = append(f.enum.entries, wire.EnumEntry{Start: value, End: value, Label: labels[v]})
	}
	return f
}

// same reports whether the labels are those of another one.
func (e *enum) same(o *enum) bool {
	return slices.EqualFunc(e.entries, o.entries, func(a, b wire.EnumEntry) bool {
		return a.Start.Value == b.Start.Value && a.Label == b.Label
	})
}
