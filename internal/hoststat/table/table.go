// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
)

// Options say which rows a table has, and in which order.
type Options struct {
	Filter   *regexp.Regexp // of hosts' names
	Trouble  bool           // only hosts that are not up or have alarms
	Group    bool           // by group, with headings
	Sort     string         // key of a column; "": the hosts' order
	Reverse  bool
	Absolute bool            // what rates are the growth of
	All      bool            // all hosts are expanded
	Expanded map[string]bool // hosts of which all parts are shown
}

func (o *Options) expanded(name string) bool { return o.All != o.Expanded[name] }

// Row is a row of a table.
type Row struct {
	Host    string
	Part    string // of the host; "": the host itself
	Group   string
	Heading bool // of a group: no cells
	State   poll.State
	Reason  string
	Told    bool // there are cells
	Alarm   string
	Section time.Time // when the host's source was read
	Cells   []Cell

	order int
}

// Summary is what all hosts come to.
type Summary struct {
	Hosts, Up, Late, Down int
	CPUs, Load            float64
	Busy                  float64 // percent of all CPUs
	MemUsed, MemTotal     float64
	NetRx, NetTx          float64
	DiskRead, DiskWrite   float64
	Firing                int
}

// Table is a view at a time. It keeps its memory from one Fill to the next.
type Table struct {
	View    *View
	Rows    []Row
	Summary Summary
	Time    time.Time

	cells []Cell
	index []int32
	spare []Row
}

// filler is a table that is being filled.
type filler struct {
	table   *Table
	view    *View
	options *Options
	order   int
}

// Fill makes the table anew.
func (t *Table) Fill(c *poll.Cluster, v *View, o *Options) {
	t.View, t.Rows, t.cells, t.Time = v, t.Rows[:0], t.cells[:0], time.Now()
	t.Summary = Summary{}
	f := &filler{table: t, view: v, options: o}
	c.View(func(hosts []*poll.Host) {
		busy := 0.0
		for i, h := range hosts {
			f.order = i
			busy += t.Summary.count(h)
			f.host(h)
		}
		t.Summary.Busy = busy / t.Summary.CPUs
	})
	if v.rows == nil {
		f.alarmLog(c.Events())
	}
	t.sort(o)
}

// count adds a host, and returns how many of its CPUs are busy, in percent.
func (s *Summary) count(h *poll.Host) (busy float64) {
	s.Hosts++
	switch h.State() {
	case poll.OK:
		s.Up++
	case poll.Overdue, poll.Stale:
		s.Late++
	default:
		s.Down++
	}
	for _, a := range h.Alarms() {
		if a.State == alarm.Firing {
			s.Firing++
		}
	}
	if h.State() > poll.Stale || h.Messages() == 0 {
		return 0
	}
	add := func(into *float64, m poll.Metric) {
		if v := h.Value(m); !math.IsNaN(v) {
			*into += v
		}
	}
	add(&s.Load, poll.Load1)
	add(&s.MemUsed, poll.MemUsed)
	add(&s.MemTotal, poll.MemTotal)
	add(&s.NetRx, poll.NetRx)
	add(&s.NetTx, poll.NetTx)
	add(&s.DiskRead, poll.DiskRead)
	add(&s.DiskWrite, poll.DiskWrite)
	n, share := h.Value(poll.NCPU), h.Value(poll.CPUBusy)
	if math.IsNaN(n) || math.IsNaN(share) {
		return 0
	}
	s.CPUs += n
	return n * share
}

// host adds the rows of a host.
func (f *filler) host(h *poll.Host) {
	o := f.options
	if o.Filter != nil && !o.Filter.MatchString(h.Name) || o.Trouble && h.State() == poll.OK && worst(h) == "" {
		return
	}
	if f.view.rows == nil {
		f.alarms(h)
		return
	}
	if h.Messages() == 0 || h.State() > poll.Stale {
		r := f.row(h)
		r.Reason = Clean(h.Reason())
		if r.Reason == "" {
			r.Reason = h.State().String()
		}
		return
	}
	f.view.rows(f, h)
}

// row adds a row without cells.
func (f *filler) row(h *poll.Host) *Row {
	f.table.Rows = append(f.table.Rows, Row{
		Host: Clean(h.Name), Group: Clean(h.Group), State: h.State(), Alarm: worst(h), Section: h.SectionTime(), order: f.order,
	})
	return &f.table.Rows[len(f.table.Rows)-1]
}

// add adds a row with cells; those of metrics are filled, unless it is that of a
// part.
func (f *filler) add(h *poll.Host, part string) {
	r := f.row(h)
	r.Part, r.Told = part, true
	from := len(f.table.cells)
	for i := range f.view.Columns {
		c := &f.view.Columns[i]
		cell := Cell{Number: math.NaN()}
		switch {
		case i == 0:
			cell.Text = r.Host
		case !c.numeric || part != "":
		case f.options.Absolute && !math.IsNaN(h.Total(c.metric)):
			cell.Number = h.Total(c.metric)
		default:
			cell.Number = h.Value(c.metric)
		}
		f.table.cells = append(f.table.cells, cell)
	}
	r.Cells = f.table.cells[from:len(f.table.cells):len(f.table.cells)]
}

// levels are the levels of alarms by urgency.
var levels = []string{"", "info", "warn", "crit"}

// worst returns the highest level of the alarms of a host that fire.
func worst(h *poll.Host) string {
	rules, level := h.Rules(), ""
	for i, a := range h.Alarms() {
		if a.State == alarm.Firing && slices.Index(levels, rules[i].Level) > slices.Index(levels, level) {
			level = rules[i].Level
		}
	}
	return level
}

// alarms adds the alarms of a host that are not ok.
func (f *filler) alarms(h *poll.Host) {
	values := h.Values()
	for i, a := range h.Alarms() {
		if a.State == alarm.OK {
			continue
		}
		rule := &h.Rules()[i]
		f.add(h, rule.ID)
		f.table.Rows[len(f.table.Rows)-1].order = -int(a.State) // what fires comes first
		f.alarm(rule, a.State.String(), a.Since)
		if uses := rule.When.Uses(); len(uses) > 0 {
			f.set("value", number(values[uses[0]]))
		}
	}
}

func (f *filler) alarm(rule *alarm.Rule, state string, since time.Time) {
	note := rule.Note
	if note == "" {
		note = rule.When.String()
	}
	f.set("state", text(state))
	f.set("level", text(rule.Level))
	f.set("since", number(float64(since.Unix())))
	f.set("alarm", text(rule.ID))
	f.set("text", text(note))
}

// alarmLog adds what has been, the last first.
func (f *filler) alarmLog(events []poll.Event) {
	for i, e := range slices.Backward(events) {
		from := len(f.table.cells)
		f.table.cells = append(f.table.cells, make([]Cell, len(f.view.Columns))...)
		cells := f.table.cells[from:len(f.table.cells):len(f.table.cells)]
		cells[0] = text(e.Host)
		f.table.Rows = append(f.table.Rows, Row{Host: Clean(e.Host), Part: e.Rule.ID, Told: true, Cells: cells, State: poll.OK, order: len(events) - i})
		word := "began"
		if e.State != alarm.Firing {
			word = "ended"
		}
		f.alarm(e.Rule, word, e.Time)
		f.set("value", number(e.Value))
	}
}

// sort orders the rows and puts headings between groups.
func (t *Table) sort(o *Options) {
	column := -1
	if o.Sort != "" {
		column = t.View.Column(o.Sort)
	}
	if column < 0 && !o.Group && t.View.rows != nil && !o.Reverse {
		return
	}
	t.index = t.index[:0]
	for i := range t.Rows {
		t.index = append(t.index, int32(i))
	}
	slices.SortFunc(t.index, func(i, j int32) int { return t.compare(i, j, column, o) })
	t.spare = t.spare[:0]
	for _, i := range t.index {
		t.spare = append(t.spare, t.Rows[i])
	}
	t.Rows, t.spare = t.spare, t.Rows
	if o.Group {
		t.head()
	}
}

// compare orders two rows: by group, by the column, as they were.
func (t *Table) compare(i, j int32, column int, o *Options) int {
	a, b := &t.Rows[i], &t.Rows[j]
	if o.Group && a.Group != b.Group {
		return cmp.Compare(a.Group, b.Group)
	}
	order := 0
	if column >= 0 {
		order = compareCells(a, b, column, o.Reverse)
	}
	if order != 0 {
		return order
	}
	if order = cmp.Compare(a.order, b.order); order == 0 {
		order = cmp.Compare(i, j)
	}
	if column < 0 && o.Reverse {
		order = -order
	}
	return order
}

// compareCells compares two rows by a column. What is missing comes last either
// way.
func compareCells(a, b *Row, column int, reverse bool) int {
	if a.Told != b.Told {
		if a.Told {
			return -1
		}
		return 1
	}
	if !a.Told {
		return 0
	}
	x, y := &a.Cells[column], &b.Cells[column]
	if mx, my := x.Missing(), y.Missing(); mx != my {
		if my {
			return -1
		}
		return 1
	}
	order := cmp.Compare(x.Number, y.Number)
	if math.IsNaN(x.Number) && math.IsNaN(y.Number) {
		order = cmp.Compare(x.Text, y.Text)
	}
	if reverse {
		return -order
	}
	return order
}

// head puts a heading before each group.
func (t *Table) head() {
	rows := make([]Row, 0, len(t.Rows)+8)
	for i, r := range t.Rows {
		if i == 0 || r.Group != t.Rows[i-1].Group {
			name := r.Group
			if name == "" {
				name = "(no group)"
			}
			rows = append(rows, Row{Group: name, Heading: true})
		}
		rows = append(rows, r)
	}
	t.Rows = rows
}
