// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// reader reads one fragment. The first error is kept, and what is read after it
// has no meaning.
type reader struct {
	batch   *batch
	err     *Error
	pending map[schema.Class]*pending
	kept    int // field classes that become part of the schema
}

// pending is what a field class says of itself that depends on where it is used.
type pending struct {
	location *node   // of the length or the selector
	roles    *node   // array of names
	ranges   []*node // selector ranges: of the options, or of the optional class
}

func (r *reader) fail(n *node, got, want string) {
	if r.err == nil {
		r.err = failure(n, got, want)
	}
}

// mismatch is the failure of a value that is of no use.
func (r *reader) mismatch(n *node, want string) {
	if r.err == nil {
		r.err = failure(n, n.describe(), want)
	}
}

func (r *reader) warn(n *node, got, want string) {
	if len(r.batch.warnings) < MaxWarnings {
		// A batch that fails must not change the slice of the parser.
		r.batch.warnings = append(slices.Clip(r.batch.warnings), failure(n, got, want))
	}
}

// only refuses properties that an object of the type does not have.
func (r *reader) only(n *node, properties ...string) {
	for _, kid := range n.kids {
		if !slices.Contains(properties, kid.name) {
			r.fail(kid, "an unknown property", strings.Join(properties, ", "))
			return
		}
	}
}

// object demands an object.
func (r *reader) object(n *node) bool {
	if n.kind != objectKind {
		r.mismatch(n, "an object")
		return false
	}
	return true
}

// array demands an array.
func (r *reader) array(n *node) bool {
	if n.kind != arrayKind {
		r.mismatch(n, "an array")
		return false
	}
	return true
}

// need returns a property that has to be there; nil after a failure.
func (r *reader) need(n *node, name string) *node {
	v := n.property(name)
	if v == nil {
		r.fail(&node{start: n.start, parent: n, name: name, src: n.src}, "nothing", "the property")
	}
	return v
}

// text returns a property that is a string, "" when it is not there.
func (r *reader) text(n *node, name string) string {
	v := n.property(name)
	if v == nil {
		return ""
	}
	if v.kind != stringKind {
		r.mismatch(v, "a string")
	}
	return v.text
}

// needText returns a property that has to be there and a string.
func (r *reader) needText(n *node, name string) string {
	r.need(n, name)
	return r.text(n, name)
}

// word returns a property that is one of some words, the first by default.
func (r *reader) word(n *node, name string, words ...string) string {
	v := n.property(name)
	if v == nil {
		return words[0]
	}
	if v.kind != stringKind || !slices.Contains(words, v.text) {
		r.mismatch(v, strings.Join(words, ", "))
	}
	return v.text
}

// number returns a property that is an integer without sign within bounds.
func (r *reader) number(n *node, name string, otherwise, low, high uint64) uint64 {
	v := n.property(name)
	if v == nil {
		return otherwise
	}
	u, ok := v.uint()
	if !ok || u < low || u > high {
		r.mismatch(v, fmt.Sprintf("an integer from %d to %d", low, high))
	}
	return u
}

// needNumber returns a property that has to be there and such an integer.
func (r *reader) needNumber(n *node, name string, low, high uint64) uint64 {
	r.need(n, name)
	return r.number(n, name, low, low, high)
}

// alignment returns a property that is a power of two.
func (r *reader) alignment(n *node, name string) uint64 {
	const most = 1 << 31 // bits
	v := n.property(name)
	if v == nil {
		return 1
	}
	u, ok := v.uint()
	if !ok || !schema.IsPowerOfTwo(u) || u > most {
		r.mismatch(v, fmt.Sprintf("a power of two up to %d", most))
	}
	return u
}

// extra keeps the attributes and extensions of an object. No extension is
// known here, so that none can be in use.
func (r *reader) extra(n *node) (x schema.Extra) {
	if v := n.property("attributes"); v != nil && r.object(v) {
		x.Attributes = r.keep(v)
	}
	if v := n.property("extensions"); v != nil && r.object(v) {
		x.Extensions = r.keep(v)
		for _, namespace := range v.kids {
			if r.object(namespace) && len(namespace.kids) > 0 {
				r.fail(namespace.kids[0], "an extension that is not known here", "no extension")
			}
		}
	}
	return x
}

// keep copies an object that is handed on, without white space; nil when it is
// empty, which is the same as none.
func (r *reader) keep(n *node) json.RawMessage {
	if len(n.kids) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, n.raw()); err != nil {
		r.fail(n, quote(err.Error()), "JSON")
	}
	return b.Bytes()
}

// absent reports whether a property is missing or null. A producer that fills
// objects only when there is something to say writes null for an empty one.
func (r *reader) absent(n *node, name string) bool {
	v := n.property(name)
	if v != nil && v.kind == nullKind {
		r.warn(v, "null", "an object")
		return true
	}
	return v == nil
}

// spans reads a set of ranges, which is not empty.
func (r *reader) spans(n *node) []span {
	if !r.array(n) {
		return nil
	}
	if len(n.kids) == 0 {
		r.mismatch(n, "one range or more")
	}
	set := make([]span, 0, len(n.kids))
	for _, kid := range n.kids {
		if kid.kind != arrayKind || len(kid.kids) != 2 {
			r.mismatch(kid, "a range of two integers")
			return nil
		}
		low, ok1 := kid.kids[0].integer()
		high, ok2 := kid.kids[1].integer()
		if !ok1 || !ok2 {
			r.fail(kid, string(clip(kid.raw())), "two integers of 64 bits")
			return nil
		}
		if high.less(low) {
			r.fail(kid, string(clip(kid.raw())), "the lower bound first")
		}
		set = append(set, span{low, high})
	}
	return set
}

// clip is the start of a text without line ends, for a message.
func clip(b []byte) []byte {
	return bytes.Join(bytes.Fields(b[:min(len(b), maxShown)]), nil)
}

// ranges reads a set of ranges of an integer that has a sign or not. What no
// value of it can meet is left out, with a warning: tracers write enumerations
// with signs over integers without.
func (r *reader) ranges(n *node, signed bool) []schema.Range {
	set := r.spans(n)
	ranges := make([]schema.Range, 0, len(set))
	for i, s := range set {
		got, some, cut := s.within(signed)
		if some {
			ranges = append(ranges, got)
		}
		if cut {
			sign := "without"
			if signed {
				sign = "with"
			}
			r.warn(n.kids[i], string(clip(n.kids[i].raw())), "a range of integers "+sign+" sign")
		}
	}
	return ranges
}

// mappings reads an object of named sets of ranges, in order.
func (r *reader) mappings(n *node, signed bool) []schema.Mapping {
	if !r.object(n) || len(n.kids) == 0 {
		return nil
	}
	mappings := make([]schema.Mapping, 0, len(n.kids))
	for _, kid := range n.kids {
		mappings = append(mappings, schema.Mapping{Label: kid.name, Ranges: r.ranges(kid, signed)})
	}
	return mappings
}
