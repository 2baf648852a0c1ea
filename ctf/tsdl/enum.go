// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import "github.com/weir-io/weir/ctf/schema"

// enumerators reads the braces of an enumeration.
func (b *batch) enumerators(e *schema.Integer) error {
	if err := b.expect(tLBrace); err != nil {
		return err
	}
	labels := make(map[string]int)
	var follow uint64 // the value of a label that names none
	overflow := false // there is no such value
	for {
		label, err := b.label()
		if err != nil {
			return err
		}
		r := schema.Range{Low: follow, High: follow}
		at := b.tok.pos
		if b.accept(tEqual) {
			if r, err = b.valueRange(e); err != nil {
				return err
			}
		} else if overflow || !fits(follow, e) {
			return b.failf(at, "no value left for label %s", quoteShort(label))
		}
		follow, overflow = r.High+1, r.High == highest(e)
		if i, ok := labels[label]; ok {
			e.Mappings[i].Ranges = append(e.Mappings[i].Ranges, r)
		} else {
			labels[label] = len(e.Mappings)
			e.Mappings = append(e.Mappings, schema.Mapping{Label: label, Ranges: []schema.Range{r}})
		}
		comma := b.accept(tComma)
		if b.accept(tRBrace) {
			return nil
		}
		if !comma {
			return b.unexpected(`",", "=" or "}"`)
		}
	}
}

// label reads the name of a value.
func (b *batch) label() (string, error) {
	t := b.tok
	switch {
	case t.kind.isWord():
		b.next()
		return b.name(b.text(t)), nil
	case t.kind == tString:
		b.next()
		return b.name(unquote(b.text(t))), nil
	default:
		return "", b.unexpected("label")
	}
}

// valueRange reads a value, or two with an ellipsis between.
func (b *batch) valueRange(e *schema.Integer) (schema.Range, error) {
	pos := b.tok.pos
	low, err := b.enumValue()
	if err != nil {
		return schema.Range{}, err
	}
	r := schema.Range{Low: low, High: low}
	if b.accept(tEllipsis) {
		if r.High, err = b.enumValue(); err != nil {
			return schema.Range{}, err
		}
	}
	if !r.Holds(r.Low, e.Signed) {
		return schema.Range{}, b.failf(pos, "range ends before it begins")
	}
	return r, nil
}

// enumValue reads a value. It need not fit the integer: programs have labels for values
// that one of their fields is too narrow for, and events never have them there.
func (b *batch) enumValue() (uint64, error) {
	neg := b.tok.kind == tMinus
	if neg || b.tok.kind == tPlus {
		b.next()
	}
	if b.tok.kind != tInteger {
		return 0, b.unexpected("integer")
	}
	v, err := b.integer(neg)
	if err != nil {
		return 0, err
	}
	if v.neg {
		return -v.num, nil
	}
	return v.num, nil
}

// fits reports whether a value can be held by an integer.
func fits(v uint64, e *schema.Integer) bool {
	if !e.Signed {
		return e.Size == 64 || v>>e.Size == 0
	}
	shift := 64 - e.Size
	return int64(v)<<shift>>shift == int64(v)
}

// highest is the largest value of an integer.
func highest(e *schema.Integer) uint64 {
	if e.Signed {
		return 1<<(e.Size-1) - 1
	}
	return ^uint64(0) >> (64 - e.Size)
}
