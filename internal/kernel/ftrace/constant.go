// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"strconv"
	"strings"
)

// constant is the value of an expression of C that is made of numbers, as the
// kernel writes them in print formats: -9ULL, (1u << 3), ((gfp_t)1UL << 2) | 0x10.
func constant(text string) (value uint64, ok bool) {
	p := constantParser{rest: text}
	value = p.binary(0)
	p.space()
	return value, !p.failed && p.rest == ""
}

type constantParser struct {
	rest   string
	depth  int
	failed bool
}

// maxConstantDepth bounds the nesting of an expression.
const maxConstantDepth = 100

// levels are the binary operators from the loosest to the tightest.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*"}}

func (p *constantParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

func (p *constantParser) accept(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *constantParser) fail() uint64 {
	p.failed, p.rest = true, ""
	return 0
}

func (p *constantParser) binary(level int) uint64 {
	if level == len(levels) {
		return p.unary()
	}
	left := p.binary(level + 1)
	for {
		op := ""
		for _, candidate := range levels[level] {
			if p.accept(candidate) {
				op = candidate
			}
		}
		if op == "" {
			return left
		}
		right := p.binary(level + 1)
		switch op {
		case "|":
			left |= right
		case "^":
			left ^= right
		case "&":
			left &= right
		case "<<":
			left <<= right
		case ">>":
			left >>= right
		case "+":
			left += right
		case "-":
			left -= right
		case "*":
			left *= right
		}
	}
}

func (p *constantParser) unary() uint64 {
	if p.depth++; p.depth > maxConstantDepth {
		return p.fail()
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("-"):
		return -p.unary()
	case p.accept("~"):
		return ^p.unary()
	case p.accept("+"):
		return p.unary()
	case p.accept("("):
		n := endOfGroup(p.rest)
		if n < len(p.rest) && isCast(p.rest[:n]) {
			p.rest = p.rest[n+1:]
			return p.unary()
		}
		v := p.binary(0)
		if !p.accept(")") {
			return p.fail()
		}
		return v
	default:
		return p.number()
	}
}

func (p *constantParser) number() uint64 {
	p.space()
	n := 0
	for n < len(p.rest) && !notName(rune(p.rest[n])) {
		n++
	}
	text := strings.TrimRight(p.rest[:n], "uUlL")
	v, err := strconv.ParseUint(text, 0, 64)
	if err != nil || strings.ContainsAny(text, "_bo") && !strings.HasPrefix(text, "0x") {
		return p.fail()
	}
	p.rest = p.rest[n:]
	return v
}
