// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"slices"
)

// Selection is a list of rules that says which leaves a client wants: of the
// rules that match a leaf the last one decides. What they come to is worked out
// when a rule is added, so that asking costs a look into a table.
//
// A selection has one user at a time.
type Selection struct {
	model *Model
	rules []rule
	raw   []RawRule
	preds int

	// By NodeID; they grow as the model does.
	nodes   []*Node // the model's, as far as they are known here
	leaves  []decision
	wanted  []bool // some leaf at or below the node can be selected
	maybe   []bool // of elements whose children the kernel names: unseen ones can be
	hidden  []bool // not exposed
	isRaw   []bool // proc/file and all below
	scratch []*Node
}

// RawRule is a raw pattern that was switched on or off. The last one that matches
// a file decides, and a file that none matches is off.
type RawRule struct {
	On      bool
	Pattern string // as after "raw:"
}

type rule struct {
	on bool
	*selector
}

// decision is about a leaf: by the attributes of its ancestors where there is a
// condition, otherwise yes.
type decision struct {
	yes  bool
	when *condition
}

// condition decides for the leaves of elements on which bounds hold. Others go
// to the decision that was in force before.
type condition struct {
	rule *selector
	on   bool
	ways [][]bound
	then decision
}

// NewSelection returns a selection of nothing.
func NewSelection(m *Model) *Selection {
	s := &Selection{model: m}
	s.extend()
	return s
}

// Init makes the rules those of a fresh session: the message of 2002.
func (s *Selection) Init() {
	s.Clear()
	if err := s.Add(true, "legacy"); err != nil {
		panic(err) // the group exists
	}
}

// Clear drops all rules, so that nothing is selected.
func (s *Selection) Clear() {
	s.rules, s.raw, s.preds = nil, nil, 0
	clear(s.leaves)
	clear(s.maybe)
	s.sum()
}

// Hide makes nodes and all below them impossible to select: what the host does
// not expose. It is called before the first rule.
func (s *Selection) Hide(ids ...NodeID) {
	for _, id := range ids {
		s.hidden[id] = true
	}
	for id, n := range s.nodes {
		s.hidden[id] = s.hidden[id] || s.hidden[n.Parent]
	}
}

// Add appends the rule of a selector after on or off. It refuses with a
// [*CommandError] what is no selector, matches nothing or is too much; then
// nothing has changed.
func (s *Selection) Add(on bool, text string) error {
	s.extend()
	sel, err := parseSelector(text, s.model)
	if err != nil {
		return err
	}
	if sel.raw != "" {
		return s.addRaw(on, sel)
	}
	if text == "all" && !on {
		s.Clear()
		return nil
	}
	same := func(r rule) bool { return r.text == text }
	old := slices.IndexFunc(s.rules, same)
	rules, preds := len(s.rules), s.preds
	if old >= 0 {
		rules, preds = rules-1, preds-sel.preds()
	}
	switch {
	case rules >= MaxRules:
		return refuse(CodeLimit, text, "too many rules")
	case preds+sel.preds() > MaxPreds:
		return refuse(CodeLimit, text, "too many predicates")
	}
	if err := s.apply(rule{on, sel}); err != nil {
		return err
	}
	s.preds = preds + sel.preds()
	// An earlier rule of the same selector decides nothing any more.
	s.rules = append(slices.DeleteFunc(s.rules, same), rule{on, sel})
	s.sum()
	return nil
}

func (s *Selection) addRaw(on bool, sel *selector) error {
	same := func(r RawRule) bool { return r.Pattern == sel.raw }
	raw := slices.DeleteFunc(slices.Clone(s.raw), same)
	switch {
	case s.isHidden(s.model.Must("proc/file")):
		return refuse(CodeDenied, sel.text, "raw files are not exposed")
	case len(raw) >= MaxRaw:
		return refuse(CodeLimit, sel.text, "too many raw patterns")
	}
	s.raw = append(raw, RawRule{on, sel.raw})
	s.sum()
	return nil
}

// apply lets a rule decide about all nodes that it matches.
func (s *Selection) apply(r rule) error {
	found, hidden := r.re != nil || r.group != nil, false
	for id, n := range s.nodes {
		switch {
		case s.isRaw[id]:
			continue
		case n.Leaf:
			v := r.judge(s.chain(n), r.on)
			if !v.yes && v.when == nil {
				continue
			}
			hidden = hidden || s.hidden[id]
			found = found || !s.hidden[id]
			s.leaves[id] = s.leaves[id].after(r, v)
		case n.Names:
			known, possible := s.applyUnseen(NodeID(id), r)
			hidden = hidden || known && s.hidden[id]
			found = found || known && !s.hidden[id]
			s.maybe[id] = possible
		}
	}
	switch {
	case !found && hidden:
		return refuse(CodeDenied, r.text, "not exposed")
	case !found:
		return refuse(CodeSel, r.text, "nothing has this path or name")
	}
	return nil
}

// applyUnseen lets a rule decide whether children that the kernel has not named
// yet can be selected. It tells as well whether the rule can match such.
func (s *Selection) applyUnseen(id NodeID, r rule) (match, possible bool) {
	n := s.nodes[id]
	child := &Node{Parent: id, Path: n.Path + "/", Class: n.Class, Leaf: true}
	chain := append(s.chain(n), child)
	v := r.judge(chain, r.on)
	match = v.yes || v.when != nil
	switch {
	case match && r.on:
		return true, true
	case match && v.yes && r.covers(chain):
		return true, false
	}
	return match, s.maybe[id]
}

// covers tells whether a selector matches all children of the last but one of
// chain, not some of them only.
func (s *selector) covers(chain []*Node) bool {
	if s.re != nil {
		return false
	}
	if s.group != nil {
		return true
	}
	for _, p := range s.paths {
		for _, w := range p.ways(chain) {
			if len(w.bounds) == 0 && w.end < len(chain) {
				return true
			}
		}
	}
	return false
}

// after returns the decision about a leaf once a rule has come last. A rule of
// the same selector that the chain of conditions has goes out of it.
func (d decision) after(r rule, v verdict) decision {
	if v.yes {
		return decision{yes: r.on}
	}
	return decision{when: &condition{rule: r.selector, on: r.on, ways: v.when, then: d.without(r.text)}}
}

func (d decision) without(text string) decision {
	switch {
	case d.when == nil:
		return d
	case d.when.rule.text == text:
		return d.when.then
	}
	kept := *d.when
	kept.then = kept.then.without(text)
	return decision{when: &kept}
}

// extend brings the tables up to the nodes that the model has.
func (s *Selection) extend() {
	from := len(s.nodes)
	s.nodes = s.model.all()
	if from == len(s.nodes) {
		return
	}
	file := s.model.Must("proc/file")
	for i, n := range s.nodes[from:] {
		id := NodeID(from + i)
		s.leaves = append(s.leaves, decision{})
		s.wanted, s.maybe = append(s.wanted, false), append(s.maybe, false)
		s.hidden = append(s.hidden, id != Root && s.hidden[n.Parent])
		s.isRaw = append(s.isRaw, id == file || id != Root && s.isRaw[n.Parent])
		if !n.Leaf || s.isRaw[id] {
			continue
		}
		for _, r := range s.rules {
			if v := r.judge(s.chain(n), r.on); v.yes || v.when != nil {
				s.leaves[id] = s.leaves[id].after(r, v)
			}
		}
	}
	s.sum()
}

// sum works out which elements have leaves that can be selected. Children have
// higher ids than their parents.
func (s *Selection) sum() {
	copy(s.wanted, s.maybe)
	raw := slices.ContainsFunc(s.raw, func(r RawRule) bool { return r.On })
	for id := len(s.nodes) - 1; id > 0; id-- {
		n, d := s.nodes[id], &s.leaves[id]
		if n.Leaf {
			if s.isRaw[id] {
				d.yes = raw
			}
			s.wanted[id] = d.possible()
		}
		s.wanted[id] = s.wanted[id] && !s.hidden[id]
		if s.wanted[id] {
			s.wanted[n.Parent] = true
		}
	}
}

func (d decision) possible() bool {
	for ; d.when != nil; d = d.when.then {
		if d.when.on {
			return true
		}
	}
	return d.yes
}

// Wants tells whether some leaf at or below a node can be selected. What it does
// not want need not be read.
func (s *Selection) Wants(id NodeID) bool {
	if int(id) >= len(s.wanted) {
		s.extend()
	}
	return s.wanted[id]
}

// Raw returns the rules about raw files, in their order.
func (s *Selection) Raw() []RawRule { return slices.Clone(s.raw) }

// Rules returns the number of rules in force.
func (s *Selection) Rules() int { return len(s.rules) }

func (s *Selection) isHidden(id NodeID) bool { return s.hidden[id] }

// chain returns a node with its ancestors from the root's child on, valid until
// the next call.
func (s *Selection) chain(n *Node) []*Node {
	depth := n.Depth
	for len(s.scratch) <= depth {
		s.scratch = append(s.scratch, nil)
	}
	for i := depth - 1; i >= 0; i-- {
		s.scratch[i] = n
		n = s.nodes[n.Parent]
	}
	return s.scratch[:depth]
}

// selects decides about a leaf on a tape below elements that are open: the place
// of the one at depth d of the tree is open[d-base].
func (s *Selection) selects(d decision, t *Tape, open []int32, base int) bool {
	for ; d.when != nil; d = d.when.then {
		for _, bounds := range d.when.ways {
			if s.hold(bounds, t, open, base) {
				return d.when.on
			}
		}
	}
	return d.yes
}

func (s *Selection) hold(bounds []bound, t *Tape, open []int32, base int) bool {
	for i := range bounds {
		b := &bounds[i]
		if b.depth < base || b.depth-base >= len(open) {
			return false
		}
		e := &t.entries[open[b.depth-base]]
		if b.attr >= t.NumAttrs(e) || !b.value.Match(t.Attr(e, b.attr)) {
			return false
		}
	}
	return true
}

// Selects tells whether a leaf on a tape is selected, for who writes something
// else than documents. It is given by its place among the entries, with those of
// the elements that are open around it, the outermost first.
func (s *Selection) Selects(t *Tape, open []int32, leaf int) bool {
	id := t.entries[leaf].Node
	if !s.Wants(id) {
		return false
	}
	d := s.leaves[id]
	if d.when == nil {
		return true
	}
	base := s.nodes[id].Depth - len(open)
	return s.selects(d, t, open, base)
}
