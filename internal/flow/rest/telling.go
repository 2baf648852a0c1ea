// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"time"
)

// told is an event that a viewer is told of.
type told struct {
	raw     json.RawMessage
	members map[string]any
	kind    string
}

func readTold(raw json.RawMessage) (told, error) {
	e := told{raw: raw}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err := d.Decode(&e.members)
	e.kind = e.text("kind")
	return e, err
}

func (e *told) text(name string) string {
	text, _ := e.members[name].(string)
	return text
}

// set gives a member a number.
func (e *told) set(name string, n int) {
	if _, there := e.members[name]; there {
		e.members[name] = json.Number(strconv.Itoa(n))
	}
}

// time is when it happened; zero in a dry run.
func (e *told) time() time.Time {
	n, _ := e.members["time"].(json.Number)
	ns, err := n.Int64()
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// within reports whether a selection has the event.
func (e *told) within(s *Select) bool {
	at := e.time()
	return (s.Since.IsZero() || !at.Before(s.Since)) && (s.Until.IsZero() || at.Before(s.Until))
}

// json returns the members in one order for all events: that of those that nothing was
// taken out of would tell of the others.
func (e *told) json() (json.RawMessage, error) { return json.Marshal(e.members) }

// telling is how a viewer is told what happened to a flow on one host: as if there were
// no requests but those that he may see. A request that takes a packet has its
// simulation start again, with records from then on. So a start again for a request of
// another's is left out, with the steps that led to it: they come again behind it.
type telling struct {
	v *viewer

	whole   bool     // the packet was recorded before a request had taken it: a dry run
	tracing bool     // a request that may be seen has the packet recorded
	begun   bool     // it was one that began to, since the packet waited
	usurped bool     // it was one that may not be seen
	taken   []string // requests that may be seen and that have taken the packet
	kept    []told
	learned []learned // in steps that were left out: devices do not learn it again

	begins   bool // nothing has been told
	run, seq int  // of the next event
	hidden   bool // the event before was on a device that may not be seen
	last     bool // the device before the result may be seen
}

// learned is that a device has learned something, and at which step of a run.
type learned struct {
	at    int
	event told
}

func (v *viewer) newTelling() *telling { return &telling{v: v, begins: true, run: 1} }

// tell returns what the viewer is told of events, which are those up to a result, or
// come behind one.
func (t *telling) tell(events []told) []told {
	if t.begins {
		t.begins = false
		first := len(events) > 0 && events[0].kind == "start" && events[0].members["run"] == json.Number("1")
		t.whole = first || !slices.ContainsFunc(events, func(e told) bool { return t.takes(&e) })
		t.tracing = t.whole
	}
	t.kept = nil
	var part []told
	for _, e := range events {
		if e.kind == "start" {
			t.keep(part)
			part = nil
		}
		part = append(part, e)
		if e.kind == "restart" {
			t.restart(part)
			part = nil
		}
	}
	t.keep(part)
	shown := t.kept[:0]
	for i := range t.kept {
		e := t.kept[i]
		again := e.kind == "restart"
		e.set("run", t.run)
		if again {
			t.run++
		}
		if !t.redact(&e) {
			continue
		}
		e.set("seq", t.seq)
		t.seq++
		shown = append(shown, e)
	}
	return shown
}

// takes reports whether an event is that a request takes the packet that may be seen.
func (t *telling) takes(e *told) bool {
	return e.kind == "restart" && e.text("reason") == "trace" && t.v.sees("request", e.text("request"))
}

// restart takes steps that end with a start again.
func (t *telling) restart(part []told) {
	last := &part[len(part)-1]
	switch {
	case last.text("reason") != "trace": // the packet waits
		t.keep(part)
		t.tracing, t.begun, t.usurped = t.whole, false, false
	case t.takes(last):
		t.keep(part[:len(part)-1])
		t.kept = append(t.kept, *last)
		t.tracing, t.begun = true, true
		t.taken = append(t.taken, last.text("request"))
	default:
		t.usurped = t.usurped || !t.begun
		part = t.relearn(part)
		t.learned = nil
		for i := range part {
			if t.tracing && part[i].kind == "learn" {
				t.learned = append(t.learned, learned{i, part[i]})
			}
		}
	}
}

// relearn puts back into steps what devices have learned when these were taken before.
func (t *telling) relearn(part []told) []told {
	for _, l := range t.learned {
		if l.at <= len(part) {
			part = slices.Insert(part, l.at, l.event)
		}
	}
	return part
}

// keep takes steps. When another's request has begun to record a packet that has waited,
// the viewer's has not started it again: it is told where it would have.
func (t *telling) keep(part []told) {
	if len(part) == 0 {
		return
	}
	full := t.relearn(slices.Clone(part))
	t.learned = nil
	i, request := t.would(full)
	if i < 0 {
		if t.tracing {
			t.kept = append(t.kept, full...)
		}
		return
	}
	if t.tracing {
		t.kept = append(t.kept, full[:i]...)
	}
	restart := told{kind: "restart", members: map[string]any{"kind": "restart", "reason": "trace", "request": request}}
	for _, name := range []string{"seq", "time", "host", "role", "run"} {
		if value, there := full[i].members[name]; there {
			restart.members[name] = value
		}
	}
	t.kept = append(t.kept, restart)
	t.tracing, t.begun = true, true
	for _, e := range part[:len(part)-len(full)+i] { // without what was learned above
		if again, err := readTold(e.raw); err == nil { // it was read before
			t.kept = append(t.kept, again)
		}
	}
	t.kept = append(t.kept, full[i:]...)
}

// would returns the step at which a request of the viewer's would have started the
// packet again, -1 for none.
func (t *telling) would(part []told) (at int, request string) {
	if !t.usurped || t.begun || len(t.taken) == 0 {
		return -1, ""
	}
	for i := range part {
		e := &part[i]
		if e.kind != "rule" || e.text("type") != "trace" || e.members["matched"] != true || !t.v.sees("device", e.text("device")) {
			continue
		}
		if request := t.v.requestOf(e.text("rule"), t.taken[0]); slices.Contains(t.taken, request) {
			return i, request
		}
	}
	return -1, ""
}

// tellAll returns what the viewer is told of all events of a flow, those of one host
// after the other's. Those of one host at a time stay taken apart, which is what needs
// memory, and only what is told is put together again.
func (v *viewer) tellAll(raw []json.RawMessage, s Select) ([]json.RawMessage, error) {
	hosts := make(map[string][]json.RawMessage)
	var order []string
	for _, b := range raw {
		e, err := readTold(b)
		if err != nil {
			return nil, err
		}
		host := e.text("host")
		if hosts[host] == nil {
			order = append(order, host)
		}
		hosts[host] = append(hosts[host], b)
	}
	if s.Descending {
		slices.Reverse(order)
	}
	all := []json.RawMessage{}
	for _, host := range order {
		events, err := v.tellHost(hosts[host], &s)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if s.Limit > 0 && len(all) == s.Limit {
				return all, nil
			}
			b, err := e.json()
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// tellHost returns what the viewer is told of all events of a host, in the order that is
// wanted.
func (v *viewer) tellHost(raw []json.RawMessage, s *Select) ([]told, error) {
	events := make([]told, len(raw))
	for i, b := range raw {
		var err error
		if events[i], err = readTold(b); err != nil {
			return nil, err
		}
	}
	events = slices.DeleteFunc(v.newTelling().tell(events), func(e told) bool { return !e.within(s) })
	if s.Descending {
		slices.Reverse(events)
	}
	return events, nil
}

// hostTelling is a telling of events that come one after the other.
type hostTelling struct {
	*telling
	waiting []told // for the result: only that tells whether they stay
	ended   bool
}

func (h *hostTelling) next(e told) []told {
	h.ended = h.ended || e.kind == "result" || e.text("role") == "egress"
	h.waiting = append(h.waiting, e)
	if !h.ended {
		return nil
	}
	events := h.waiting
	h.waiting = nil
	return h.tell(events)
}

// tellEach tells the viewer of events as they come: of those of a host from when the
// result of its simulation is there.
func (v *viewer) tellEach(events iter.Seq2[json.RawMessage, error], s Select) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		hosts := make(map[string]*hostTelling)
		n := 0
		for raw, err := range events {
			if err != nil {
				yield(nil, err)
				return
			}
			e, err := readTold(raw)
			if err != nil {
				yield(nil, err)
				return
			}
			host := e.text("host")
			if hosts[host] == nil {
				hosts[host] = &hostTelling{telling: v.newTelling()}
			}
			for _, e := range hosts[host].next(e) {
				if !e.within(&s) {
					continue
				}
				b, err := e.json()
				if n++; !yield(b, err) || err != nil || n == s.Limit {
					return
				}
			}
		}
	}
}
