// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"strconv"
	"unicode/utf8"
)

// jsonDepthMax is how deep values of unknown members may be nested.
const jsonDepthMax = 64

// jsonReader reads JSON by RFC 8259 from the front of a buffer. Texts without
// escapes point into the buffer.
type jsonReader struct {
	form string
	b    []byte
	off  int
	base int // added to the offsets in errors
}

// member is one that an object of type T may have.
type member[T any] struct {
	name string
	read func(j *jsonReader, name string, v *T) error
}

// members are all that an object of type T may have, at most 64.
type members[T any] struct {
	list   []member[T]
	index  map[string]int
	needed uint64 // one bit for each that must be there
	pairs  uint64 // one bit for each NAME whose NAME_b64 is the next in the list
}

func newMembers[T any](list []member[T], needed ...string) members[T] {
	m := members[T]{list: list, index: make(map[string]int, len(list))}
	for i, mem := range list {
		m.index[mem.name] = i
		if i > 0 && mem.name == list[i-1].name+"_b64" {
			m.pairs |= 1 << (i - 1)
		}
	}
	for _, name := range needed {
		m.needed |= 1 << m.index[name]
	}
	return m
}

// readObject reads an object into v. Members that it does not know are skipped.
func readObject[T any](j *jsonReader, field string, m *members[T], v *T) error {
	begin := j.place()
	if err := j.open(field, '{', "an object"); err != nil {
		return err
	}
	var seen uint64
	for first := true; ; first = false {
		more, err := j.next(field, '}', first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		at := j.place()
		key, err := j.text(field)
		if err != nil {
			return err
		}
		if err := j.open(field, ':', "a colon"); err != nil {
			return err
		}
		i, known := m.index[string(key)]
		if !known {
			if err := j.skip(string(limit(key, shown)), 0); err != nil {
				return err
			}
			continue
		}
		if seen&(1<<i) != 0 {
			return j.fail(m.list[i].name, at, "a second one", "one")
		}
		seen |= 1 << i
		if err := m.list[i].read(j, m.list[i].name, v); err != nil {
			return err
		}
	}
	if both := seen & m.pairs & (seen >> 1); both != 0 {
		name := firstOf(m, both)
		return j.fail(name, begin, name+" and "+name+"_b64", "one of them")
	}
	if missing := m.needed &^ seen; missing != 0 {
		return j.fail(firstOf(m, missing), begin, "none", "one")
	}
	return nil
}

func firstOf[T any](m *members[T], bits uint64) string {
	for i, mem := range m.list {
		if bits&(1<<i) != 0 {
			return mem.name
		}
	}
	return ""
}

func (j *jsonReader) fail(field string, offset int, got, want string) error {
	return &Error{Form: j.form, Field: field, Offset: j.base + offset, Got: got, Want: want}
}

// here is what stands at the reader's place, for errors.
func (j *jsonReader) here() string {
	if j.off >= len(j.b) {
		return "the end"
	}
	_, n := utf8.DecodeRune(j.b[j.off:])
	return quoted(j.b[j.off : j.off+n])
}

// place skips white space and returns the offset of what is behind it.
func (j *jsonReader) place() int {
	for j.off < len(j.b) {
		switch j.b[j.off] {
		case ' ', '\t', '\n', '\r':
			j.off++
		default:
			return j.off
		}
	}
	return j.off
}

// peek returns the byte behind white space, 0 at the end.
func (j *jsonReader) peek() byte {
	if j.place() < len(j.b) {
		return j.b[j.off]
	}
	return 0
}

// open takes a byte of punctuation.
func (j *jsonReader) open(field string, c byte, want string) error {
	if j.peek() != c {
		return j.fail(field, j.off, j.here(), want)
	}
	j.off++
	return nil
}

// next goes to the next element of an object or array, or behind its end.
func (j *jsonReader) next(field string, end byte, first bool) (more bool, err error) {
	switch c := j.peek(); {
	case c == end:
		j.off++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		j.off++
		return true, nil
	}
	return false, j.fail(field, j.off, j.here(), "a comma or "+strconv.QuoteRune(rune(end)))
}

// end refuses anything but white space.
func (j *jsonReader) end() error {
	if j.place() < len(j.b) {
		return j.fail("", j.off, j.here(), "the end")
	}
	return nil
}

// skip reads a value of any type.
func (j *jsonReader) skip(field string, depth int) error {
	if depth > jsonDepthMax {
		return j.fail(field, j.off, "more", "at most "+strconv.Itoa(jsonDepthMax)+" values in each other")
	}
	switch c := j.peek(); {
	case c == '"':
		_, err := j.text(field)
		return err
	case c == '{' || c == '[':
		return j.skipMany(field, c, depth)
	case c == '-' || c >= '0' && c <= '9':
		_, err := j.number(field)
		return err
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if j.word(word) {
			return nil
		}
	}
	return j.fail(field, j.off, j.here(), "a value")
}

func (j *jsonReader) skipMany(field string, c byte, depth int) error {
	end := c + 2 // of [ and of { in ASCII
	j.off++
	for first := true; ; first = false {
		more, err := j.next(field, end, first)
		if err != nil || !more {
			return err
		}
		if c == '{' {
			if _, err := j.text(field); err != nil {
				return err
			}
			if err := j.open(field, ':', "a colon"); err != nil {
				return err
			}
		}
		if err := j.skip(field, depth+1); err != nil {
			return err
		}
	}
}

// word takes a word if it stands here.
func (j *jsonReader) word(word string) bool {
	if len(j.b)-j.off < len(word) || string(j.b[j.off:j.off+len(word)]) != word {
		return false
	}
	j.off += len(word)
	return true
}
