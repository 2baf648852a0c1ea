// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"math"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

var integerBlock = []string{"size", "align", "signed", "byte_order", "base", "encoding", "map"}

// integerType reads from the keyword integer on.
func (b *batch) integerType() (schema.Class, error) {
	start := b.tok.pos
	b.next()
	i := &schema.Integer{Base: 10}
	i.Order = b.trace.ByteOrder
	err := b.entries(block{what: "integer", known: integerBlock}, func(e entry) (err error) {
		switch e.name {
		case "size":
			var size uint64
			size, err = b.uintOf(e, 1, 64)
			i.Size = uint8(size)
		case "align":
			i.Align, err = b.alignOf(e)
		case "signed":
			i.Signed, err = b.boolOf(e)
		case "byte_order":
			i.Order, err = b.byteOrderOf(e, b.trace.ByteOrder)
		case "base":
			i.Base, err = b.baseOf(e)
		case "encoding":
			i.Encoding, err = b.encodingOf(e)
		case "map":
			i.Clock, err = b.clockOf(e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if i.Size == 0 {
		return nil, b.failf(start, "integer without attribute %q", "size")
	}
	if i.Align == 0 {
		i.Align = 1
		if i.Size%8 == 0 {
			i.Align = 8
		}
	}
	return i, nil
}

var baseWords = map[string]uint8{
	"decimal": 10, "dec": 10, "d": 10, "i": 10, "u": 10,
	"hexadecimal": 16, "hex": 16, "x": 16, "X": 16, "p": 16,
	"octal": 8, "oct": 8, "o": 8, "binary": 2, "b": 2,
}

func (b *batch) baseOf(e entry) (uint8, error) {
	if e.value.isInt && !e.value.neg {
		switch e.value.num {
		case 2, 8, 10, 16:
			return uint8(e.value.num), nil
		}
	}
	if base, ok := baseWords[e.value.text]; ok && !e.value.isInt {
		return base, nil
	}
	return 0, b.wrong(e, "2, 8, 10, 16 or a word for one of them")
}

func (b *batch) encodingOf(e entry) (schema.Encoding, error) {
	if !e.value.isInt {
		switch e.value.text {
		case "none":
			return schema.NoEncoding, nil
		case "UTF8", "utf8", "UTF-8", "utf-8", "ASCII", "ascii":
			return schema.UTF8, nil
		}
	}
	return 0, b.wrong(e, "none, UTF8 or ASCII")
}

// clockOf gives the clock that an integer is mapped to.
func (b *batch) clockOf(e entry) (*schema.Clock, error) {
	if e.value.isInt {
		return nil, b.wrong(e, "clock.NAME.value")
	}
	name, ok := strings.CutPrefix(e.value.text, "clock.")
	name = strings.TrimSuffix(name, ".value")
	if !ok {
		b.warnf(e.at, "map %s is not clock.NAME.value and ignored", quoteShort(e.value.text))
		return nil, nil
	}
	c := b.trace.Clock(name)
	if c == nil {
		return nil, b.failf(e.at, "no clock %s", quoteShort(name))
	}
	return c, nil
}

var floatBlock = []string{"exp_dig", "mant_dig", "align", "byte_order"}

// floatType reads from the keyword floating_point on.
func (b *batch) floatType() (schema.Class, error) {
	start := b.tok.pos
	b.next()
	var exponent, mantissa uint64
	f := &schema.Float{BitLayout: schema.BitLayout{Align: 8, Order: b.trace.ByteOrder}}
	err := b.entries(block{what: "floating_point", known: floatBlock}, func(e entry) (err error) {
		switch e.name {
		case "exp_dig":
			exponent, err = b.uintOf(e, 0, math.MaxUint64)
		case "mant_dig":
			mantissa, err = b.uintOf(e, 0, math.MaxUint64)
		case "align":
			f.Align, err = b.alignOf(e)
		case "byte_order":
			f.Order, err = b.byteOrderOf(e, b.trace.ByteOrder)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case exponent == 8 && mantissa == 24:
		f.Size = 32
	case exponent == 11 && mantissa == 53:
		f.Size = 64
	default:
		return nil, b.mismatch(start, "floating_point: exp_dig and mant_dig",
			itoa(exponent)+" and "+itoa(mantissa), "8 and 24, or 11 and 53")
	}
	return f, nil
}

// stringType reads from the keyword string on.
func (b *batch) stringType() (schema.Class, error) {
	b.next()
	s := &schema.String{Encoding: schema.UTF8}
	if b.tok.kind != tLBrace {
		return s, nil
	}
	err := b.entries(block{what: "string", known: []string{"encoding"}}, func(e entry) error {
		_, err := b.encodingOf(e)
		return err
	})
	return s, err
}
