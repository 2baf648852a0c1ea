// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"strconv"
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
