// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Limits of selectors.
const (
	MaxRules    = 256 // rules in force at once
	MaxSelector = 256 // bytes of one
	MaxPreds    = 64  // predicates of all rules in force
	MaxRaw      = 64  // raw patterns in force

	// maxProgram bounds the steps of a regular expression: a few bytes can repeat
	// themselves into thousands, each of which costs time on every leaf.
	maxProgram = 300
)

// selector is what an argument of on and off says. One of its forms is set.
type selector struct {
	text  string
	group func(Class) bool
	paths []*pattern // a short name has several where several elements have it
	re    *regexp.Regexp
	begin string // what paths that re matches begin with
	raw   string // a raw pattern
}

// groups are the selectors that go by class.
var groups = map[string]func(Class) bool{
	"all":     func(c Class) bool { return c != Explicit },
	"legacy":  func(c Class) bool { return c == Legacy },
	"default": func(c Class) bool { return c == Legacy || c == Cheap },
}

// parseSelector reads a selector in any of its forms: a group, a short name, a
// path with globs and predicates, a regular expression, a raw pattern.
func parseSelector(text string, m *Model) (*selector, error) {
	s := &selector{text: text}
	switch {
	case text == "":
		return nil, refuse(CodeArg, text, "an empty selector")
	case len(text) > MaxSelector:
		return nil, refuse(CodeLimit, text, "a selector is too long")
	}
	var err error
	if s.group = groups[text]; s.group != nil {
		return s, nil
	}
	if raw, ok := strings.CutPrefix(text, "raw:"); ok {
		if s.raw = raw; raw == "" {
			return nil, refuse(CodeArg, text, "a raw pattern of no file")
		}
		return s, nil
	}
	if text[0] == '~' {
		err = s.parseExpression(text[1:])
		return s, err
	}
	s.paths, err = parsePaths(text, m)
	return s, err
}

// parsePaths reads a path, or a name that stands for paths.
func parsePaths(text string, m *Model) ([]*pattern, error) {
	name, preds := cutPreds(text)
	var all []*pattern
	for _, home := range m.homes(name) {
		p, err := parsePattern(home + preds)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if all != nil {
		return all, nil
	}
	path := strings.TrimPrefix(text, "/")
	switch rest, ok := strings.CutPrefix(path, "xmlsysd"); {
	case ok && rest == "":
		path = "**"
	case ok && rest[0] == '/':
		path = rest[1:]
	case preds != "" && path == text && !strings.Contains(name, "/"):
		path = "**/" + text // disk[id=nvme*]: wherever such an element is
	}
	p, err := parsePattern(path)
	return []*pattern{p}, err
}

func (s *selector) parseExpression(text string) error {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return refuse(CodeRE, s.text, err.Error())
	}
	tree = tree.Simplify()
	program, err := syntax.Compile(tree)
	if err != nil {
		return refuse(CodeRE, s.text, err.Error())
	}
	if len(program.Inst) > maxProgram {
		return refuse(CodeLimit, s.text, "an expression that repeats itself too often")
	}
	s.begin = beginning(tree)
	if s.re, err = regexp.Compile(text); err != nil {
		return refuse(CodeRE, s.text, err.Error())
	}
	return nil
}

// beginning returns what a text has to begin with so that an expression matches.
func beginning(re *syntax.Regexp) string {
	if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	if l := re.Sub[1]; l.Op == syntax.OpLiteral && l.Flags&syntax.FoldCase == 0 {
		return string(l.Rune)
	}
	return ""
}

func (s *selector) preds() int {
	n := 0
	for _, p := range s.paths {
		n += p.preds
	}
	return n
}

// verdict is what a selector says of a leaf.
type verdict struct {
	yes  bool      // matches
	when [][]bound // or matches where all bounds of one of these hold
}

// judge says whether a selector matches a leaf, given with its ancestors. Leaves
// that are sent only when spelled out it matches with wildcards only to switch
// them off.
func (s *selector) judge(chain []*Node, on bool) verdict {
	leaf := chain[len(chain)-1]
	explicit := on && leaf.Class == Explicit
	switch {
	case s.group != nil:
		return verdict{yes: s.group(leaf.Class) || !on && s.text == "all"}
	case s.re != nil && leaf.Tag == "": // some child of an element, its path ends in a slash
		maybe := strings.HasPrefix(s.begin, leaf.Path) || strings.HasPrefix(leaf.Path, s.begin)
		return verdict{yes: on && !explicit && maybe}
	case s.re != nil:
		return verdict{yes: !explicit && s.re.MatchString(leaf.Path)}
	}
	var v verdict
	for _, p := range s.paths {
		for _, w := range p.ways(chain) {
			switch {
			case explicit && (!p.spelled() || w.end == 0 || chain[w.end-1].Class != Explicit):
			case len(w.bounds) == 0:
				return verdict{yes: true}
			default:
				v.when = append(v.when, w.bounds)
			}
		}
	}
	return v
}
