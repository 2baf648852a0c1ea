// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/xmlsysd"
)

// Domain is the name of the domain.
const Domain = "stat"

const (
	// Defaults of channels: what waits for a consumer, or is kept for snapshots.
	defaultSubbufCount   = 16
	defaultSnapshotCount = 128
	defaultReadTimer     = 100 * time.Millisecond

	// Periods of rules.
	defaultPeriod = time.Second
	leastPeriod   = 10 * time.Millisecond
	mostPeriod    = 24 * time.Hour
)

// Source is the host's statistics. It is safe for concurrent use.
type Source struct {
	// Immutable.
	log     *slog.Logger
	host    Host
	measure func(clock int32) traceclock.Offset
}

// New makes the source.
func New(host Host, log *slog.Logger) *Source {
	return &Source{log: log, host: host, measure: traceclock.Measure}
}

// Domain implements source.Source.
func (s *Source) Domain() string { return Domain }

// Check implements source.Source: everybody may use it. What there is to see is the
// host's to say.
func (s *Source) Check(bool) error { return nil }

// Defaults implements source.Source.
func (s *Source) Defaults(mode agent.Mode) agent.ChannelSettings {
	set := agent.ChannelSettings{SubbufBytes: handover.MaxPacket, SubbufCount: defaultSubbufCount, ReadTimer: defaultReadTimer}
	if mode == agent.Snapshot {
		set.Overwrite, set.SubbufCount = true, defaultSnapshotCount
	}
	return set
}

// Open implements source.Source.
func (s *Source) Open(info source.SessionInfo) (source.Trace, error) { return newTrace(s, info) }

// Events lists the events that there are, by a pattern over their names and those of
// their sections; "" is all. Fields are those that events may have.
func (s *Source) Events(ctx context.Context, pattern string, fields bool) []agent.StatEvent {
	p := newPlan(s.host.Model())
	if fields {
		s.learnNames(ctx, p)
	}
	glob := filter.NewGlob(cmp.Or(pattern, "*"))
	all := []agent.StatEvent{}
	p.events(func(xmlsysd.NodeID) bool { return true }, func(n *nodeInfo) {
		e := s.describe(p, n)
		if !glob.Match([]byte(e.Name)) && !glob.Match([]byte(e.Section)) {
			return
		}
		if fields {
			e.Fields = describeFields(p, n)
		}
		all = append(all, e)
	})
	return all
}

// describe says where an event comes from.
func (s *Source) describe(p *plan, n *nodeInfo) agent.StatEvent {
	e := agent.StatEvent{Name: n.Path, Class: classNames[n.Class]}
	for _, section := range s.host.Sections() {
		if at := p.of(section.Node); n.Path == at.Path || strings.HasPrefix(n.Path, at.Path+"/") {
			e.Section, e.Source, e.Slow = cmp.Or(section.Name, at.Path), section.Source, section.Slow
		}
	}
	for _, id := range s.host.Hidden() {
		e.Hidden = e.Hidden || id == n.id || strings.HasPrefix(n.Path, p.of(id).Path+"/")
	}
	return e
}

// classNames say in which selections events are without being named.
var classNames = map[xmlsysd.Class]string{
	xmlsysd.Legacy: "legacy", xmlsysd.Cheap: "default", xmlsysd.Costly: "all", xmlsysd.Explicit: "by name",
}

// learnNames has the host read once what the kernel names itself.
func (s *Source) learnNames(ctx context.Context, p *plan) {
	named := make([]bool, len(p.nodes))
	for i := len(p.nodes) - 1; i > 0; i-- {
		named[i] = named[i] || p.nodes[i].Names
		if named[i] {
			named[p.nodes[i].Parent] = true
		}
	}
	r := s.host.NewReader()
	defer r.Close()
	r.Read(ctx, func(id xmlsysd.NodeID) bool { return int(id) < len(named) && named[id] }, 0, nil)
	r.Release()
	p.extend()
}

// describeFields lists the fields that an event may have.
func describeFields(p *plan, of *nodeInfo) []agent.StatField {
	all := inheritedKeys(p, of)
	for i := range p.nodes {
		n := &p.nodes[i]
		switch {
		case n.owner != of.id || p.listOf(n.Parent) != nil:
			// in another event, or in an element of a list
		case n.role == list:
			all = append(all, agent.StatField{Name: n.field, Type: "sequence of {" + elementText(p, n) + "}"})
		case n.Leaf:
			all = append(all, agent.StatField{Name: n.field, Type: kindNames[n.Kind]})
		}
	}
	return all
}

// elementText describes the elements of a list.
func elementText(p *plan, of *nodeInfo) string {
	var parts []string
	for _, f := range keysOf(of) {
		parts = append(parts, f.Name+": "+f.Type)
	}
	for _, id := range of.leaves {
		n := p.of(id)
		parts = append(parts, n.field+": "+kindNames[n.Kind])
	}
	return strings.Join(parts, ", ")
}

// inheritedKeys are the keys of an event, with those of the one that it is within.
func inheritedKeys(p *plan, of *nodeInfo) (all []agent.StatField) {
	if parent := p.of(of.Parent); parent.within {
		all = inheritedKeys(p, parent)
	}
	return append(all, keysOf(of)...)
}

func keysOf(n *nodeInfo) (all []agent.StatField) {
	for _, k := range keyNames {
		if n.Attrs&k.attr == 0 {
			continue
		}
		all = append(all, agent.StatField{Name: k.name, Type: kindNames[keyKind(n, k.attr)]})
	}
	return all
}

// kindNames are the types of fields for people.
var kindNames = map[xmlsysd.Kind]string{
	xmlsysd.Count: "unsigned integer", xmlsysd.Integer: "integer", xmlsysd.Decimal: "floating point", xmlsysd.Text: "string",
}
