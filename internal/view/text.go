// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"io"
	"math"
	"strings"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

const nsPerSecond = 1_000_000_000

// Text prints events as lines of text, in two parts: the head of a line depends
// on the event before, the rest on the event alone. See "Concurrency" in the
// package comment.
type Text struct {
	opts  TextOptions // Immutable after NewText.
	lines headText

	// Owned by AppendHead. Absent values are those that babeltrace2 uses, so
	// that a time of one nanosecond before the origin is absent too.
	lastTime   uint64 // absent at first
	deltaTime  uint64 // absent up to the second event
	lastCycles uint64
	deltaCycle uint64
	second     int64  // that clock holds
	clock      []byte // up to the point before the nanoseconds
	negative   bool   // a negative time has been met
	usual      usualHead

	// Owned by AppendRest.
	streams map[*schema.Stream]*shownFields
	plans   map[*schema.Event]*textPlan
	recent  [recentPlans]*textPlan // by id, so that most events need no look-up
}

const (
	absent      = math.MaxUint64
	recentPlans = 128
)

// headText is the constant texts around time and delta.
type headText struct {
	beforeTime, afterTime   string
	beforeDelta, afterDelta string
	beforeTrace, afterTrace string // beforeTrace: when there is a time before it
	traceName               string
}

// usualHead is a head in the same second as the last one and less than a second
// behind it, with zeros for the digits that change.
type usualHead struct {
	ready   bool
	start   int64 // ns of the second
	text    []byte
	timeAt  int
	deltaAt int
}

// NewText returns a printer.
func NewText(opts TextOptions) *Text {
	if opts.Location == nil {
		opts.Location = time.UTC
	}
	t := &Text{
		opts:     opts,
		lastTime: absent, deltaTime: absent, lastCycles: absent, deltaCycle: absent,
		second:  math.MinInt64,
		streams: make(map[*schema.Stream]*shownFields),
		plans:   make(map[*schema.Event]*textPlan),
	}
	c := textCompiler{TextOptions: &t.opts}
	pal := &t.opts.Palette
	if opts.Names&NameHeader != 0 {
		t.lines = headText{
			beforeTime: c.name(pal.header, "timestamp"), beforeDelta: ", " + c.name(pal.header, "delta"),
			beforeTrace: ", ", traceName: c.name(pal.header, "trace"), afterTrace: ", ",
		}
	} else {
		t.lines = headText{beforeTime: "[", afterTime: "] ", beforeDelta: "(", afterDelta: ") "}
	}
	t.lines.beforeTime += pal.time
	t.lines.afterTime = c.resetOf(pal.time) + t.lines.afterTime
	return t
}

// Moment is the time of an event.
type Moment struct {
	Clocked bool   // the event's stream has a clock
	HasTime bool   // the event has a time
	Time    int64  // ns from the clock's origin, when HasTime
	Cycles  uint64 // value of the clock, when HasTime
}

// MomentOf returns the time of an event.
func MomentOf(e *ctf.Event) Moment {
	return Moment{Clocked: e.Class.Stream.Clock != nil, HasTime: e.HasTime, Time: e.Time, Cycles: e.Cycles}
}

// AppendHead appends the head of the next line: time, difference to the line
// before, and the name of the trace where that is asked for.
func (t *Text) AppendHead(dst []byte, m Moment, trace string) []byte {
	h := &t.lines
	if u := &t.usual; u.ready && m.Clocked && m.HasTime {
		ns, delta := uint64(m.Time-u.start), uint64(m.Time)-t.lastTime
		if ns < nsPerSecond && delta < nsPerSecond && t.lastTime != absent {
			t.lastTime, t.deltaTime = uint64(m.Time), delta
			n := len(dst)
			dst = append(dst, u.text...)
			putNanos((*[nanoDigits]byte)(dst[n+u.timeAt:]), uint32(ns))
			putNanos((*[nanoDigits]byte)(dst[n+u.deltaAt:]), uint32(delta))
			return dst
		}
	}
	if m.Clocked {
		dst = append(dst, h.beforeTime...)
		dst = t.appendTime(dst, m)
		dst = append(dst, h.afterTime...)
		if !t.opts.NoDelta {
			dst = append(dst, h.beforeDelta...)
			dst = t.appendDelta(dst)
			dst = append(dst, h.afterDelta...)
		}
	}
	if t.opts.Fields&FieldTrace != 0 {
		if m.Clocked {
			dst = append(dst, h.beforeTrace...)
		}
		dst = append(dst, h.traceName...)
		dst = append(dst, trace...)
		dst = append(dst, h.afterTrace...)
	}
	return dst
}

// begin is AppendHead for a first line whose head another printer makes.
func (t *Text) begin(m Moment) {
	t.lastTime, t.deltaTime, t.lastCycles, t.deltaCycle = absent, absent, absent, absent
	t.AppendHead(nil, m, "")
}

// follow makes the next line the one behind the last of another printer.
func (t *Text) follow(last *Text) {
	t.lastTime, t.deltaTime, t.lastCycles, t.deltaCycle = last.lastTime, last.deltaTime, last.lastCycles, last.deltaCycle
}

func (t *Text) appendTime(dst []byte, m Moment) []byte {
	switch {
	case !m.HasTime && t.opts.Cycles:
		return append(dst, strings.Repeat("?", 20)...)
	case !m.HasTime:
		return append(dst, "??:??:??.?????????"...)
	case t.opts.Cycles:
		if t.lastCycles != absent {
			t.deltaCycle = m.Cycles - t.lastCycles
		}
		t.lastCycles = m.Cycles
		return appendPadded(dst, m.Cycles, 20)
	}
	if t.lastTime != absent {
		t.deltaTime = uint64(m.Time) - t.lastTime
	}
	t.lastTime = uint64(m.Time)
	return t.appendWall(dst, m.Time)
}

// appendWall appends a time in the form that was asked for, other than cycles.
func (t *Text) appendWall(dst []byte, ns int64) []byte {
	if ns < 0 {
		return t.appendNegative(dst, uint64(-ns))
	}
	sec := ns / nsPerSecond
	dst = t.appendSecond(dst, sec)
	return appendNanos(dst, uint32(ns-sec*nsPerSecond))
}

// appendNegative appends a time before the clock's origin. Hours are not for
// those: as babeltrace2 does, the first is printed in seconds, the others as if
// they were behind the origin.
func (t *Text) appendNegative(dst []byte, ns uint64) []byte {
	sec := int64(ns / nsPerSecond)
	if !t.opts.Seconds && !t.negative {
		t.negative = true
		if t.opts.Warnings != nil {
			io.WriteString(t.opts.Warnings, "[warning] Fallback to [sec.ns] to print negative time value. Use --clock-seconds.\n")
		}
	} else if !t.opts.Seconds {
		return appendNanos(t.appendSecond(dst, sec), uint32(ns%nsPerSecond))
	}
	dst = append(dst, '-')
	dst = append(appendUint(dst, uint64(sec)), '.')
	return appendNanos(dst, uint32(ns%nsPerSecond))
}

// appendSecond appends a time up to the point before the nanoseconds.
func (t *Text) appendSecond(dst []byte, sec int64) []byte {
	if sec != t.second {
		t.second = sec
		t.clock = t.formatSecond(t.clock[:0], sec)
		t.prepareUsual()
	}
	return append(dst, t.clock...)
}

// prepareUsual makes the text of usual heads in the second that clock holds.
func (t *Text) prepareUsual() {
	u, h, zeros := &t.usual, &t.lines, "000000000"
	u.ready = !t.opts.Cycles && !t.opts.NoDelta && t.opts.Fields&FieldTrace == 0
	u.start = t.second * nsPerSecond
	u.text = append(append(u.text[:0], h.beforeTime...), t.clock...)
	u.timeAt = len(u.text)
	u.text = append(append(append(append(u.text, zeros...), h.afterTime...), h.beforeDelta...), "+0."...)
	u.deltaAt = len(u.text)
	u.text = append(append(u.text, zeros...), h.afterDelta...)
}

func (t *Text) formatSecond(dst []byte, sec int64) []byte {
	if t.opts.Seconds {
		return append(appendUint(dst, uint64(sec)), '.')
	}
	layout := "15:04:05."
	if t.opts.Date {
		layout = "2006-01-02 15:04:05."
	}
	return time.Unix(sec, 0).In(t.opts.Location).AppendFormat(dst, layout)
}

func (t *Text) appendDelta(dst []byte) []byte {
	if t.opts.Cycles {
		if t.deltaCycle == absent {
			return append(dst, "+????????????"...)
		}
		return appendPadded(append(dst, '+'), t.deltaCycle, 12)
	}
	d := t.deltaTime
	switch {
	case d == absent:
		return append(dst, "+?.?????????"...)
	case d < nsPerSecond:
		return appendNanos(append(dst, "+0."...), uint32(d))
	default:
		dst = append(appendUint(append(dst, '+'), d/nsPerSecond), '.')
		return appendNanos(dst, uint32(d%nsPerSecond))
	}
}

// AppendRest appends a line from behind its head on, with its end. It keeps
// nothing of the event.
func (t *Text) AppendRest(dst []byte, e *ctf.Event) []byte {
	p := t.recent[e.Class.ID%recentPlans]
	if p == nil || p.class != e.Class {
		p = t.plan(e.Class)
	}
	dst = append(dst, p.head...)
	if p.packet != nil {
		dst = p.packet.run(dst, &e.Packet.Frame, 0)
	}
	return p.event.run(dst, &e.Frame, 0)
}

// plan returns the plan of an event class, which it makes when it is new.
func (t *Text) plan(class *schema.Event) *textPlan {
	p := t.plans[class]
	if p == nil {
		shown := t.streams[class.Stream]
		if shown == nil {
			shown = newShownFields(class.Stream)
			t.streams[class.Stream] = shown
		}
		shown.addEvent(class)
		c := textCompiler{TextOptions: &t.opts, shown: shown}
		p = c.plan(class)
		t.plans[class] = p
	}
	t.recent[class.ID%recentPlans] = p
	return p
}
