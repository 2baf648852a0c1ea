// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/weir-io/weir/changelog"
)

// globMax is how many bytes a pattern may have, and globSteps how many steps behind
// its plain begin.
const (
	globMax   = 8192
	globSteps = 1023
	globWords = (globSteps + 1) / 64
)

// glob is a compiled pattern. It is run as a nondeterministic automaton of which each
// state is one bit: bit i means that the steps before i fit the text so far, and the
// bit behind the last step that all do. A byte of the text moves all bits at once, so
// that no pattern makes it go back.
type glob struct {
	path   bool   // a text has components, and what fits a directory fits what is below
	plain  []byte // bytes that every text begins with
	steps  int    // of the rest; 0: there is no rest
	words  int    // of 64 bits for the states
	reach  int    // most steps in a row that may be skipped
	first  state  // before the first byte of the rest
	class  [256]uint8
	move   []uint64 // words for each class: steps that take the byte and are done
	stay   []uint64 // words for each class: steps that take the byte and go on
	skip   state    // steps that may take nothing
	skipIn state    // steps that may take nothing at the begin of a component
}

type state [globWords]uint64

func (s *state) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *state) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// match reports whether a text fits, or in a path a directory above it does.
func (g *glob) match(text []byte) bool {
	if !bytes.HasPrefix(text, g.plain) {
		return false
	}
	rest := text[len(g.plain):]
	if g.steps == 0 {
		return len(rest) == 0 || g.path && (rest[0] == '/' || len(g.plain) == 0)
	}
	if g.words == 1 {
		return g.matchWord(rest)
	}
	s := g.first
	for _, c := range rest {
		if c == '/' && g.path && s.has(g.steps) {
			return true
		}
		if !g.step(&s, c) {
			return false
		}
	}
	return s.has(g.steps)
}

// matchWord is the rest of match for patterns of which all states fit into one word.
func (g *glob) matchWord(rest []byte) bool {
	s, last := g.first[0], uint64(1)<<g.steps
	for _, c := range rest {
		may := g.skip[0]
		if c == '/' {
			if g.path && s&last != 0 {
				return true
			}
			may |= g.skipIn[0]
		}
		k := g.class[c]
		s = (s&g.move[k])<<1 | s&g.stay[k]
		if s == 0 {
			return false
		}
		for range g.reach {
			s |= (s & may) << 1
		}
	}
	return s&last != 0
}

// step moves over a byte of the text. It is false if nothing can fit any more.
func (g *glob) step(s *state, c byte) bool {
	at := int(g.class[c]) * g.words
	move, stay := g.move[at:at+g.words], g.stay[at:at+g.words]
	var carry, any uint64
	for w := range g.words {
		moved := s[w] & move[w]
		s[w] = moved<<1 | carry | s[w]&stay[w]
		carry = moved >> 63
		any |= s[w]
	}
	if any == 0 {
		return false
	}
	g.close(s, c == '/')
	return true
}

// close adds the states that are reached without a byte.
func (g *glob) close(s *state, begin bool) {
	for range g.reach {
		var carry uint64
		for w := range g.words {
			may := g.skip[w]
			if begin {
				may |= g.skipIn[w]
			}
			moved := s[w] & may
			s[w] |= moved<<1 | carry
			carry = moved >> 63
		}
	}
}

// globStep is one step of a pattern.
type globStep struct {
	kind  stepKind
	bytes byteSet // that it takes
}

type stepKind uint8

const (
	stepOne      stepKind = iota // one byte
	stepOptional                 // one byte or none
	stepMany                     // any number of bytes
	stepDirs                     // any number of components, with the slash behind each
)

type byteSet [4]uint64

func (b *byteSet) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		b[c/64] |= 1 << (c % 64)
	}
}
func (b *byteSet) remove(c byte)   { b[c/64] &^= 1 << (c % 64) }
func (b *byteSet) has(c byte) bool { return b[c/64]&(1<<(c%64)) != 0 }

// compileGlob reads a pattern. form and field name it in errors, base is the offset
// of its first byte.
func compileGlob(pattern, form, field string, base int, path bool) (*glob, error) {
	p := globParser{text: pattern, form: form, field: field, base: base, path: path}
	if err := p.parse(); err != nil {
		return nil, err
	}
	g := &glob{path: path}
	steps := p.steps
	for len(steps) > 0 && steps[0].kind == stepOne && steps[0].bytes.single() >= 0 {
		g.plain = append(g.plain, byte(steps[0].bytes.single()))
		steps = steps[1:]
	}
	if len(steps) > globSteps {
		return nil, p.fail(0, "a pattern of "+strconv.Itoa(len(steps))+" steps behind its plain begin", "at most "+strconv.Itoa(globSteps))
	}
	g.build(steps)
	return g, nil
}

// single returns the only byte of a set, -1 if there are others.
func (b *byteSet) single() int {
	only := -1
	for c := range 256 {
		if b.has(byte(c)) {
			if only >= 0 {
				return -1
			}
			only = c
		}
	}
	return only
}

// build makes the tables of the steps behind the plain bytes.
func (g *glob) build(steps []globStep) {
	g.steps, g.words = len(steps), len(steps)/64+1
	g.classify(steps)
	row := 0
	for i, s := range steps {
		switch s.kind {
		case stepOptional, stepMany:
			g.skip.set(i)
			row++
		case stepDirs:
			g.skipIn.set(i)
			row++
		case stepOne:
			row = 0
		}
		g.reach = max(g.reach, row)
	}
	g.first.set(0)
	g.close(&g.first, len(g.plain) == 0 || g.plain[len(g.plain)-1] == '/')
}

// classify puts bytes that no step tells apart into one class, and makes the rows of
// the classes.
func (g *glob) classify(steps []globStep) {
	classes := make(map[string]uint8)
	key := make([]byte, len(steps))
	for c := range 256 {
		for i := range steps {
			key[i] = 0
			if steps[i].bytes.has(byte(c)) {
				key[i] = 1
			}
		}
		k, known := classes[string(key)]
		if !known {
			k = uint8(len(classes))
			classes[string(key)] = k
			move, stay := make([]uint64, g.words), make([]uint64, g.words)
			for i := range steps {
				switch {
				case key[i] == 0:
				case steps[i].kind == stepMany || steps[i].kind == stepDirs:
					stay[i/64] |= 1 << (i % 64)
				default:
					move[i/64] |= 1 << (i % 64)
				}
			}
			g.move, g.stay = append(g.move, move...), append(g.stay, stay...)
		}
		g.class[c] = k
	}
}

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
