// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"github.com/weir-io/weir/ctf/schema"
)

// uses is where the scopes of a packet and its events are declared, as far as
// they are.
type uses struct {
	trace  *schema.Trace
	stream *schema.Stream
	event  *schema.Event
}

// scope returns a scope's struct, nil where there is none.
func (u *uses) scope(s schema.Scope) *schema.Struct {
	switch {
	case s == schema.PacketHeader:
		return u.trace.PacketHeader // the stream's trace is not yet so far
	case s >= schema.EventSpecific && u.event != nil:
		return u.event.Struct(s)
	case s < schema.EventSpecific && u.stream != nil:
		return u.stream.Struct(s)
	default:
		return nil
	}
}

// walker goes through the fields of a scope in the order of decoding, and gives
// their meaning to field locations and roles.
type walker struct {
	*reader
	uses  *uses
	scope schema.Scope
	stack []frame // around the field, outermost first
}

func (r *reader) resolve(u *uses, scope schema.Scope, s *schema.Struct) {
	if s != nil && r.err == nil {
		w := &walker{reader: r, uses: u, scope: scope}
		w.walk(s)
	}
}

func (w *walker) walk(c schema.Class) {
	if w.err != nil {
		return
	}
	wait := w.pending[c]
	switch c := c.(type) {
	case *schema.Struct:
		for i := range c.Members {
			w.within(c, i, c.Members[i].Class)
		}
	case *schema.Array:
		c.LengthRef = w.length(wait)
		w.within(c, 0, c.Element)
	case *schema.Variant:
		w.tag(c, wait)
		for i := range c.Options {
			w.within(c, i, c.Options[i].Class)
		}
	case *schema.Optional:
		w.selector(c, wait)
		w.within(c, 0, c.Class)
	case *schema.Text:
		c.LengthRef = w.length(wait)
	case *schema.Blob:
		if wait != nil && wait.location != nil {
			c.LengthRef = w.length(wait)
		}
		w.blobRoles(c, wait)
	case *schema.Integer:
		w.integerRoles(c, wait)
	}
}

// within walks a member, option or element.
func (w *walker) within(c schema.Class, index int, inner schema.Class) {
	w.stack = append(w.stack, frame{c, index})
	w.walk(inner)
	w.stack = w.stack[:len(w.stack)-1]
}

// length resolves the location of a length, nil when the length is static.
func (w *walker) length(wait *pending) *schema.Ref {
	if wait == nil {
		return nil
	}
	ref, targets := w.locate(wait.location)
	for _, t := range targets {
		if i, ok := t.class.(*schema.Integer); !ok || i.Signed {
			w.unfit(wait.location, t, "a length that is an integer without sign")
		}
	}
	return ref
}

// unfit is the failure of a location that leads to a field of the wrong class.
func (w *walker) unfit(n *node, t target, want string) {
	w.fail(n, typeOf(t.class)+" "+(&locator{walker: w}).shown(t.path), want)
}

// tag resolves the selector of a variant and the ranges of its options.
func (w *walker) tag(c *schema.Variant, wait *pending) {
	ref, targets := w.locate(wait.location)
	signed, _ := w.sign(wait.location, targets, false)
	if w.err != nil {
		return
	}
	c.Tag, c.TagSigned = ref, signed
	sets := make([][]schema.Range, len(c.Options))
	for i := range c.Options {
		sets[i] = w.ranges(wait.ranges[i], signed)
		c.Options[i].Ranges = sets[i]
	}
	if i := shared(sets, signed); i >= 0 {
		w.fail(wait.ranges[i], "values of another option", "other values")
	}
}

// selector resolves the selector of an optional field and its ranges.
func (w *walker) selector(c *schema.Optional, wait *pending) {
	ref, targets := w.locate(wait.location)
	signed, boolean := w.sign(wait.location, targets, true)
	if w.err != nil {
		return
	}
	c.Selector, c.SelectorSigned = ref, signed
	switch {
	case boolean && len(wait.ranges) > 0:
		w.fail(wait.ranges[0], "ranges of a boolean selector", "none")
	case !boolean && len(wait.ranges) == 0:
		w.fail(wait.location, "an integer selector without ranges", "selector-field-ranges")
	case !boolean:
		c.Ranges = w.ranges(wait.ranges[0], signed)
	}
}

// sign tells whether selectors have a sign, or are booleans where these are
// allowed. All have to be alike.
func (w *walker) sign(n *node, targets []target, booleans bool) (signed, boolean bool) {
	want := "a selector that is an integer"
	if booleans {
		want += " or a boolean"
	}
	for i, t := range targets {
		s, b := false, false
		switch c := t.class.(type) {
		case *schema.Integer:
			s = c.Signed
		case *schema.Bits:
			b = c.Bool
			if !b || !booleans {
				w.unfit(n, t, want)
			}
		default:
			w.unfit(n, t, want)
		}
		if i > 0 && (s != signed || b != boolean) {
			w.unfit(n, t, "selectors of one kind and sign")
		}
		signed, boolean = s, b
	}
	return signed, boolean
}
