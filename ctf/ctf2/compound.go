// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// nested reads the field class in a property.
func (r *reader) nested(n *node, name string, depth int) schema.Class {
	if v := r.need(n, name); v != nil {
		return r.class(v, depth)
	}
	return nil
}

// minimum reads a minimum alignment, 0 for none.
func (r *reader) minimum(n *node) uint64 {
	if a := r.alignment(n, "minimum-alignment"); a > 1 {
		return a
	}
	return 0
}

func (r *reader) structure(n *node, depth int) schema.Class {
	r.only(n, "type", "member-classes", "minimum-alignment", "attributes", "extensions")
	c := &schema.Struct{MinAlign: r.minimum(n), Extra: r.extra(n)}
	members := n.property("member-classes")
	if members == nil || !r.array(members) {
		return c
	}
	seen := make(map[string]bool)
	for _, kid := range members.kids {
		if r.err != nil || !r.object(kid) {
			break
		}
		r.only(kid, "name", "field-class", "attributes", "extensions")
		m := schema.Member{Name: r.needText(kid, "name"), Extra: r.extra(kid)}
		m.Class = r.nested(kid, "field-class", depth)
		if seen[m.Name] {
			r.mismatch(kid.property("name"), "the name of no other member")
		}
		seen[m.Name] = true
		c.Members = append(c.Members, m)
	}
	return c
}

func (r *reader) list(n *node, kind string, depth int) schema.Class {
	static := kind == staticArrayType
	r.only(n, "type", "element-field-class", "minimum-alignment", lengthProperty(static), "attributes", "extensions")
	c := &schema.Array{MinAlign: r.minimum(n), Extra: r.extra(n)}
	c.Element = r.nested(n, "element-field-class", depth)
	c.Length = r.length(n, c, static)
	return c
}

func (r *reader) optional(n *node, depth int) schema.Class {
	r.only(n, "type", "field-class", "selector-field-location", "selector-field-ranges", "attributes", "extensions")
	c := &schema.Optional{Extra: r.extra(n)}
	c.Class = r.nested(n, "field-class", depth)
	wait := &pending{location: r.need(n, "selector-field-location")}
	if wait.location != nil {
		r.location(wait.location)
	}
	if v := n.property("selector-field-ranges"); v != nil {
		r.spans(v)
		wait.ranges = append(wait.ranges, v)
	}
	r.pending[c] = wait
	return c
}

func (r *reader) variant(n *node, depth int) schema.Class {
	r.only(n, "type", "options", "selector-field-location", "attributes", "extensions")
	c := &schema.Variant{Extra: r.extra(n)}
	wait := &pending{location: r.need(n, "selector-field-location")}
	options := r.need(n, "options")
	if wait.location == nil || options == nil || !r.array(options) {
		return c
	}
	r.location(wait.location)
	if len(options.kids) == 0 {
		r.mismatch(options, "one option or more")
	}
	seen := make(map[string]bool)
	for _, kid := range options.kids {
		if r.err != nil || !r.object(kid) {
			break
		}
		o, ranges := r.option(kid, depth)
		if kid.property("name") != nil {
			if seen[o.Name] {
				r.mismatch(kid.property("name"), "the name of no other option")
			}
			seen[o.Name] = true
		}
		c.Options = append(c.Options, o)
		wait.ranges = append(wait.ranges, ranges)
	}
	nameOptions(c, seen)
	r.pending[c] = wait
	return c
}

func (r *reader) option(n *node, depth int) (o schema.Option, ranges *node) {
	r.only(n, "name", "field-class", "selector-field-ranges", "attributes", "extensions")
	o = schema.Option{Name: r.text(n, "name"), Extra: r.extra(n)}
	o.Class = r.nested(n, "field-class", depth)
	if ranges = r.need(n, "selector-field-ranges"); ranges != nil {
		r.spans(ranges)
	}
	return o, ranges
}

// nameOptions gives a spelling to options without a name, so that a reference
// can tell them apart.
func nameOptions(c *schema.Variant, taken map[string]bool) {
	for i := range c.Options {
		o := &c.Options[i]
		if o.Name != "" {
			continue
		}
		o.Spelled = fmt.Sprintf("#%d", i)
		for taken[o.Spelled] {
			o.Spelled += "'"
		}
	}
}
