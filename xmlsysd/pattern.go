// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"math/bits"
	"slices"
	"strings"
)

// pattern is a path whose components may be globs and may have predicates. It
// matches the elements that it names and all below them.
type pattern struct {
	parts []part
	preds int
}

// part is a component of a pattern.
type part struct {
	deep  bool // **: any number of components
	tag   Glob
	preds []pred
}

// pred is a condition on an attribute: [devtype=eth].
type pred struct {
	attr  Attrs
	value Glob
}

// attrNames are the attributes that predicates can be about, in the order of
// their constants.
var attrNames = [...]string{"id", "devtype", "devid", "path"}

func parsePattern(s string) (*pattern, error) {
	p := new(pattern)
	for rest, more := s, true; more; {
		var text string
		text, rest, more = cutPart(rest)
		c, err := parsePart(text)
		if err != nil {
			return nil, err
		}
		if c.deep && len(p.parts) > 0 && p.parts[len(p.parts)-1].deep {
			continue
		}
		p.preds += len(c.preds)
		p.parts = append(p.parts, c)
	}
	return p, nil
}

// cutPart cuts s at its first slash outside brackets.
func cutPart(s string) (first, rest string, more bool) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '/':
			if depth == 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return s, "", false
}

func parsePart(s string) (part, error) {
	if s == "**" {
		return part{deep: true}, nil
	}
	tag, preds := cutPreds(s)
	if tag == "" || strings.Contains(tag, "**") {
		return part{}, refuse(CodeRE, s, "a component of a path is a name, a glob of one, or **")
	}
	g, err := ParseGlob(tag)
	if err != nil {
		return part{}, refuse(CodeRE, s, err.Error())
	}
	c := part{tag: g}
	for preds != "" {
		end := closing(preds)
		if end < 0 {
			return part{}, refuse(CodeRE, s, "a predicate without its end")
		}
		d, err := parsePred(preds[1:end])
		if err != nil {
			return part{}, err
		}
		c.preds = append(c.preds, d)
		if preds = preds[end+1:]; preds != "" && preds[0] != '[' {
			return part{}, refuse(CodeRE, s, "more behind a predicate")
		}
	}
	return c, nil
}

// cutPreds cuts a component before its first predicate: a bracket with an equals
// sign, which is in no class that a tag could need.
func cutPreds(s string) (tag, preds string) {
	for i := range len(s) {
		if s[i] != '[' {
			continue
		}
		end := closing(s[i:])
		if end < 0 {
			end = len(s) - i
		}
		if strings.Contains(s[i:i+end], "=") {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// closing returns where the bracket at the begin of s is closed, or -1.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func parsePred(s string) (pred, error) {
	name, value, _ := strings.Cut(s, "=")
	i := slices.Index(attrNames[:], strings.TrimPrefix(name, "@"))
	if i < 0 {
		return pred{}, refuse(CodeSel, s, "no attribute that identifies elements")
	}
	if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	g, err := ParseGlob(value)
	if err != nil {
		return pred{}, refuse(CodeRE, s, err.Error())
	}
	return pred{attr: 1 << i, value: g}, nil
}

// bound is a predicate on the element at a depth of a leaf's path.
type bound struct {
	depth int
	attr  int // place among the attributes that an entry of a tape is given
	value *Glob
}

// way is one way in which a pattern matches: all its bounds hold.
type way struct {
	end    int // depth of the element that the last component matches
	bounds []bound
}

// ways returns how a pattern matches a leaf, given with its ancestors from the
// root's child on. The tag of a leaf that is not known yet is empty.
func (p *pattern) ways(chain []*Node) []way {
	var all []way
	p.walk(chain, 0, 0, nil, &all)
	return all
}

func (p *pattern) walk(chain []*Node, part, at int, bounds []bound, all *[]way) {
	if part == len(p.parts) {
		*all = append(*all, way{end: at, bounds: slices.Clone(bounds)})
		return
	}
	c := &p.parts[part]
	if c.deep {
		for skip := at; skip <= len(chain); skip++ {
			p.walk(chain, part+1, skip, bounds, all)
		}
		return
	}
	if at == len(chain) {
		return
	}
	n := chain[at]
	if n.Tag != "" && !c.tag.matchString(n.Tag) {
		return
	}
	for i := range c.preds {
		d := &c.preds[i]
		if n.Attrs&d.attr == 0 {
			return
		}
		bounds = append(bounds, bound{at + 1, bits.OnesCount8(uint8(n.Attrs & (d.attr - 1))), &d.value})
	}
	p.walk(chain, part+1, at+1, bounds, all)
}

// spelled tells whether the last component is a name without wildcard.
func (p *pattern) spelled() bool {
	last := &p.parts[len(p.parts)-1]
	return !last.deep && last.tag.spelled()
}
