// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// SummaryForm is what a [Summary] prints.
type SummaryForm uint8

// Forms of a summary.
const (
	SummaryTable SummaryForm = iota // events by stream and class, losses by stream
	SummaryJSON                     // the same as one JSON object: docs/format/view-json.md
	CountLines                      // numbers alone, by class and stream
	CountJSON
)

// Summary counts events and losses, and prints when it is closed.
type Summary struct {
	out     *Output
	form    SummaryForm
	streams map[*ctf.Stream]*streamTally
	order   []*streamTally // in the order in which they came
	last    *streamTally
	lastOf  *ctf.Stream // whose tally that is
}

// streamTally is the counts of a stream.
type streamTally struct {
	trace, name string
	class, id   uint64
	clock       *schema.Clock // nil: none

	classes  map[*schema.Event]*classTally
	past     []*classTally // of classes that will not come again
	byID     []tallyOf     // those of small ids again, found faster
	recent   *classTally
	recentOf *schema.Event

	discarded, packets uint64
	uncounted          bool // losses of unknown number
}

// tallyOf is the counts of an event class, with that.
type tallyOf struct {
	class *schema.Event
	tally *classTally
}

// classTally is the counts of an event class in a stream.
type classTally struct {
	id    uint64
	name  string
	count uint64
	span  span64
}

// span64 is the times of the first and the last of some events.
type span64 struct {
	timed       bool
	first, last int64
}

func (s *span64) add(ns int64) {
	if !s.timed {
		s.timed, s.first = true, ns
	}
	s.last = ns
}

// join widens a span by another one.
func (s *span64) join(o span64) {
	switch {
	case !o.timed:
	case !s.timed:
		*s = o
	default:
		s.first, s.last = min(s.first, o.first), max(s.last, o.last)
	}
}

// NewSummary returns a sink that prints to out when it is closed.
func NewSummary(out *Output, form SummaryForm) *Summary {
	return &Summary{out: out, form: form, streams: make(map[*ctf.Stream]*streamTally)}
}

func (s *Summary) tally(st *ctf.Stream) *streamTally {
	if s.lastOf == st {
		return s.last
	}
	t := s.streams[st]
	if t == nil {
		t = &streamTally{
			trace: st.Trace.Name, name: st.Name, class: st.Class.ID, id: st.ID, clock: st.Class.Clock,
			classes: make(map[*schema.Event]*classTally),
		}
		s.streams[st] = t
		s.order = append(s.order, t)
	}
	s.last, s.lastOf = t, st
	return t
}

// Event implements [Sink].
func (s *Summary) Event(st *ctf.Stream, e *ctf.Event) error {
	t := s.tally(st)
	c := t.recent
	if t.recentOf != e.Class {
		c = t.of(e.Class)
		t.recent, t.recentOf = c, e.Class
	}
	c.count++
	if e.HasTime {
		c.span.add(e.Time)
	}
	return nil
}

// maxTallyID bounds the table of tallies by class id.
const maxTallyID = 1 << 10

// of returns the counts of an event class.
func (t *streamTally) of(e *schema.Event) *classTally {
	if e.ID < uint64(len(t.byID)) && t.byID[e.ID].class == e {
		return t.byID[e.ID].tally
	}
	c := t.classes[e]
	if c == nil {
		c = &classTally{id: e.ID, name: e.Name}
		t.classes[e] = c
	}
	if e.ID < maxTallyID {
		if need := int(e.ID) + 1; need > len(t.byID) {
			t.byID = append(t.byID, make([]tallyOf, need-len(t.byID))...)
		}
		t.byID[e.ID] = tallyOf{e, c}
	}
	return c
}

// all returns the counts of all event classes.
func (t *streamTally) all() []*classTally {
	return slices.AppendSeq(slices.Clone(t.past), maps.Values(t.classes))
}

// Loss implements [Sink].
func (s *Summary) Loss(st *ctf.Stream, l *ctf.Loss) error {
	t := s.tally(st)
	switch {
	case !l.Counted:
		t.uncounted = true
	case l.Packets:
		t.packets += l.Count
	default:
		t.discarded += l.Count
	}
	return nil
}

// newPart implements unordered.
func (s *Summary) newPart() Sink { return NewSummary(nil, s.form) }

// join implements unordered. Parts have streams of their own.
func (s *Summary) join(part Sink) {
	p := part.(*Summary)
	s.order = append(s.order, p.order...)
	maps.Copy(s.streams, p.streams)
}

// Report is a summary; its JSON form is in docs/format/view-json.md.
type Report struct {
	Events    uint64         `json:"events"`
	Discarded uint64         `json:"events_discarded"`
	Packets   uint64         `json:"packets_lost"`
	Uncounted bool           `json:"uncounted_losses"`
	First     *ReportTime    `json:"first,omitempty"`
	Last      *ReportTime    `json:"last,omitempty"`
	Streams   []ReportStream `json:"streams,omitempty"`
}

// ReportStream is the part of a summary that is about one stream.
type ReportStream struct {
	Trace     string        `json:"trace"`
	Class     uint64        `json:"class"`
	ID        uint64        `json:"id"`
	Name      string        `json:"name"`
	Events    uint64        `json:"events"`
	Discarded uint64        `json:"events_discarded"`
	Packets   uint64        `json:"packets_lost"`
	Uncounted bool          `json:"uncounted_losses"`
	First     *ReportTime   `json:"first,omitempty"`
	Last      *ReportTime   `json:"last,omitempty"`
	Classes   []ReportClass `json:"classes"`
}

// ReportClass is the part of a summary that is about one event class of a
// stream.
type ReportClass struct {
	ID     uint64      `json:"id"`
	Name   string      `json:"name"`
	Events uint64      `json:"events"`
	Rate   *float64    `json:"rate,omitempty"` // a second, between the first and the last event of all; nil: not asked for
	First  *ReportTime `json:"first,omitempty"`
	Last   *ReportTime `json:"last,omitempty"`
}

// ReportTime is a time.
type ReportTime struct {
	Time string `json:"time,omitempty"` // RFC 3339, where the clock counts from the Unix epoch
	NS   int64  `json:"ns"`             // from the clock's origin
}

// Report returns what has been counted so far. Streams are in the order of their
// traces' names, classes and ids, classes in that of their number of events.
func (s *Summary) Report() *Report {
	r := new(Report)
	slices.SortStableFunc(s.order, func(a, b *streamTally) int {
		return cmp.Or(strings.Compare(a.trace, b.trace), cmp.Compare(a.class, b.class),
			cmp.Compare(a.id, b.id), strings.Compare(a.name, b.name))
	})
	var all span64
	for _, t := range s.order {
		for _, c := range t.all() {
			all.join(c.span)
		}
	}
	var clock *schema.Clock
	for _, t := range s.order {
		rs := t.report(float64(all.last-all.first) / nsPerSecond)
		r.Events += rs.Events
		r.Discarded += rs.Discarded
		r.Packets += rs.Packets
		r.Uncounted = r.Uncounted || rs.Uncounted
		r.Streams = append(r.Streams, rs)
		if rs.First != nil {
			clock = t.clock
		}
	}
	r.First, r.Last = all.report(clock)
	return r
}

func (t *streamTally) report(seconds float64) ReportStream {
	rs := ReportStream{
		Trace: t.trace, Class: t.class, ID: t.id, Name: t.name,
		Discarded: t.discarded, Packets: t.packets, Uncounted: t.uncounted,
		Classes: make([]ReportClass, 0, len(t.classes)),
	}
	var all span64
	for _, c := range t.all() {
		rc := ReportClass{ID: c.id, Name: c.name, Events: c.count, Rate: new(float64)}
		if seconds > 0 {
			*rc.Rate = float64(c.count) / seconds
		}
		rc.First, rc.Last = c.span.report(t.clock)
		rs.Events += c.count
		rs.Classes = append(rs.Classes, rc)
		all.join(c.span)
	}
	slices.SortFunc(rs.Classes, func(a, b ReportClass) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	rs.First, rs.Last = all.report(t.clock)
	return rs
}

func (s span64) report(c *schema.Clock) (first, last *ReportTime) {
	if !s.timed {
		return nil, nil
	}
	at := func(ns int64) *ReportTime {
		r := &ReportTime{NS: ns}
		if c != nil && c.Absolute {
			r.Time = time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
		}
		return r
	}
	return at(s.first), at(s.last)
}

// Flush implements [Sink].
func (s *Summary) Flush() error { return s.out.Flush() }

// Close implements [Sink].
func (s *Summary) Close() error {
	r := s.Report()
	switch s.form {
	case CountLines:
		r.printCounts(s.out)
	case CountJSON:
		r.countsOnly()
		fallthrough
	case SummaryJSON:
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		s.out.buf = append(append(s.out.buf, b...), '\n')
	default:
		r.print(s.out)
	}
	return s.out.Flush()
}

// lossText is a number of losses; a plus sign says that there may be more.
func lossText(n uint64, more bool) string {
	if more {
		return fmt.Sprint(n, "+")
	}
	return fmt.Sprint(n)
}

// countsOnly leaves out the times and rates of streams and classes.
func (r *Report) countsOnly() {
	for i := range r.Streams {
		s := &r.Streams[i]
		s.First, s.Last = nil, nil
		for k := range s.Classes {
			c := &s.Classes[k]
			c.First, c.Last, c.Rate = nil, nil, nil
		}
	}
}

// table prints a table with a header.
func (o *Output) table(header string, rows func(w *tabwriter.Writer)) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	rows(w)
	w.Flush()
	o.buf = append(o.buf, text.String()...)
}

// printCounts prints the numbers of events by class and stream, then those of
// streams and of all.
func (r *Report) printCounts(out *Output) {
	out.table("TRACE\tSTREAM\tEVENT\tCOUNT", func(w *tabwriter.Writer) {
		for _, s := range r.Streams {
			for _, c := range s.Classes {
				fmt.Fprintf(w, "%s\t%d/%d\t%s\t%d\n", s.Trace, s.Class, s.ID, c.Name, c.Events)
			}
		}
	})
	out.buf = append(out.buf, '\n')
	out.table("TRACE\tSTREAM\tEVENTS\tDISCARDED\tPACKETS LOST", func(w *tabwriter.Writer) {
		for _, s := range r.Streams {
			fmt.Fprintf(w, "%s\t%d/%d\t%d\t%s\t%d\n", s.Trace, s.Class, s.ID, s.Events, lossText(s.Discarded, s.Uncounted), s.Packets)
		}
		fmt.Fprintf(w, "total\t\t%d\t%s\t%d\n", r.Events, lossText(r.Discarded, r.Uncounted), r.Packets)
	})
}

func (r *Report) print(out *Output) {
	out.table("TRACE\tSTREAM\tEVENT\tCOUNT\tPER SECOND\tFIRST\tLAST", func(w *tabwriter.Writer) {
		for _, s := range r.Streams {
			for _, c := range s.Classes {
				fmt.Fprintf(w, "%s\t%d/%d\t%s\t%d\t%.1f\t%s\t%s\n", s.Trace, s.Class, s.ID, c.Name, c.Events, *c.Rate, c.First, c.Last)
			}
		}
	})
	out.buf = append(out.buf, '\n')
	out.table("TRACE\tSTREAM\tEVENTS\tDISCARDED\tPACKETS LOST\tFIRST\tLAST", func(w *tabwriter.Writer) {
		for _, s := range r.Streams {
			fmt.Fprintf(w, "%s\t%d/%d\t%d\t%s\t%d\t%s\t%s\n", s.Trace, s.Class, s.ID, s.Events, lossText(s.Discarded, s.Uncounted), s.Packets, s.First, s.Last)
		}
		fmt.Fprintf(w, "total\t\t%d\t%s\t%d\t%s\t%s\n", r.Events, lossText(r.Discarded, r.Uncounted), r.Packets, r.First, r.Last)
	})
}

// String gives the time for tables.
func (t *ReportTime) String() string {
	switch {
	case t == nil:
		return "-"
	case t.Time != "":
		return t.Time
	default:
		return fmt.Sprint(t.NS, " ns")
	}
}
