// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/xmlsysd"
)

// familyID is the place of a family in a plan.
type familyID int32

// action is what a step does.
type action uint8

const (
	sample  action = iota // a leaf is a sample
	label                 // a leaf, or an attribute of an element, is a label of what follows in its list element
	keep                  // a leaf's text is kept for the function that is called when its element is closed
	element               // an element of a list begins
)

// step is what an entry of a node means.
type step struct {
	action action

	// Of samples.
	family familyID
	scale  scale
	fixed  string // labels that do not depend on the tape, ready to be written
	group  group  // of samples that a mark can leave out

	// Of labels: the name with "=" and the opening quote. Of lists and labels: mark
	// says which groups of samples are left out of elements of that name.
	name string
	mark func(text []byte) group
	slot int // of keep

	// Of elements: what is called when it is closed.
	close func(*scrape)
}

// group is a set of samples of a list's elements, of 8 possible ones.
type group uint8

const (
	common   group = 1 << iota // all that is in no other group
	traffic                    // counters of interfaces
	everyone group = 0xff
)

// slots are the texts that can be kept of an element.
const slots = 8

// plan is what a view shows.
type plan struct {
	// Immutable after it was made.
	model    *xmlsysd.Model
	wants    []bool // by node
	optional []bool // by node: of them, those that are shown only when a selection says so
	sections []planned
	finish   func(*scrape, *state)                         // adds what no tape has
	named    map[xmlsysd.NodeID]func(*grow, *xmlsysd.Node) // of elements whose children the kernel names
	errors   errorNodes

	mu  sync.Mutex            // serialises growth
	now atomic.Pointer[state] // replaced as a whole
}

// planned is a section that a plan needs.
type planned struct {
	node xmlsysd.NodeID
	path string
}

type errorNodes struct{ section, entry, path, code xmlsysd.NodeID }

// state is how far a plan has grown. It is not changed; families and steps of one
// are those of its successors.
type state struct {
	families []family
	steps    [][]step // by node
}

// grow makes a state's successor.
type grow struct {
	*plan
	state
}

// newPlan makes a plan of a table.
func newPlan(m *xmlsysd.Model, fill func(*grow)) *plan {
	const errors = "system/errors"
	p := &plan{
		model: m, named: make(map[xmlsysd.NodeID]func(*grow, *xmlsysd.Node)),
		errors: errorNodes{m.Must(errors), m.Must(errors + "/error"), m.Must(errors + "/error/path"), m.Must(errors + "/error/code")},
	}
	g := &grow{plan: p}
	g.reach(xmlsysd.NodeID(m.Len() - 1))
	p.wants, p.optional = make([]bool, m.Len()), make([]bool, m.Len())
	g.want(p.errors.section)
	fill(g)
	p.now.Store(&g.state)
	return p
}

// reach makes the steps long enough for a node.
func (g *grow) reach(id xmlsysd.NodeID) {
	for len(g.steps) <= int(id) {
		g.steps = append(g.steps, nil)
	}
}

// want has a node read, with what is around it.
func (g *grow) want(id xmlsysd.NodeID) {
	for ; id != xmlsysd.Root; id = g.model.Node(id).Parent {
		if g.wants[id] {
			return
		}
		g.wants[id] = true
		if n := g.model.Node(id); n.Section != "" && id != g.errors.section {
			g.sections = append(g.sections, planned{id, n.Path})
			slices.SortFunc(g.sections, func(a, b planned) int { return int(a.node) - int(b.node) })
		}
	}
}

// onDemand has an element, with all below it, shown only to who selects it: it takes
// more of the host than others should pay for.
func (g *grow) onDemand(path string) {
	for id := range g.optional {
		if at := g.model.Node(xmlsysd.NodeID(id)).Path; at == path || strings.HasPrefix(at, path+"/") {
			g.optional[id] = true
		}
	}
}

// family adds a family.
func (g *grow) family(name string, k kind, help string) familyID {
	g.families = append(g.families, newFamily(name, k, help))
	return familyID(len(g.families) - 1)
}

// add adds a step to the node of a path.
func (g *grow) add(path string, s step) {
	id := g.model.Must(path)
	g.want(id)
	if s.group == 0 {
		s.group = common
	}
	g.steps[id] = append(g.steps[id], s)
}

// sample makes a leaf a sample of a family.
func (g *grow) sample(path string, f familyID, sc scale, labels ...string) {
	g.add(path, step{action: sample, family: f, scale: sc, fixed: fixedLabels(labels...)})
}

// metric makes a leaf the only sample of a new family.
func (g *grow) metric(path, name string, k kind, sc scale, help string) {
	g.sample(path, g.family(name, k, help), sc)
}

// list makes the key of an element the first label of the samples below it.
func (g *grow) list(path, name string, mark func([]byte) group, close func(*scrape)) {
	g.add(path, step{action: element, name: labelName(name), mark: mark, close: close})
}

// label makes a leaf a label.
func (g *grow) label(path, name string, mark func([]byte) group) {
	g.add(path, step{action: label, name: labelName(name), mark: mark})
}

// keep keeps the texts of leaves, in slots from 0 on.
func (g *grow) keep(at string, leaves ...string) {
	for i, leaf := range leaves {
		g.add(at+"/"+leaf, step{action: keep, slot: i})
	}
}

// children says what the children of an element are that the kernel names.
func (g *grow) children(path string, f func(*grow, *xmlsysd.Node)) {
	id := g.model.Must(path)
	g.want(id)
	g.named[id] = f
	for i := range g.model.Len() {
		if n := g.model.Node(xmlsysd.NodeID(i)); i > 0 && n.Parent == id {
			f(g, n)
		}
	}
}

// sampleOf makes a node that the kernel named a sample.
func (g *grow) sampleOf(n *xmlsysd.Node, f familyID, sc scale, labels ...string) {
	id, _ := g.model.Find(n.Path)
	g.reach(id)
	g.steps[id] = append(g.steps[id], step{action: sample, family: f, scale: sc, fixed: fixedLabels(labels...), group: common})
}

// extend returns a state that has a step for each node of the model.
func (p *plan) extend() *state {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.now.Load()
	from, to := len(old.steps), p.model.Len()
	if from == to {
		return old
	}
	g := &grow{plan: p, state: state{slices.Clone(old.families), slices.Clone(old.steps)}}
	g.reach(xmlsysd.NodeID(to - 1))
	for id := from; id < to; id++ {
		n := p.model.Node(xmlsysd.NodeID(id))
		if f := p.named[n.Parent]; f != nil {
			f(g, n)
		}
	}
	p.now.Store(&g.state)
	return &g.state
}

// labelName prepares the name of a label for its value.
func labelName(name string) string {
	if name == "" {
		return ""
	}
	return name + `="`
}

// fixedLabels writes pairs of names and values.
func fixedLabels(pairs ...string) string {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = appendLabel(b, labelName(pairs[i]), []byte(pairs[i+1]))
	}
	return string(b)
}
