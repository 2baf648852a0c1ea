// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// rowFiller makes the frame of a scope that no caller gives: all fields zero or
// empty, one choice of options for its variants and what follows from it for
// their tags. It notes the fields whose values the writer knows.
type rowFiller struct {
	scope  schema.Scope
	choice int // options not chosen yet, as digits: the first variant's is the lowest

	frame  Frame
	fields map[string]int // words of integers, by path
	ids    []filledInt
	times  []filledInt
	tags   []filledTag
}

// filledInt is an integer that the writer gives a value.
type filledInt struct {
	at   int // word
	size uint8
}

// filledTag is an integer that has to choose the option that the frame has.
type filledTag struct {
	at     int // word
	ranges []schema.Range
	signed bool
}

// holds reports whether a value chooses the option.
func (t *filledTag) holds(v uint64) bool {
	for _, r := range t.ranges {
		if r.Holds(v, t.signed) {
			return true
		}
	}
	return false
}

// fillScope adds a scope's struct to the frame.
func (f *rowFiller) fillScope(s schema.Scope, st *schema.Struct, at int) error {
	if st == nil {
		return nil
	}
	f.scope = s
	return f.fill(st, at, nil)
}

func (f *rowFiller) fill(class schema.Class, at int, path []string) error {
	switch c := class.(type) {
	case *schema.Struct:
		for i := range c.Members {
			m := &c.Members[i]
			if err := f.fill(m.Class, at, append(path, m.SpelledName())); err != nil {
				return err
			}
			at += Width(m.Class)
		}
	case *schema.Integer:
		f.integer(c, at, path)
	case *schema.Bits:
		f.fields[refKey(f.scope, path)] = at
	case *schema.Blob:
		if c.LengthRef == nil {
			if c.Length > maxFilled {
				return fmt.Errorf("%s: a blob of %d bytes", f.scope, c.Length)
			}
			off := len(f.frame.Data)
			f.frame.Data = append(f.frame.Data, make([]byte, c.Length)...)
			f.frame.Words[at] = extent(off, int(c.Length))
		}
	case *schema.Array:
		return f.array(c, at, path)
	case *schema.Variant:
		o := f.choose(len(c.Options))
		if len(c.Options) == 0 {
			return fmt.Errorf("%s: a variant without options", f.scope)
		}
		if err := f.tag(c.Tag, c.Options[o].Ranges, c.TagSigned); err != nil {
			return err
		}
		start := f.grow(Width(c.Options[o].Class))
		f.frame.Words[at] = extent(start, o)
		return f.fill(c.Options[o].Class, start, append(path, c.Options[o].SpelledName()))
	case *schema.Optional:
		return f.optional(c, at, path)
	}
	return nil
}

// maxFilled bounds the bytes or elements of a field that nobody gives.
const maxFilled = 1 << 16

func (f *rowFiller) integer(c *schema.Integer, at int, path []string) {
	size := c.Size
	if c.Variable {
		size = 64
	}
	f.fields[refKey(f.scope, path)] = at
	if c.Role == schema.RoleEventClassID {
		f.ids = append(f.ids, filledInt{at, size})
	}
	if c.Clock != nil {
		f.times = append(f.times, filledInt{at, size})
	}
}

func (f *rowFiller) array(c *schema.Array, at int, path []string) error {
	if c.LengthRef != nil {
		f.frame.Words[at] = extent(len(f.frame.Words), 0)
		return nil
	}
	if c.Length > maxFilled {
		return fmt.Errorf("%s: an array of %d elements", f.scope, c.Length)
	}
	width := Width(c.Element)
	start := f.grow(int(c.Length) * width)
	f.frame.Words[at] = extent(start, int(c.Length))
	for i := range int(c.Length) {
		if err := f.fill(c.Element, start+i*width, path); err != nil {
			return err
		}
	}
	return nil
}

func (f *rowFiller) optional(c *schema.Optional, at int, path []string) error {
	ranges := c.Ranges
	if ranges == nil {
		ranges = []schema.Range{{Low: 1, High: 1}}
	}
	if f.choose(2) == 0 {
		f.frame.Words[at] = extent(len(f.frame.Words), 0)
		return f.tag(c.Selector, []schema.Range{{}}, c.SelectorSigned)
	}
	if err := f.tag(c.Selector, ranges, c.SelectorSigned); err != nil {
		return err
	}
	start := f.grow(Width(c.Class))
	f.frame.Words[at] = extent(start, 1)
	return f.fill(c.Class, start, path)
}

// choose takes one digit of the choice.
func (f *rowFiller) choose(options int) int {
	if options == 0 {
		return 0
	}
	o := f.choice % options
	f.choice /= options
	return o
}

func (f *rowFiller) grow(n int) int {
	start := len(f.frame.Words)
	f.frame.Words = append(f.frame.Words, make([]uint64, n)...)
	return start
}

// tag gives the field that another needs a value within ranges.
func (f *rowFiller) tag(r *schema.Ref, ranges []schema.Range, signed bool) error {
	at, ok := f.fields[refKey(r.Scope, r.Path)]
	if !ok || len(ranges) == 0 {
		return fmt.Errorf("%s: no value of %s can be given", f.scope, r)
	}
	f.tags = append(f.tags, filledTag{at, ranges, signed})
	f.frame.Words[at] = ranges[0].Low
	return nil
}

// consistent reports whether all tags choose what the frame has.
func (f *rowFiller) consistent() bool {
	for i := range f.tags {
		if !f.tags[i].holds(f.frame.Words[f.tags[i].at]) {
			return false
		}
	}
	return true
}
