// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import "github.com/weir-io/weir/ctf/schema"

// shownFields knows which fields of the scopes of a stream class are shown.
// What a reader needs for itself (sizes of packets, counters, times) is not,
// unless a shown field refers to it.
type shownFields struct {
	needed map[string]bool // paths of fields that shown fields refer to, as Ref.String
}

// newShownFields looks for references in all event classes of a stream class.
func newShownFields(s *schema.Stream) *shownFields {
	f := &shownFields{needed: make(map[string]bool)}
	// References lead backwards, so that what refers to a field is seen first.
	for _, e := range s.Events {
		f.collectScope(e.Payload, schema.EventPayload)
		f.collectScope(e.Context, schema.EventSpecific)
	}
	f.collectScope(s.EventContext, schema.EventContext)
	f.collectScope(s.PacketContext, schema.PacketContext)
	return f
}

// addEvent looks for references in an event class that came later. What the
// packet's and the common context show stays as it is.
func (f *shownFields) addEvent(e *schema.Event) {
	f.collectScope(e.Payload, schema.EventPayload)
	f.collectScope(e.Context, schema.EventSpecific)
}

func (f *shownFields) collectScope(st *schema.Struct, s schema.Scope) {
	if st != nil {
		f.collect(st, s.String())
	}
}

// collect adds what the shown fields within a field refer to, last member first.
func (f *shownFields) collect(c schema.Class, path string) {
	if !f.shows(c, path) {
		return
	}
	switch c := c.(type) {
	case *schema.Struct:
		for i := len(c.Members) - 1; i >= 0; i-- {
			m := &c.Members[i]
			f.collect(m.Class, path+"."+m.SpelledName())
		}
	case *schema.Variant:
		f.need(c.Tag)
		for i := len(c.Options) - 1; i >= 0; i-- {
			o := &c.Options[i]
			f.collect(o.Class, path+"."+o.SpelledName())
		}
	case *schema.Array:
		f.need(c.LengthRef)
		f.collect(c.Element, path)
	case *schema.Optional:
		f.need(c.Selector)
		f.collect(c.Class, path)
	case *schema.Text:
		f.need(c.LengthRef)
	case *schema.Blob:
		f.need(c.LengthRef)
	}
}

func (f *shownFields) need(r *schema.Ref) {
	if r != nil {
		f.needed[r.String()] = true
	}
}

// shows reports whether a field is shown. A struct is when it has a member that
// is, or never had any; all options of a variant are when one is.
func (f *shownFields) shows(c schema.Class, path string) bool {
	switch c := c.(type) {
	case *schema.Integer:
		return c.Clock == nil && c.Role == schema.RoleNone || f.needed[path]
	case *schema.Struct:
		for i := range c.Members {
			if f.shows(c.Members[i].Class, path+"."+c.Members[i].SpelledName()) {
				return true
			}
		}
		return len(c.Members) == 0
	case *schema.Variant:
		for i := range c.Options {
			if f.shows(c.Options[i].Class, path+"."+c.Options[i].SpelledName()) {
				return true
			}
		}
		return false
	case *schema.Array:
		return c.Role == schema.RoleNone && f.shows(c.Element, path)
	case *schema.Optional:
		return f.shows(c.Class, path)
	case *schema.Blob:
		return c.Role == schema.RoleNone
	default:
		return true
	}
}
