// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Timeline prints events in the Trace Event Format, which ui.perfetto.dev and
// chrome://tracing open.
//
// An event is an instant on the track of its thread, or of its CPU where its
// contexts name no process. Events whose names pair up (x_entry and x_exit,
// x_begin and x_end, x:begin and x:end, syscall_entry_x and syscall_exit_x) are
// slices of their thread. A sched_switch ends the slice of one thread on its CPU
// and begins that of the next. Times are microseconds from the first event, as
// viewers hold them in floating-point numbers.
//
// Process ids of a second host are shifted: two hosts may use the same ones.
type Timeline struct {
	out    *Output
	events int   // printed
	origin int64 // ns of the first event
	ts     int64 // of the last event that has one, from origin
	timed  bool  // there is an origin

	plans   map[*schema.Event]*timelinePlan
	shown   map[*schema.Stream]*shownFields
	hosts   map[string]int64       // index by name
	tracks  map[track]*openSlices  // that have a name
	procs   map[int64]bool         // that have a name
	running map[track]runningSlice // on tracks of CPUs
}

// track is what viewers show as a line: a thread, or a CPU.
type track struct{ pid, tid int64 }

// openSlices are the slices of a track that have begun and not ended.
type openSlices struct{ names []string } // as JSON

// maxOpenSlices bounds the slices that are open on a track: entries whose exits
// were lost would gather for ever.
const maxOpenSlices = 128

// runningSlice is a thread that runs on a CPU.
type runningSlice struct {
	since int64
	name  string
	tid   int64
}

const (
	hostShift = 23      // process ids of Linux end at 2^22
	cpuPID    = 1 << 22 // of the process whose threads are a host's CPUs
)

// NewTimeline returns a sink that prints to out.
func NewTimeline(out *Output) *Timeline {
	out.buf = append(out.buf, `{"displayTimeUnit":"ns","traceEvents":[`...)
	return &Timeline{
		out:     out,
		plans:   make(map[*schema.Event]*timelinePlan),
		shown:   make(map[*schema.Stream]*shownFields),
		hosts:   make(map[string]int64),
		tracks:  make(map[track]*openSlices),
		procs:   make(map[int64]bool),
		running: make(map[track]runningSlice),
	}
}

// Event implements [Sink].
func (t *Timeline) Event(_ *ctf.Stream, e *ctf.Event) error {
	p := t.plans[e.Class]
	if p == nil {
		p = t.compile(e.Class)
		t.plans[e.Class] = p
	}
	if e.HasTime {
		if !t.timed {
			t.origin, t.timed = e.Time, true
		}
		t.ts = e.Time - t.origin
	}
	if p.isSwitch && p.cpu.ok {
		t.switched(p, e)
		return t.out.spill()
	}
	tr := t.trackOf(p, e)
	open := t.tracks[tr]
	switch {
	case p.phase == pairBegin && len(open.names) < maxOpenSlices:
		open.names = append(open.names, p.name)
		t.print("B", tr, p.name, p.args, e)
	case p.phase == pairEnd && t.closeSlice(tr, open, p.name):
		t.print("E", tr, p.name, p.args, e)
	default:
		name := p.name
		if p.phase != instant {
			name = p.event
		}
		t.print("i", tr, name, p.args, e)
	}
	return t.out.spill()
}

// closeSlice ends the slices within the innermost one of a name, whose own end
// is left to the caller; false when none of that name is open.
func (t *Timeline) closeSlice(tr track, open *openSlices, name string) bool {
	i := len(open.names) - 1
	for i >= 0 && open.names[i] != name {
		i--
	}
	if i < 0 {
		return false
	}
	for inner := len(open.names) - 1; inner > i; inner-- {
		t.print("E", tr, open.names[inner], nil, nil)
	}
	open.names = open.names[:i]
	return true
}

// switched moves a CPU from one thread to the next.
func (t *Timeline) switched(p *timelinePlan, e *ctf.Event) {
	tr := t.cpuTrack(p, e)
	if was, ok := t.running[tr]; ok {
		t.printRun(tr, was)
	}
	tid := p.nextTID.signed(e)
	if tid == 0 { // the idle task
		delete(t.running, tr)
		return
	}
	name := "thread"
	if p.nextComm.ok {
		name = string(p.nextComm.text(e))
	}
	t.running[tr] = runningSlice{t.ts, name, tid}
}

func (t *Timeline) printRun(tr track, r runningSlice) {
	t.begin("X", tr, r.since)
	b := append(t.out.buf, `,"dur":`...)
	b = appendMicros(b, t.ts-r.since)
	b = append(append(b, `,"name":`...), quoteJSON(r.name)...)
	b = appendInt(append(b, `,"args":{"tid":`...), r.tid)
	t.out.buf = append(b, "}}"...)
}

// trackOf returns the track of an event, which it names when it is new.
func (t *Timeline) trackOf(p *timelinePlan, e *ctf.Event) track {
	var tr track
	switch {
	case p.pid.ok:
		tr.pid = p.pid.signed(e)
	case p.fixed:
		tr.pid = p.fixedPID
	case p.tid.ok:
		tr.pid = p.tid.signed(e)
	default:
		return t.cpuTrack(p, e)
	}
	tr.tid = tr.pid
	if p.tid.ok {
		tr.tid = p.tid.signed(e)
	}
	shift := p.host << hostShift
	tr = track{tr.pid + shift, tr.tid + shift}
	if t.tracks[tr] != nil {
		return tr
	}
	t.tracks[tr] = new(openSlices)
	name := p.procText
	if p.procname.ok {
		name = string(p.procname.text(e))
	}
	if name != "" {
		if !t.procs[tr.pid] {
			t.procs[tr.pid] = true
			t.printName("process_name", tr, name)
		}
		t.printName("thread_name", tr, name)
	}
	return tr
}

// cpuTrack returns the track of the CPU of an event, which it names when it is
// new.
func (t *Timeline) cpuTrack(p *timelinePlan, e *ctf.Event) track {
	var cpu int64
	if p.cpu.ok {
		cpu = int64(e.Packet.Words[p.cpu.at])
	}
	tr := track{cpuPID + p.host<<hostShift, cpu}
	if t.tracks[tr] == nil {
		t.tracks[tr] = new(openSlices)
		if !t.procs[tr.pid] {
			t.procs[tr.pid] = true
			t.printName("process_name", tr, strings.TrimSpace("CPUs "+p.hostName))
		}
		t.printName("thread_name", tr, "CPU "+strconv.FormatInt(cpu, 10))
	}
	return tr
}

// begin begins an object of the list.
func (t *Timeline) begin(ph string, tr track, ts int64) {
	b := t.out.buf
	if t.events > 0 {
		b = append(b, ',')
	}
	t.events++
	b = append(append(append(b, "\n{\"ph\":\""...), ph...), `","ts":`...)
	b = appendMicros(b, ts)
	b = appendInt(append(b, `,"pid":`...), tr.pid)
	t.out.buf = appendInt(append(b, `,"tid":`...), tr.tid)
}

// print prints an event of a name, which is JSON; args and e may be nil.
func (t *Timeline) print(ph string, tr track, name string, args *program, e *ctf.Event) {
	t.begin(ph, tr, t.ts)
	b := t.out.buf
	if ph == "i" {
		b = append(b, `,"s":"t"`...)
	}
	b = append(append(b, `,"name":`...), name...)
	if args != nil {
		b = args.run(append(b, `,"args":`...), &e.Frame, 0)
	}
	t.out.buf = append(b, '}')
}

func (t *Timeline) printName(what string, tr track, name string) {
	t.begin("M", tr, t.ts)
	b := append(append(append(t.out.buf, `,"name":"`...), what...), `","args":{"name":`...)
	t.out.buf = append(append(b, quoteJSON(name)...), "}}"...)
}

// appendMicros appends nanoseconds as microseconds with a fraction.
func appendMicros(b []byte, ns int64) []byte {
	if ns < 0 {
		b = append(b, '-')
		ns = -ns
	}
	b = appendUint(b, uint64(ns/1000))
	return appendPadded(append(b, '.'), uint64(ns%1000), 3)
}

// Loss implements [Sink]: a loss is an instant of all tracks.
func (t *Timeline) Loss(s *ctf.Stream, l *ctf.Loss) error {
	at := t.ts
	if l.HasRange && t.timed {
		at = l.From - t.origin
	}
	t.begin("i", track{}, at)
	name := "events lost"
	if l.Packets {
		name = "packets lost"
	}
	b := append(append(append(t.out.buf, `,"s":"g","name":"`...), name...), `","args":{"trace":`...)
	b = append(b, quoteJSON(s.Trace.Name)...)
	b = appendUint(append(b, `,"stream":`...), s.ID)
	if l.Counted {
		b = appendUint(append(b, `,"count":`...), l.Count)
	}
	t.out.buf = append(b, "}}"...)
	return t.out.spill()
}

// Flush implements [Sink].
func (t *Timeline) Flush() error { return t.out.Flush() }

// Close implements [Sink]: what has not ended ends with the last event.
func (t *Timeline) Close() error {
	inOrder := func(a, b track) int { return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.tid, b.tid)) }
	for _, tr := range slices.SortedFunc(maps.Keys(t.running), inOrder) {
		t.printRun(tr, t.running[tr])
	}
	for _, tr := range slices.SortedFunc(maps.Keys(t.tracks), inOrder) {
		open := t.tracks[tr].names
		for i := len(open) - 1; i >= 0; i-- {
			t.print("E", tr, open[i], nil, nil)
		}
	}
	b := appendInt(append(t.out.buf, "\n],\"otherData\":{\"origin_ns\":\""...), t.origin)
	t.out.buf = append(b, "\"}}\n"...)
	return t.out.Flush()
}
