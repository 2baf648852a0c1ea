// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// entry is an attribute in a block: name = value, or name := type.
type entry struct {
	name  string
	pos   int // of the name
	value value
	class schema.Class // of :=; nil: the entry has a value
	at    int          // of the value or type
}

// value is what stands on the right of an attribute.
type value struct {
	isInt bool
	neg   bool
	num   uint64 // magnitude
	text  string // of a string or path
}

func (v value) describe() string {
	switch {
	case !v.isInt:
		return quoteShort(v.text)
	case v.neg:
		return "-" + strconv.FormatUint(v.num, 10)
	default:
		return strconv.FormatUint(v.num, 10)
	}
}

// quoteShort quotes the begin of a text for an error.
func quoteShort(s string) string {
	if len(s) > maxDescribed {
		s = s[:maxDescribed] + "…"
	}
	return strconv.Quote(s)
}

func itoa[T int | uint64 | uint32 | uint8](n T) string { return strconv.FormatUint(uint64(n), 10) }

// describe names what an entry holds, for an error.
func (e *entry) describe() string {
	if e.class != nil {
		return "a type"
	}
	return e.value.describe()
}

// block is what kind of entries there are between two braces.
type block struct {
	what  string   // "clock", for errors
	known []string // attributes; others give a warning
	types *scope   // of typedef, typealias and :=; nil: none allowed
}

// entries reads braces and what is in them, and gives each known attribute to
// a function, which may come once.
func (b *batch) entries(bl block, use func(entry) error) error {
	if err := b.expect(tLBrace); err != nil {
		return err
	}
	seen := make([]bool, len(bl.known))
	for !b.accept(tRBrace) {
		if bl.types != nil && b.atTypedef(bl.types) {
			if err := b.typedefOrAlias(bl.types); err != nil {
				return err
			}
		} else if err := b.entry(bl, seen, use); err != nil {
			return err
		}
		if err := b.expect(tSemicolon); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) entry(bl block, seen []bool, use func(entry) error) error {
	e := entry{pos: b.tok.pos}
	if !b.tok.kind.isWord() && b.tok.kind != tString {
		return b.unexpected(bl.what + " attribute")
	}
	var err error
	if e.name, err = b.path("attribute"); err != nil {
		return err
	}
	switch {
	case b.accept(tEqual):
		e.at = b.tok.pos
		e.value, err = b.value()
	case bl.types != nil && b.accept(tAssign):
		e.at = b.tok.pos
		e.class, err = b.assignedType(bl.types)
	case bl.types != nil:
		err = b.unexpected(`"=" or ":="`)
	default:
		err = b.unexpected(`"="`)
	}
	if err != nil {
		return err
	}
	i := slices.Index(bl.known, e.name)
	if i < 0 {
		b.warnf(e.pos, "unknown %s attribute %s", bl.what, quoteShort(e.name))
		return nil
	}
	if seen[i] {
		return b.failf(e.pos, "%s attribute %s given twice", bl.what, quoteShort(e.name))
	}
	seen[i] = true
	return use(e)
}

// assignedType reads the type on the right of a :=.
func (b *batch) assignedType(sc *scope) (schema.Class, error) {
	spec, err := b.typeSpec(sc)
	if err != nil {
		return nil, err
	}
	return b.specified(sc, spec, "")
}

// path reads words joined with dots or arrows, and indexes behind them.
func (b *batch) path(want string) (string, error) {
	first, err := b.pathWord(want)
	if err != nil {
		return "", err
	}
	if k := b.tok.kind; k != tDot && k != tArrow && k != tLBracket {
		return first, nil
	}
	var path strings.Builder
	path.WriteString(first)
	for {
		switch b.tok.kind {
		case tDot, tArrow:
			b.next()
			word, err := b.pathWord("name after \".\"")
			if err != nil {
				return "", err
			}
			path.WriteString("." + word)
		case tLBracket:
			b.next()
			if b.tok.kind != tInteger {
				return "", b.unexpected("index")
			}
			path.WriteString("[" + b.text(b.tok) + "]")
			b.next()
			if err := b.expect(tRBracket); err != nil {
				return "", err
			}
		default:
			return path.String(), nil
		}
	}
}

func (b *batch) pathWord(want string) (string, error) {
	t := b.tok
	switch {
	case t.kind.isWord():
		b.next()
		return b.text(t), nil
	case t.kind == tString:
		b.next()
		return unquote(b.text(t)), nil
	default:
		return "", b.unexpected(want)
	}
}

// value reads the right side of an attribute.
func (b *batch) value() (value, error) {
	parens := 0
	for b.accept(tLParen) {
		parens++
	}
	v, err := b.bareValue()
	for ; err == nil && parens > 0; parens-- {
		err = b.expect(tRParen)
	}
	return v, err
}

func (b *batch) bareValue() (value, error) {
	signed, neg := b.tok.kind == tPlus || b.tok.kind == tMinus, b.tok.kind == tMinus
	if signed {
		b.next()
	}
	switch {
	case b.tok.kind == tInteger:
		return b.integer(neg)
	case signed:
		return value{}, b.unexpected("integer")
	case b.tok.kind == tChar:
		text := unquote(b.text(b.tok))
		b.next()
		return value{text: text}, nil
	default:
		text, err := b.path("value")
		return value{text: text}, err
	}
}

// integer reads an integer whose sign has been read.
func (b *batch) integer(neg bool) (value, error) {
	num, err := parseInteger(b.text(b.tok))
	if err != nil { // scanned: cannot be
		return value{}, b.unexpected(err.Error())
	}
	if neg && num > 1<<63 {
		return value{}, b.unexpected("at most 9223372036854775808 after a minus sign")
	}
	b.next()
	return value{isInt: true, neg: neg && num != 0, num: num}, nil
}

// Values of entries by kind.

func (b *batch) wrong(e entry, want string) error {
	return b.mismatch(e.at, quoteShort(e.name), e.describe(), want)
}

func (b *batch) stringOf(e entry) (string, error) {
	if e.class != nil || e.value.isInt {
		return "", b.wrong(e, "a string")
	}
	return e.value.text, nil
}

// uintOf gives an unsigned value between bounds.
func (b *batch) uintOf(e entry, low, high uint64) (uint64, error) {
	v := e.value
	if e.class != nil || !v.isInt || v.neg || v.num < low || v.num > high {
		want := fmt.Sprintf("an integer from %d to %d", low, high)
		switch {
		case low == high:
			want = itoa(low)
		case high == math.MaxUint64:
			want = fmt.Sprintf("an integer of at least %d", low)
		}
		return 0, b.wrong(e, want)
	}
	return v.num, nil
}

func (b *batch) intOf(e entry) (int64, error) {
	v := e.value
	switch {
	case e.class != nil || !v.isInt || !v.neg && v.num > math.MaxInt64:
		return 0, b.wrong(e, "a signed integer of 64 bits")
	case v.neg:
		return int64(-v.num), nil
	default:
		return int64(v.num), nil
	}
}

func (b *batch) boolOf(e entry) (bool, error) {
	switch v := e.value; {
	case e.class != nil:
	case v.isInt:
		return v.num != 0, nil
	case v.text == "true" || v.text == "TRUE":
		return true, nil
	case v.text == "false" || v.text == "FALSE":
		return false, nil
	}
	return false, b.wrong(e, "true, false or an integer")
}

// alignOf gives an alignment in bits.
func (b *batch) alignOf(e entry) (uint32, error) {
	n, err := b.uintOf(e, 1, maxAlign)
	if err == nil && !schema.IsPowerOfTwo(n) {
		err = b.wrong(e, "a power of two")
	}
	return uint32(n), err
}

// maxAlign is the largest alignment, in bits.
const maxAlign = 1 << 31

// structOf gives the struct that a := assigns.
func (b *batch) structOf(e entry) (*schema.Struct, error) {
	if s, ok := e.class.(*schema.Struct); ok {
		return s, nil
	}
	if e.class == nil {
		return nil, b.wrong(e, "a struct, assigned with :=")
	}
	return nil, b.mismatch(e.at, quoteShort(e.name), describeClass(e.class), "a struct")
}

// describeClass names a kind of class for an error.
func describeClass(c schema.Class) string {
	switch c := c.(type) {
	case *schema.Integer:
		switch {
		case c.Mappings != nil:
			return "an enumeration"
		case c.Signed:
			return "a signed integer"
		default:
			return "an unsigned integer"
		}
	case *schema.Float:
		return "a floating point number"
	case *schema.String:
		return "a string"
	case *schema.Text, *schema.Array:
		return "an array"
	case *schema.Struct:
		return "a struct"
	case *schema.Variant:
		return "a variant"
	default:
		return "another class"
	}
}

// uuidOf gives the value of a UUID in its usual form.
func (b *batch) uuidOf(e entry) (*schema.UUID, error) {
	text, err := b.stringOf(e)
	if err != nil {
		return nil, err
	}
	u, ok := parseUUID(text)
	if !ok {
		return nil, b.wrong(e, "a UUID of 8-4-4-4-12 hexadecimal digits")
	}
	return &u, nil
}

func parseUUID(s string) (u schema.UUID, ok bool) {
	if len(s) != 36 {
		return u, false
	}
	for i, n := 0, 0; i < len(s); {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return u, false
			}
			i++
			continue
		}
		high, low := hexValue(s[i]), hexValue(s[i+1])
		if high > 15 || low > 15 {
			return u, false
		}
		u[n] = byte(high<<4 | low)
		n, i = n+1, i+2
	}
	return u, true
}
