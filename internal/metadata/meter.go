// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import "github.com/weir-io/weir/ctf/schema"

// classBytes is about what a field class takes in memory. A few bytes of
// metadata can declare many: a name may stand for any number of fields.
const classBytes = 200

// Meter estimates the memory that a schema takes as it grows.
type Meter struct {
	header  bool
	streams []int // event classes counted, by stream class
}

// Add returns the bytes for what was declared since the last call.
func (m *Meter) Add(tr *schema.Trace) int64 {
	if tr == nil {
		return 0
	}
	classes := int64(0)
	if !m.header && tr.PacketHeader != nil {
		m.header = true
		classes += countClasses(tr.PacketHeader)
	}
	for i, s := range tr.Streams {
		if i == len(m.streams) {
			m.streams = append(m.streams, 0)
			classes += countScopes(s.PacketContext, s.EventHeader, s.EventContext)
		}
		for _, e := range s.Events[m.streams[i]:] {
			classes += countScopes(e.Context, e.Payload)
		}
		m.streams[i] = len(s.Events)
	}
	return classes * classBytes
}

// countScopes counts the classes of an object with the object.
func countScopes(scopes ...*schema.Struct) int64 {
	n := int64(1)
	for _, s := range scopes {
		if s != nil {
			n += countClasses(s)
		}
	}
	return n
}

func countClasses(c schema.Class) int64 {
	n := int64(1)
	switch c := c.(type) {
	case *schema.Struct:
		for i := range c.Members {
			n += countClasses(c.Members[i].Class)
		}
	case *schema.Array:
		n += countClasses(c.Element)
	case *schema.Optional:
		n += countClasses(c.Class)
	case *schema.Variant:
		for i := range c.Options {
			n += countClasses(c.Options[i].Class)
		}
	case *schema.Integer:
		n += int64(len(c.Mappings))
	}
	return n
}
