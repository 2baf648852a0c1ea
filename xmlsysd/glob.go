// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Glob is a compiled pattern of shells: ? and * do not match a slash, ** does,
// [a-z] and [!x] are classes. There is no escape: [*] is a star.
type Glob struct {
	literal string // what it spells where it has no wildcard
	steps   []globStep
}

type globStep struct {
	kind   globKind
	r      rune   // of globRune
	ranges []rune // of globClass: pairs of first and last
	not    bool   // of globClass
}

type globKind uint8

const (
	globRune globKind = iota
	globAny
	globClass
	globStar
	globStars
)

var errClass = errors.New("a class without its end")

// ParseGlob compiles a pattern. It refuses classes without end.
func ParseGlob(s string) (Glob, error) {
	if !strings.ContainsAny(s, "*?[") {
		return Glob{literal: s}, nil
	}
	var g Glob
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch r {
		case '*':
			kind := globStar
			for strings.HasPrefix(s[n:], "*") {
				kind, n = globStars, n+1
			}
			g.steps = append(g.steps, globStep{kind: kind})
		case '?':
			g.steps = append(g.steps, globStep{kind: globAny})
		case '[':
			step, length, err := parseClass(s)
			if err != nil {
				return Glob{}, err
			}
			g.steps, n = append(g.steps, step), length
		default:
			g.steps = append(g.steps, globStep{kind: globRune, r: r})
		}
		s = s[n:]
	}
	return g, nil
}

// parseClass reads the class at the begin of s. A bracket right behind its begin
// belongs to it.
func parseClass(s string) (globStep, int, error) {
	step := globStep{kind: globClass}
	at := 1
	if strings.HasPrefix(s[at:], "!") {
		step.not, at = true, at+1
	}
	for first := true; ; first = false {
		if at >= len(s) {
			return step, 0, errClass
		}
		lo, n := utf8.DecodeRuneInString(s[at:])
		if lo == ']' && !first {
			return step, at + n, nil
		}
		at += n
		hi := lo
		if rest := s[at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			hi, n = utf8.DecodeRuneInString(rest[1:])
			at += 1 + n
		}
		if hi < lo {
			return step, 0, errors.New("a class whose range runs backwards")
		}
		step.ranges = append(step.ranges, lo, hi)
	}
}

// spelled tells a pattern without wildcard.
func (g *Glob) spelled() bool { return g.steps == nil }

func (g *Glob) matchString(s string) bool {
	if g.spelled() {
		return s == g.literal
	}
	return g.Match([]byte(s))
}

// Match tells whether a pattern matches all of s. It does not allocate. Stars go back only to the last * and the last **, so
// the time is bounded by the lengths of the two, not by the number of stars.
func (g *Glob) Match(s []byte) bool {
	if g.spelled() {
		return string(s) == g.literal
	}
	type place struct{ step, at int }
	star, stars := place{-1, 0}, place{-1, 0}
	step, at := 0, 0
	for step < len(g.steps) || at < len(s) {
		if step < len(g.steps) {
			switch g.steps[step].kind {
			case globStar:
				star = place{step, at}
				step++
				continue
			case globStars:
				stars, star = place{step, at}, place{-1, 0}
				step++
				continue
			}
			if at < len(s) {
				if r, n := utf8.DecodeRune(s[at:]); g.steps[step].matches(r) {
					step, at = step+1, at+n
					continue
				}
			}
		}
		switch {
		case star.step >= 0 && star.at < len(s) && s[star.at] != '/':
			_, n := utf8.DecodeRune(s[star.at:])
			star.at += n
			step, at = star.step+1, star.at
		case stars.step >= 0 && stars.at < len(s):
			_, n := utf8.DecodeRune(s[stars.at:])
			stars.at += n
			star = place{-1, 0}
			step, at = stars.step+1, stars.at
		default:
			return false
		}
	}
	return true
}

func (s *globStep) matches(r rune) bool {
	switch s.kind {
	case globRune:
		return r == s.r
	case globAny:
		return r != '/'
	}
	for i := 0; i < len(s.ranges); i += 2 {
		if s.ranges[i] <= r && r <= s.ranges[i+1] {
			return !s.not && r != '/'
		}
	}
	return s.not && r != '/'
}
