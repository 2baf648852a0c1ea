// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"slices"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// view is a selection and the messages of it.
type view struct {
	sel   *xmlsysd.Selection
	enc   *xmlsysd.Encoder
	wants func(xmlsysd.NodeID) bool // of sel; a method value made anew for each message would be garbage
}

// newView returns a view of what selectors select. They are the program's own.
func (s *Server) newView(selectors ...string) *view {
	sel := xmlsysd.NewSelection(s.engine.Model())
	sel.Hide(s.hidden...)
	for _, text := range selectors {
		if err := sel.Add(true, text); err != nil {
			panic("hoststat/server: " + err.Error())
		}
	}
	return &view{sel: sel, enc: xmlsysd.NewEncoder(sel), wants: sel.Wants}
}

// like makes messages look as those of another view.
func (v *view) like(other *view) *view {
	v.enc.Init, v.enc.Compact, v.enc.Encoding = other.enc.Init, other.enc.Compact, other.enc.Encoding
	return v
}

// sample sends a message of a view.
func (c *session) sample(v *view) error {
	if c.query == nil {
		c.query = &hoststat.Query{Tasks: c.tasks, Raw: c.main.sel.Raw(), Triggers: c.triggers}
	}
	samples := c.host.Sample(context.Background(), v.wants, c.query)
	message := c.server.encode(v, samples.Parts())
	samples.Release()
	return c.write(message)
}

// rootEnd is what Finish adds to a body at most: the ends of the root and of a
// container.
const rootEnd = len("  </system>\n</xmlsysd>\n")

// encode makes a message of samples. Sections that make it too long are left out,
// from the end.
func (s *Server) encode(v *view, parts []hoststat.Part) []byte {
	fit := s.fill(v, parts)
	if fit == len(parts) {
		return v.enc.Finish()
	}
	for ; fit > 0; fit-- {
		kept := s.withErrors(v, parts[:fit], parts[fit:])
		if s.fill(v, kept) == len(kept) {
			return v.enc.Finish()
		}
	}
	v.enc.Begin()
	return v.enc.Finish()
}

// fill begins a message with as many parts as go into it, and returns how many.
func (s *Server) fill(v *view, parts []hoststat.Part) int {
	v.enc.Begin()
	for i := range parts {
		before := v.enc.Mark()
		v.enc.Add(parts[i].Tape)
		if v.enc.Len()+rootEnd > s.o.MaxMessage {
			v.enc.Cut(before)
			return i
		}
	}
	return len(parts)
}

// withErrors returns the parts that are kept with an entry of system/errors for
// each one that is dropped, if the view wants that.
func (s *Server) withErrors(v *view, kept, dropped []hoststat.Part) []hoststat.Part {
	m := s.engine.Model()
	at := m.Must("system/errors")
	if !v.wants(at) {
		return kept
	}
	var have *xmlsysd.Tape
	var list []hoststat.Part
	for _, p := range kept {
		if p.Node == at {
			have = p.Tape
			continue
		}
		list = append(list, p)
	}
	place := slices.IndexFunc(list, func(p hoststat.Part) bool { return p.Node > at })
	if place < 0 {
		place = len(list)
	}
	return slices.Insert(list, place, hoststat.Part{Node: at, Tape: errorTape(m, have, dropped)})
}
