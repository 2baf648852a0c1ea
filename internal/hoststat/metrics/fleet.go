// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// fleet makes samples of other hosts' messages. It has one user at a time, and a
// plan that is not that of this host: families are put together by their names.
type fleet struct {
	// Immutable.
	each     func(yield func(host string, message []byte) bool)
	pageSize xmlsysd.NodeID

	scrape scrape
	tapes  *xmlsysd.Tapes
	parts  []hoststat.Part
	places map[string]int // of families by name
	known  int            // families that places has
	taken  []bool         // families that were written
}

func newFleet(p *plan, each func(func(string, []byte) bool)) *fleet {
	return &fleet{
		each: each, pageSize: p.model.Must(hostAt + "/page_size"), scrape: scrape{plan: p}, tapes: xmlsysd.NewTapes(p.model), places: make(map[string]int),
	}
}

// show reads the messages of all hosts. One that is no message is left out: the
// host is down by then, or will be.
func (o *fleet) show() {
	s := &o.scrape
	s.begin()
	o.each(func(host string, message []byte) bool {
		if o.tapes.Read(message) != nil {
			return true
		}
		o.parts = o.parts[:0]
		s.host, s.pageSize, s.now = appendLabel(s.host[:0], labelName("host"), []byte(host)), 0, time.Time{}
		for _, sec := range o.tapes.Sections() {
			o.parts = append(o.parts, hoststat.Part{Node: sec.Node, Tape: sec.Tape})
			o.remember(sec.Tape)
		}
		s.show(o.parts)
		return true
	})
	for ; o.known < len(s.families); o.known++ {
		o.places[s.families[o.known].name] = o.known
	}
	o.taken = append(o.taken[:0], make([]bool, len(s.bufs))...)
}

// remember notes what the numbers of a host depend on.
func (o *fleet) remember(t *xmlsysd.Tape) {
	entries := t.Entries()
	if at := entries[0].Time; o.scrape.now.IsZero() && at != (xmlsysd.Stamp{}) {
		o.scrape.now = time.Unix(at.Sec, int64(at.Usec)*1000)
	}
	for i := range entries {
		if entries[i].Node == o.pageSize {
			if n, err := strconv.ParseUint(string(t.Text(entries[i].Text)), 10, 32); err == nil {
				o.scrape.pageSize = n
			}
		}
	}
}

// take returns the samples of a family, once.
func (o *fleet) take(name string) []byte {
	if o == nil {
		return nil
	}
	i, ok := o.places[name]
	if !ok || i >= len(o.taken) {
		return nil
	}
	o.taken[i] = true
	return o.scrape.bufs[i]
}

// rest appends the families that were not taken: this host has none of them.
func (o *fleet) rest(b []byte, f format) []byte {
	if o == nil {
		return b
	}
	for i, buf := range o.scrape.bufs {
		if len(buf) > 0 && !o.taken[i] {
			b = append(append(b, o.scrape.families[i].heads[f]...), buf...)
		}
	}
	return b
}

// drop gives large buffers back.
func (s *scrape) drop() {
	s.out, s.bufs = nil, make([][]byte, len(s.bufs))
	if s.others != nil {
		s.others.scrape.drop()
	}
}

// Selectors are the selectors of xmlsysd that select, of a host's message, what
// both views show.
func Selectors() []string {
	m := xmlsysd.NewModel()
	plans := [...]*plan{newPlan(m, nativeTable), newPlan(m, nodeTable)}
	var list []string
	for id := range m.Len() {
		n := m.Node(xmlsysd.NodeID(id))
		wanted := (plans[0].wants[id] || plans[1].wants[id]) && !plans[0].optional[id]
		if wanted && (n.Section != "" || n.Leaf && n.Class == xmlsysd.Explicit) {
			list = append(list, "/"+n.Path)
		}
	}
	return list
}
