// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"strconv"
	"unicode/utf8"

	"github.com/weir-io/weir/changelog"
)

// globParser turns a pattern into steps.
type globParser struct {
	text, form, field string
	base, off         int
	path              bool
	steps             []globStep
}

func (p *globParser) fail(at int, got, want string) error {
	return &changelog.Error{Form: p.form, Field: p.field, Offset: p.base + at, Got: got, Want: want}
}

func (p *globParser) parse() error {
	if len(p.text) > globMax {
		return p.fail(0, strconv.Itoa(len(p.text))+" bytes", "at most "+strconv.Itoa(globMax))
	}
	if p.path {
		p.trim()
	}
	for p.off < len(p.text) {
		if err := p.component(); err != nil {
			return err
		}
		var err error
		switch c := p.text[p.off]; {
		case c == '*':
			p.stars()
		case c == '?':
			p.off++
			p.character(byteSet{}, true)
		case c == '[':
			err = p.set()
		case c == '\\':
			if p.off++; p.off == len(p.text) {
				return p.fail(p.off-1, `a \ at the end`, "a character behind it")
			}
			p.literal()
		case c == 0:
			return p.fail(p.off, "a zero", "none")
		default:
			p.literal()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trim leaves away the slash of an absolute path and that behind a directory: paths
// of records begin below the source's root.
func (p *globParser) trim() {
	if len(p.text) > 0 && p.text[0] == '/' {
		p.off = 1
	}
	if n := len(p.text); n > p.off && p.text[n-1] == '/' {
		p.text = p.text[:n-1]
	}
}

// component looks at what begins here if it is a component of a path.
func (p *globParser) component() error {
	if !p.path || !p.begins() {
		return nil
	}
	end := p.off
	for end < len(p.text) && p.text[end] != '/' {
		end++
	}
	switch part := p.text[p.off:end]; part {
	case "":
		return p.fail(p.off, "an empty component", "a name between slashes")
	case ".", "..":
		return p.fail(p.off, part, "a path from the root of the source, without . and ..")
	}
	return nil
}

// begins reports whether a component begins here.
func (p *globParser) begins() bool {
	return len(p.steps) == 0 || p.text[p.off-1] == '/'
}

func (p *globParser) literal() {
	var b byteSet
	b.add(p.text[p.off], p.text[p.off])
	p.off++
	p.steps = append(p.steps, globStep{stepOne, b})
}

// stars reads a row of stars. In a path, one stops at a slash; two do not, and as a
// whole component in front of others they stand for any number of components.
func (p *globParser) stars() {
	begin, begins := p.off, p.begins()
	for p.off < len(p.text) && p.text[p.off] == '*' {
		p.off++
	}
	var b byteSet
	b.add(0, 255)
	kind := stepMany
	switch wide := p.off-begin > 1; {
	case !p.path:
	case !wide:
		b.remove('/')
	case begins && p.off < len(p.text) && p.text[p.off] == '/':
		p.off++
		kind = stepDirs
	}
	if n := len(p.steps); n > 0 && p.steps[n-1] == (globStep{kind, b}) {
		return // the same again
	}
	p.steps = append(p.steps, globStep{kind, b})
}

// character adds a step that takes one character which is not in the set: a
// character of UTF-8 with the bytes that belong to it, or a byte that is none.
func (p *globParser) character(set byteSet, not bool) {
	if not {
		var all byteSet
		all.add(0, 255)
		for i := range all {
			all[i] &^= set[i]
		}
		set = all
	}
	if p.path {
		set.remove('/')
	}
	p.steps = append(p.steps, globStep{stepOne, set})
	if !not {
		return
	}
	var behind byteSet
	behind.add(0x80, 0xBF)
	for range utf8.UTFMax - 1 {
		p.steps = append(p.steps, globStep{stepOptional, behind})
	}
}

// set reads [...], with ! or ^ in front for all but these.
func (p *globParser) set() error {
	begin := p.off
	p.off++
	not := p.off < len(p.text) && (p.text[p.off] == '!' || p.text[p.off] == '^')
	if not {
		p.off++
	}
	var set byteSet
	for first := true; ; first = false {
		if p.off == len(p.text) {
			return p.fail(begin, "[ without ]", "a set, as [a-z], or \\[")
		}
		if p.text[p.off] == ']' && !first {
			p.off++
			break
		}
		from, err := p.member(begin)
		if err != nil {
			return err
		}
		to := from
		if p.off+1 < len(p.text) && p.text[p.off] == '-' && p.text[p.off+1] != ']' {
			p.off++
			if to, err = p.member(begin); err != nil {
				return err
			}
			if to < from {
				return p.fail(begin, "a range that ends before it begins", "as [a-z]")
			}
		}
		set.add(from, to)
	}
	p.character(set, not)
	return nil
}

// member reads one character of a set.
func (p *globParser) member(begin int) (byte, error) {
	if p.text[p.off] == '\\' {
		p.off++
	}
	if p.off == len(p.text) {
		return 0, p.fail(begin, "[ without ]", "a set, as [a-z], or \\[")
	}
	c := p.text[p.off]
	if c >= utf8.RuneSelf || c == 0 {
		return 0, p.fail(p.off, "a character that is not ASCII", "ASCII within []")
	}
	if c == '/' && p.path {
		return 0, p.fail(p.off, "/", "no slash within []")
	}
	p.off++
	return c, nil
}
