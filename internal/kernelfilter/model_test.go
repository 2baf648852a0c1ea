// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// facts are the values of an event, by their names in an expression: int64 or
// string. What is not there is missing.
type facts map[string]any

// lacking is the end of an evaluation that met a missing value.
type lacking struct{}

// keeps is LTTng's rules once more, slowly.
func (m facts) keeps(n filter.Node) (keep bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(lacking); !ok {
				panic(r)
			}
			keep = false
		}
	}()
	return m.number(n) != 0
}

func (m facts) number(n filter.Node) int64 {
	is := func(b bool) int64 {
		if b {
			return 1
		}
		return 0
	}
	switch n := n.(type) {
	case *filter.Int:
		return int64(n.Value)
	case *filter.Field:
		v, ok := m[n.String()].(int64)
		if !ok {
			panic(lacking{})
		}
		return v
	case *filter.Unary:
		x := m.number(n.X)
		switch n.Op {
		case filter.Not:
			return is(x == 0)
		case filter.BitNot:
			return ^x
		case filter.Negate:
			return -x
		}
		return x
	}
	b := n.(*filter.Binary)
	switch b.Op {
	case filter.LogicalAnd:
		return is(m.number(b.X) != 0 && m.number(b.Y) != 0)
	case filter.LogicalOr:
		return is(m.number(b.X) != 0 || m.number(b.Y) != 0)
	}
	if s, p, ok := m.texts(b); ok {
		return is((b.Op == filter.Equal) == p.Match([]byte(s)))
	}
	x, y := m.number(b.X), m.number(b.Y)
	switch b.Op {
	case filter.Equal:
		return is(x == y)
	case filter.NotEqual:
		return is(x != y)
	case filter.Less:
		return is(x < y)
	case filter.LessEqual:
		return is(x <= y)
	case filter.Greater:
		return is(x > y)
	case filter.GreaterEqual:
		return is(x >= y)
	case filter.BitAnd:
		return x & y
	case filter.BitOr:
		return x | y
	case filter.BitXor:
		return x ^ y
	case filter.ShiftLeft:
		return x << uint64(y)
	case filter.ShiftRight:
		return int64(uint64(x) >> uint64(y))
	}
	panic("operator " + b.Op.String())
}

// texts returns a field's text and the pattern beside it.
func (m facts) texts(b *filter.Binary) (string, filter.Glob, bool) {
	for _, sides := range [][2]filter.Node{{b.X, b.Y}, {b.Y, b.X}} {
		f, isField := sides[0].(*filter.Field)
		literal, isText := sides[1].(*filter.Text)
		if isField && isText {
			s, ok := m[f.String()].(string)
			if !ok {
				panic(lacking{})
			}
			return s, literal.Pattern, true
		}
	}
	return "", filter.Glob{}, false
}

// model is the kernel's filter, as kernel/trace/trace_events_filter.c has it.
type model struct {
	f      *ftrace.Format
	record []byte
	rest   string
	err    error
}

// kernelKeeps evaluates a filter of the kernel's on a record.
func kernelKeeps(f *ftrace.Format, text string, record []byte) (bool, error) {
	if text == "" {
		return true, nil
	}
	m := model{f: f, record: record, rest: text}
	keep := m.or()
	m.space()
	if m.err == nil && m.rest != "" {
		m.err = fmt.Errorf("%q is left of %q", m.rest, text)
	}
	return keep, m.err
}

func (m *model) space() { m.rest = strings.TrimLeft(m.rest, " ") }

func (m *model) accept(s string) bool {
	m.space()
	rest, ok := strings.CutPrefix(m.rest, s)
	if ok {
		m.rest = rest
	}
	return ok
}

func (m *model) fail(format string, args ...any) bool {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
	m.rest = ""
	return false
}

func (m *model) or() bool {
	v := m.and()
	for m.accept("||") {
		w := m.and()
		v = v || w
	}
	return v
}

func (m *model) and() bool {
	v := m.unary()
	for m.accept("&&") {
		w := m.unary()
		v = v && w
	}
	return v
}

func (m *model) unary() bool {
	if m.accept("!") {
		return !m.unary()
	}
	if m.accept("(") {
		v := m.or()
		if !m.accept(")") {
			return m.fail("no ) at %q", m.rest)
		}
		return v
	}
	return m.predicate()
}

func (m *model) predicate() bool {
	m.space()
	n := 0
	for n < len(m.rest) && (m.rest[n] == '_' || m.rest[n] >= '0' && m.rest[n] <= '9' || m.rest[n] >= 'a' && m.rest[n] <= 'z' || m.rest[n] >= 'A' && m.rest[n] <= 'Z') {
		n++
	}
	name := m.rest[:n]
	m.rest = m.rest[n:]
	var field *ftrace.Field
	for _, fields := range [][]ftrace.Field{m.f.Fields, m.f.Common} {
		for i := range fields {
			if fields[i].Name == name && field == nil {
				field = &fields[i]
			}
		}
	}
	if field == nil {
		return m.fail("field %q not found", name)
	}
	for _, op := range []string{"~", "!=", "==", "<=", "<", ">=", ">", "&"} {
		if m.accept(op) {
			m.space()
			if m.rest != "" && (m.rest[0] == '"' || m.rest[0] == '\'') {
				return m.text(field, op)
			}
			return m.number(field, op)
		}
	}
	return m.fail("invalid operator at %q", m.rest)
}

func (m *model) number(f *ftrace.Field, op string) bool {
	n := 0
	for n < len(m.rest) && (m.rest[n] == '-' || m.rest[n] >= '0' && m.rest[n] <= '9' || m.rest[n] >= 'a' && m.rest[n] <= 'z') {
		n++
	}
	word := m.rest[:n]
	m.rest = m.rest[n:]
	if len(word) >= 24 || f.IsText() || op == "~" || isCharPointer(f) {
		return m.fail("number %q for %s", word, f.Name)
	}
	var c uint64
	var err error
	if f.Signed {
		var i int64
		i, err = strconv.ParseInt(word, 0, 64)
		c = uint64(i)
	} else {
		c, err = strconv.ParseUint(word, 0, 64)
	}
	if err != nil || f.Kind != ftrace.Plain {
		return m.fail("number %q for %s: %v", word, f.Name, err)
	}
	var b [8]byte
	copy(b[:], m.record[f.Offset:f.End()])
	unused := 64 - 8*f.Size
	x, y := binary.LittleEndian.Uint64(b[:])<<unused, c<<unused
	less, equal := x < y, x == y
	if f.Signed {
		less = int64(x) < int64(y)
	}
	switch op {
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return less
	case "<=":
		return less || equal
	case ">":
		return !less && !equal
	case ">=":
		return !less
	}
	return x&y != 0
}

func (m *model) text(f *ftrace.Field, op string) bool {
	quote := m.rest[:1]
	pattern, rest, ok := strings.Cut(m.rest[1:], quote)
	m.rest = rest
	if !ok || len(pattern) >= 256 || !f.IsText() || op != "==" && op != "!=" && op != "~" {
		return m.fail("text %q for %s", pattern, f.Name)
	}
	at, n := f.Offset, f.Size
	if f.Kind != ftrace.Array {
		where := binary.LittleEndian.Uint32(m.record[f.Offset:])
		at, n = int(where&0xffff), int(where>>16)
		if f.Kind == ftrace.RelLoc {
			at += f.Offset + 4
		}
	}
	text := m.record[at:] // up to a zero, perhaps behind its room
	switch {
	case op == "~":
		return match(pattern, text, n)
	default:
		return matchFull(pattern, text, n) == (op == "==")
	}
}

// matchFull is strncmp; a room of 0 bytes is none.
func matchFull(pattern string, text []byte, n int) bool {
	for i := 0; n == 0 || i < n; i++ {
		var c, d byte
		if i < len(text) {
			c = text[i]
		}
		if i < len(pattern) {
			d = pattern[i]
		}
		if c != d {
			return false
		}
		if c == 0 {
			return true
		}
	}
	return true
}

// match is filter_parse_regex with the functions that it chooses.
func match(pattern string, text []byte, n int) bool {
	negate := strings.HasPrefix(pattern, "!")
	pattern = strings.TrimPrefix(pattern, "!")
	kind, search := "full", pattern
	if pattern == "" || pattern[0] < '0' || pattern[0] > '9' {
	scan:
		for i := range len(pattern) {
			switch {
			case pattern[i] == '*' && i == 0:
				kind, search = "end", pattern[1:]
			case pattern[i] == '*' && i == len(pattern)-1:
				if kind == "end" {
					kind = "middle"
				} else {
					kind = "front"
				}
				search = search[:len(search)-1]
			case strings.IndexByte(`*[?\`, pattern[i]) >= 0:
				kind, search = "glob", pattern
				break scan
			}
		}
	}
	var ok bool
	switch kind {
	case "full":
		ok = matchFull(search, text, n)
	case "front":
		ok = n >= len(search) && bytes.HasPrefix(text, []byte(search))
	case "end":
		ok = n-1 >= len(search) && bytes.HasSuffix(text[:n-1], []byte(search))
	case "middle":
		ok = bytes.Contains(text[:n], []byte(search))
	case "glob":
		if i := bytes.IndexByte(text, 0); i >= 0 {
			text = text[:i]
		}
		ok = glob(search, text)
	}
	return ok != negate
}

// glob is lib/glob.c, without classes.
func glob(pattern string, text []byte) bool {
	if pattern == "" {
		return len(text) == 0
	}
	switch c := pattern[0]; {
	case c == '*':
		for i := 0; i <= len(text); i++ {
			if glob(pattern[1:], text[i:]) {
				return true
			}
		}
		return false
	case len(text) == 0:
		return false
	case c == '?':
		return glob(pattern[1:], text[1:])
	case c == '\\' && len(pattern) > 1:
		pattern = pattern[1:]
	}
	return pattern[0] == text[0] && glob(pattern[1:], text[1:])
}
