// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// scrape makes an exposition, again and again. It has one user at a time.
type scrape struct {
	// Immutable.
	plan    *plan
	facts   *facts                    // nil: of another host
	session *hoststat.Session         // nil: likewise
	live    *live                     // nil: likewise, or the view shows nothing of it
	wanted  func(xmlsysd.NodeID) bool // wants, made once
	others  *fleet                    // nil: none

	// Of the present exposition.
	sel      *xmlsysd.Selection // nil: all
	now      time.Time
	bufs     [][]byte // by family
	families []family
	ok       []health // by place in plan.sections
	costs    [][]byte // of the sections in us, nil: not known
	out      []byte

	// Of the host that is being shown.
	host     []byte // the label that tells which; empty: this one
	pageSize uint64 // bytes; 0: as here

	// Of the tape that is walked.
	tape   *xmlsysd.Tape
	open   []int32 // entries of the open elements, kept for selections
	depth  int     // how many elements are open
	inside int     // depth of the list element that is open; 0: none
	list   step    // of that element
	key    []byte  // of it
	labels []byte  // of its samples
	left   group   // groups that are left out of it
	kept   [slots][]byte
	number []byte // room
}

// health is how a section was read.
type health uint8

const (
	absent health = iota // not asked for, or not on this host
	good
	failed
	hung
)

// wants says what the engine has to read.
func (s *scrape) wants(id xmlsysd.NodeID) bool {
	p := s.plan
	if int(id) >= len(p.wants) || !p.wants[id] {
		return false
	}
	if s.sel == nil {
		return !p.optional[id]
	}
	return id == p.errors.section || s.sel.Wants(id)
}

// run samples the host and returns the exposition, valid until the next call: what
// is in more, then the families. It takes more over.
func (s *scrape) run(ctx context.Context, f format, sel *xmlsysd.Selection, more []byte) []byte {
	s.sel, s.now = sel, time.Now()
	samples := s.session.Sample(ctx, s.wanted, nil)
	defer samples.Release()
	return s.write(samples.Parts(), f, more)
}

// write returns the exposition of samples.
func (s *scrape) write(parts []hoststat.Part, f format, more []byte) []byte {
	s.begin()
	s.show(parts)
	if s.others != nil {
		s.others.show()
	}
	s.out = more
	for i, b := range s.bufs {
		family := &s.families[i]
		other := s.others.take(family.name)
		if len(b)+len(other) > 0 {
			s.out = append(append(append(s.out, family.heads[f]...), b...), other...)
		}
	}
	s.out = s.others.rest(s.out, f)
	if s.live != nil {
		s.out = s.live.append(s.out, f)
	}
	if f == openMetrics {
		s.out = append(s.out, "# EOF\n"...)
	}
	return s.out
}

// show adds what a host has read to the families.
func (s *scrape) show(parts []hoststat.Part) *state {
	state := s.plan.now.Load()
	s.reach(state)
	s.judge(parts)
	for i := range parts {
		if s.healthOf(parts[i].Node) != hung {
			state = s.walk(state, parts[i].Tape)
		}
	}
	s.plan.finish(s, state)
	return state
}

// begin empties the buffers.
func (s *scrape) begin() {
	for i := range s.bufs {
		s.bufs[i] = s.bufs[i][:0]
	}
}

// reach makes a buffer for each family of a state.
func (s *scrape) reach(state *state) {
	s.families = state.families
	for len(s.bufs) < len(state.families) {
		s.bufs = append(s.bufs, nil)
	}
}

// judge finds out which sections were read, and which have failed or hang.
func (s *scrape) judge(parts []hoststat.Part) {
	if s.ok == nil {
		s.ok, s.costs = make([]health, len(s.plan.sections)), make([][]byte, len(s.plan.sections))
	}
	clear(s.ok)
	clear(s.costs)
	for i := range parts {
		if at := s.place(parts[i].Node); at >= 0 {
			s.ok[at] = good
		}
	}
	e := &s.plan.errors
	for i := range parts {
		if parts[i].Node != e.section {
			continue
		}
		t, at := parts[i].Tape, -1
		for k := range t.Entries() {
			switch en := &t.Entries()[k]; en.Node {
			case e.path:
				at = s.placeOf(t.Text(en.Text))
			case e.code:
				if at < 0 {
					continue
				}
				if s.ok[at] = failed; string(t.Text(en.Text)) == "ETIMEDOUT" {
					s.ok[at] = hung
				}
			}
		}
	}
}

// place returns the place of a section in the plan, -1 if it is not in it.
func (s *scrape) place(id xmlsysd.NodeID) int {
	for i := range s.plan.sections {
		if s.plan.sections[i].node == id {
			return i
		}
	}
	return -1
}

func (s *scrape) placeOf(path []byte) int {
	for i := range s.plan.sections {
		if s.plan.sections[i].path == string(path) {
			return i
		}
	}
	return -1
}

func (s *scrape) healthOf(id xmlsysd.NodeID) health {
	if at := s.place(id); at >= 0 {
		return s.ok[at]
	}
	return absent
}

// walk goes through a tape. It returns the state that knows all of its nodes.
func (s *scrape) walk(state *state, t *xmlsysd.Tape) *state {
	s.tape, s.depth, s.inside, s.open = t, 0, 0, s.open[:0]
	s.labels, s.left = s.labels[:0], 0
	entries := t.Entries()
	for i := range entries {
		e := &entries[i]
		if e.Kind == xmlsysd.CloseElement {
			s.leave()
			continue
		}
		if int(e.Node) >= len(state.steps) {
			state = s.plan.extend()
			s.reach(state)
		}
		steps := state.steps[e.Node]
		if e.Kind == xmlsysd.OpenElement {
			s.enter(int32(i), e, steps)
			continue
		}
		if len(steps) > 0 && s.left != everyone {
			s.leaf(t.Text(e.Text), steps, s.sel == nil || s.sel.Selects(t, s.open, i))
		}
	}
	return state
}

// enter begins an element.
func (s *scrape) enter(at int32, e *xmlsysd.Entry, steps []step) {
	s.depth++
	if s.sel != nil {
		s.open = append(s.open, at)
	}
	for i := range steps {
		st := &steps[i]
		if st.action != element {
			continue
		}
		s.inside, s.list = s.depth, *st
		s.labels, s.left, s.kept = s.labels[:0], 0, [slots][]byte{}
		s.key = nil
		if s.tape.NumAttrs(e) > 0 {
			s.key = s.tape.Attr(e, 0)
			s.label(st, s.key)
		}
	}
}

// leave ends the element that was opened last.
func (s *scrape) leave() {
	if s.sel != nil {
		s.open = s.open[:len(s.open)-1]
	}
	if s.depth == s.inside {
		if s.list.close != nil && s.left != everyone {
			s.list.close(s)
		}
		s.inside, s.labels, s.left = 0, s.labels[:0], 0
	}
	s.depth--
}

func (s *scrape) label(st *step, value []byte) {
	if st.name != "" {
		s.labels = appendLabel(s.labels, st.name, value)
	}
	if st.mark != nil {
		s.left |= st.mark(value)
	}
}

// leaf does what there is to do with a leaf. One that is not selected can be a label
// of others all the same.
func (s *scrape) leaf(value []byte, steps []step, selected bool) {
	for i := range steps {
		switch st := &steps[i]; {
		case st.action == label:
			s.label(st, value)
		case !selected:
		case st.action == keep:
			s.kept[st.slot] = value
		case st.action == sample && s.left&st.group == 0:
			s.add(st.family, st.fixed, st.scale, value)
		}
	}
}

// add adds a sample with the labels of the element and fixed ones.
func (s *scrape) add(f familyID, fixed string, sc scale, value []byte) {
	b := s.bufs[f]
	start := len(b)
	b = append(b, s.families[f].name...)
	named := len(b)
	for _, part := range [...][]byte{s.host, s.labels} {
		if len(part) > 0 {
			b = append(append(b, ','), part...)
		}
	}
	if fixed != "" {
		b = append(append(b, ','), fixed...)
	}
	if len(b) > named {
		b[named] = '{'
		b = append(b, '}')
	}
	b = append(b, ' ')
	if sc.pages && s.pageSize > 0 {
		sc.factor = s.pageSize
	}
	b, ok := sc.append(b, value)
	if !ok {
		s.bufs[f] = b[:start]
		return
	}
	s.bufs[f] = append(b, '\n')
}

// with adds a label to those of the element, for what is called when it closes.
func (s *scrape) with(name string, value []byte) { s.labels = appendLabel(s.labels, name, value) }

var one, zero = []byte("1"), []byte("0")

// flag adds a sample of 1 or 0.
func (s *scrape) flag(f familyID, fixed string, yes bool) {
	v := zero
	if yes {
		v = one
	}
	s.add(f, fixed, plain, v)
}
