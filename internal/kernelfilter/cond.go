// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"fmt"
	"strconv"
)

// cond is a condition in the kernel's language. It is immutable.
type cond struct {
	kind condKind
	kids []*cond // of every and some: two at least, none of the same kind or a constant

	text, negation string // of an atom

	// Of a test: whether a number has any of some bits, or none of them.
	field *kernelField
	mask  uint64
	none  bool
}

type condKind uint8

const (
	constantly condKind = iota // none of its negation: true; that it has: false
	atom
	test
	every // of kids
	some  // of kids
)

// The constants.
var (
	always = &cond{kind: constantly}
	never  = &cond{kind: constantly, none: true}
)

func newAtom(text, negation string) *cond { return &cond{kind: atom, text: text, negation: negation} }

// anyOf returns whether a field has any of some bits.
func anyOf(f *kernelField, mask uint64) *cond {
	if mask == 0 {
		return never
	}
	return &cond{kind: test, field: f, mask: mask}
}

func and(kids ...*cond) *cond { return join(every, never, always, kids) }

func or(kids ...*cond) *cond { return join(some, always, never, kids) }

// join makes one condition of several. One that is decisive decides, neutral ones
// are left out, and neighbouring tests of bits of one field become one.
func join(kind condKind, decisive, neutral *cond, parts []*cond) *cond {
	var kids []*cond
	for _, p := range parts {
		list := []*cond{p}
		if p.kind == kind {
			list = p.kids
		}
		for _, k := range list {
			switch {
			case k == decisive:
				return decisive
			case k == neutral:
			case len(kids) > 0 && kids[len(kids)-1].joins(k, kind):
				last := kids[len(kids)-1]
				kids[len(kids)-1] = &cond{kind: test, field: k.field, mask: last.mask | k.mask, none: k.none}
			default:
				kids = append(kids, k)
			}
		}
	}
	switch len(kids) {
	case 0:
		return neutral
	case 1:
		return kids[0]
	}
	return &cond{kind: kind, kids: kids}
}

// joins reports whether two tests are one: any of these bits or of those, none of
// these and of those.
func (c *cond) joins(d *cond, kind condKind) bool {
	return c.kind == test && d.kind == test && c.field == d.field && c.none == d.none && c.none == (kind == every)
}

// not returns the opposite.
func (c *cond) not() *cond {
	switch c.kind {
	case constantly:
		if c == always {
			return never
		}
		return always
	case atom:
		return newAtom(c.negation, c.text)
	case test:
		n := *c
		n.none = !c.none
		return &n
	}
	kids := make([]*cond, len(c.kids))
	for i, k := range c.kids {
		kids[i] = k.not()
	}
	if c.kind == every {
		return or(kids...)
	}
	return and(kids...)
}

// neverText is what the kernel keeps no event for: none of no bits.
const neverText = "common_type & 0"

// String returns the condition as the kernel reads it; "" if it is always true.
func (c *cond) String() string {
	switch c {
	case always:
		return ""
	case never:
		return neverText
	}
	return string(c.append(nil))
}

func (c *cond) append(b []byte) []byte {
	switch c.kind {
	case atom:
		return append(b, c.text...)
	case test:
		s := fmt.Sprintf("%s & %s", c.field.name, c.field.bits(c.mask))
		if c.none {
			s = "!(" + s + ")"
		}
		return append(b, s...)
	}
	for i, k := range c.kids {
		if i > 0 {
			b = append(b, map[condKind]string{every: " && ", some: " || "}[c.kind]...)
		}
		if k.kind == every || k.kind == some {
			b = append(k.append(append(b, '(')), ')')
		} else {
			b = k.append(b)
		}
	}
	return b
}

// bits returns a mask as a number that the kernel takes for the field: what would
// be the sign of 64 bits has to be one.
func (f *kernelField) bits(mask uint64) string {
	if f.signed && int64(mask) < 0 {
		return strconv.FormatInt(int64(mask), 10)
	}
	return fmt.Sprintf("%#x", mask)
}
