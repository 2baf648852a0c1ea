// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"slices"

	"github.com/weir-io/weir/xmlsysd"
)

// token is a value of an event, or the begin of a sequence.
type token struct {
	node  xmlsysd.NodeID // leaf, or list; of keys the element that has them
	kind  xmlsysd.Kind   // of values
	seq   bool
	key   bool
	n     uint64 // bits of a number; how many elements a sequence has
	width int    // of a sequence: how many tokens its elements take, which come next
	text  []byte // of texts: on the tape, or in walker.room
}

// event is an element of the document as the values of an event.
type event struct {
	node   xmlsysd.NodeID
	at     uint64 // ns of the trace's clock
	tokens []token
	sig    []xmlsysd.NodeID // which fields there are
	any    bool             // there is something beside keys
	bad    bool             // a key is not what it should be
}

// Marks in signatures, which are no leaves and lists.
const (
	endOfList = xmlsysd.Root             // behind the fields of a list's elements
	firstKey  = ^xmlsysd.NodeID(0) - 0xf // and those behind it: keys of the event, by their place in keyNames
)

// place is an element that is open.
type place struct {
	node xmlsysd.NodeID
	role role
	mark int // tokens when it was opened
	seq  int // token of the sequence below it that is being filled; -1: none
}

// walker takes tapes apart. It has one user at a time, and allocates nothing once
// it has seen tapes of a kind.
type walker struct {
	plan *plan
	// selects tells whether a leaf is wanted, as xmlsysd.Selection.Selects does, and
	// wants whether leaves of a kind may be.
	selects func(t *xmlsysd.Tape, open []int32, leaf int) bool
	wants   func(xmlsysd.NodeID) bool
	emit    func(*event)

	tape    *xmlsysd.Tape
	at      uint64 // when the section was read, by the trace's clock
	us      int64  // the same in us of the day
	open    []int32
	places  []place
	events  []event // of records that are open, then others to be used again
	current int     // the innermost one's place; -1: none
	room    []byte  // cleaned texts
}

// walk calls emit with the events of a tape. It was read at a time of the trace's
// clock, which is us in the time of day.
func (w *walker) walk(t *xmlsysd.Tape, at uint64, us int64) {
	w.tape, w.at, w.us = t, at, us
	w.open, w.places, w.current, w.room = w.open[:0], w.places[:0], -1, w.room[:0]
	entries := t.Entries()
	for i := range entries {
		e := &entries[i]
		switch e.Kind {
		case xmlsysd.CloseElement:
			w.open = w.open[:len(w.open)-1]
			w.leave()
		case xmlsysd.OpenElement:
			w.enter(e)
			w.open = append(w.open, int32(i))
		default:
			w.leaf(e, i)
		}
	}
}

// leaf takes a leaf, which may be an event or an element of a list by itself.
func (w *walker) leaf(e *xmlsysd.Entry, i int) {
	n := w.plan.of(e.Node)
	if n.role != leaf {
		w.enter(e)
		defer w.leave()
	}
	if w.current < 0 || !w.selects(w.tape, w.open, i) {
		return
	}
	text := w.tape.Text(e.Text)
	bits, ok := parse(n.Kind, text)
	if !ok || len(text) == 0 {
		return // as if it were not there
	}
	if w.add(token{node: e.Node, kind: n.Kind, n: bits, text: w.text(n.Kind, text)}) {
		ev := &w.events[w.current]
		ev.sig = append(ev.sig, e.Node)
		ev.any = true
	}
}

func (w *walker) text(kind xmlsysd.Kind, text []byte) (cleaned []byte) {
	if kind != xmlsysd.Text {
		return nil
	}
	cleaned, w.room = clean(text, w.room)
	return cleaned
}

// add adds a value to the event, and reports whether it is one of the event itself,
// not of an element of a list.
func (w *walker) add(t token) bool {
	ev := &w.events[w.current]
	ev.tokens = append(ev.tokens, t)
	return w.list() < 0
}

// list is the place of the innermost element of a list that is open in the event;
// -1 without.
func (w *walker) list() int {
	for i := len(w.places) - 1; i >= 0; i-- {
		switch w.places[i].role {
		case list:
			return i
		case record:
			return -1
		}
	}
	return -1
}

// enter begins an element.
func (w *walker) enter(e *xmlsysd.Entry) {
	n := w.plan.of(e.Node)
	p := place{node: e.Node, role: n.role, seq: -1}
	switch n.role {
	case record:
		w.begin(e, n)
	case list:
		if !w.wants(e.Node) {
			p.role = group // without anything
			break
		}
		w.sequence(e.Node)
	}
	if w.current >= 0 {
		p.mark = len(w.events[w.current].tokens)
	}
	w.places = append(w.places, p)
	if p.role == record || p.role == list {
		w.keys(e, n)
	}
}

// begin begins an event.
func (w *walker) begin(e *xmlsysd.Entry, n *nodeInfo) {
	at := w.at
	if w.current >= 0 {
		at = w.events[w.current].at
	}
	if n.Attrs&xmlsysd.AttrTime != 0 && e.Time != (xmlsysd.Stamp{}) {
		at = w.at + uint64((e.Time.Sec*1e6+int64(e.Time.Usec)-w.us)*1e3)
	}
	if w.current++; w.current == len(w.events) {
		w.events = append(w.events, event{})
	}
	ev := &w.events[w.current]
	*ev = event{node: e.Node, at: at, tokens: ev.tokens[:0], sig: ev.sig[:0]}
	if parent := w.plan.of(n.Parent); parent.within {
		w.inherit(ev, &w.events[w.current-1])
	}
}

// inherit gives an event that is one of several the keys of the one that it is
// within, which come first there.
func (w *walker) inherit(ev, from *event) {
	for i := range from.tokens {
		if !from.tokens[i].key {
			break
		}
		ev.tokens = append(ev.tokens, from.tokens[i])
		ev.sig = append(ev.sig, from.sig[i])
	}
	ev.bad = from.bad
}

// keys adds the attributes that tell an element from others.
func (w *walker) keys(e *xmlsysd.Entry, n *nodeInfo) {
	i := 0
	for place, k := range keyNames {
		if n.Attrs&k.attr == 0 {
			continue
		}
		value := w.tape.Attr(e, i)
		i++
		t := token{node: e.Node, kind: keyKind(n, k.attr), key: true}
		ev := &w.events[w.current]
		var ok bool
		t.n, ok = parse(t.kind, value)
		ev.bad = ev.bad || !ok
		if t.text = w.text(t.kind, value); len(value) == 0 && n.role == record {
			continue
		}
		if w.add(t) {
			ev.sig = append(ev.sig, firstKey+xmlsysd.NodeID(place))
		}
	}
}

// sequence begins an element of a list: of the sequence that there is, or of a new
// one. Lists are in events.
func (w *walker) sequence(node xmlsysd.NodeID) {
	ev := &w.events[w.current]
	around := &w.places[len(w.places)-1]
	if s := around.seq; s >= 0 && ev.tokens[s].node == node && s+1+ev.tokens[s].width == len(ev.tokens) {
		return
	}
	around.seq = w.newSequence(node)
}

// newSequence adds a sequence without elements.
func (w *walker) newSequence(node xmlsysd.NodeID) int {
	ev := &w.events[w.current]
	ev.tokens = append(ev.tokens, token{node: node, seq: true})
	ev.sig = w.appendList(ev.sig, node)
	return len(ev.tokens) - 1
}

// appendList appends what the elements of a list have to a signature.
func (w *walker) appendList(sig []xmlsysd.NodeID, node xmlsysd.NodeID) []xmlsysd.NodeID {
	sig = append(sig, node)
	for _, id := range w.plan.of(node).leaves {
		if w.wants(id) {
			sig = append(sig, id)
		}
	}
	return append(sig, endOfList)
}

// leave ends the element that was opened last.
func (w *walker) leave() {
	p := &w.places[len(w.places)-1]
	if w.current >= 0 {
		w.addEmpty(p)
	}
	switch p.role {
	case list:
		w.endElement(p)
	case record:
		ev := &w.events[w.current]
		w.current--
		if ev.any && !ev.bad {
			w.emit(ev)
		}
	}
	w.places = w.places[:len(w.places)-1]
}

// addEmpty adds the lists below an element that have no element.
func (w *walker) addEmpty(p *place) {
	for _, id := range w.plan.of(p.node).lists {
		if w.wants(id) && (p.seq < 0 || w.events[w.current].tokens[p.seq].node != id) {
			p.seq = w.newSequence(id)
		}
	}
}

// endElement counts an element of a list that has all of its fields, or takes it
// back: elements of a sequence are alike.
func (w *walker) endElement(p *place) {
	ev := &w.events[w.current]
	around := &w.places[len(w.places)-2]
	s := &ev.tokens[around.seq]
	if !w.isComplete(p, ev.tokens[p.mark:]) {
		ev.tokens = ev.tokens[:p.mark]
		return
	}
	s.n++
	s.width = len(ev.tokens) - around.seq - 1
	ev.any = ev.any || s.width > 0
}

// isComplete tells whether tokens are all that is wanted of an element of a list.
func (w *walker) isComplete(p *place, tokens []token) bool {
	leaves := w.plan.of(p.node).leaves
	for i := range tokens {
		if tokens[i].key {
			continue
		}
		at := slices.Index(leaves, tokens[i].node)
		if at < 0 || slices.ContainsFunc(leaves[:at], w.wants) {
			return false
		}
		leaves = leaves[at+1:]
	}
	return !slices.ContainsFunc(leaves, w.wants)
}
