// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// timelinePlan is what is known of an event class.
type timelinePlan struct {
	phase phase
	name  string   // of the slice, or of the event, as JSON
	event string   // name of the event, as JSON
	host  int64    // index of the host
	args  *program // the payload as an object

	cpu                optionalPlace // in the packet
	pid, tid, procname optionalPlace
	nextTID, nextComm  optionalPlace // of a sched_switch

	hostName string
	fixedPID int64  // of traces of one process
	fixed    bool   // fixedPID is known
	procText string // name of that process
	isSwitch bool
}

// optionalPlace is where a field is that an event class may have.
type optionalPlace struct {
	place
	ok bool
}

// compile finds what an event class has of processes, threads and CPUs.
func (t *Timeline) compile(e *schema.Event) *timelinePlan {
	shown := t.shown[e.Stream]
	if shown == nil {
		shown = newShownFields(e.Stream)
		t.shown[e.Stream] = shown
	}
	shown.addEvent(e)
	p := &timelinePlan{isSwitch: e.Name == "sched_switch"}
	p.name, p.phase = pairName(e.Name)
	p.name, p.event = quoteJSON(p.name), quoteJSON(e.Name)
	tr := e.Stream.Trace
	p.hostName, _ = tr.EnvString("hostname")
	host, ok := t.hosts[p.hostName]
	if !ok {
		host = int64(len(t.hosts))
		t.hosts[p.hostName] = host
	}
	p.host = host
	p.fixedPID, p.fixed = tr.EnvInt("vpid")
	p.procText, _ = tr.EnvString("procname")

	cpu, ok := findMember(e.Stream.PacketContext, cpuMember, packetContextStart(e))
	p.cpu = optionalPlace{cpu, ok && isInteger(cpu.class)}
	if p.pid = contextField(e, isInteger, "pid", "vpid"); p.pid.ok && contextField(e, isInteger, "pid").ok {
		p.tid = contextField(e, isInteger, "tid", "vtid")
	} else {
		p.tid = contextField(e, isInteger, "vtid", "tid")
	}
	p.procname = contextField(e, isText, "procname")
	p.nextTID = payloadField(e, isInteger, "next_tid", "next_pid")
	p.nextComm = payloadField(e, isText, "next_comm")
	p.isSwitch = p.isSwitch && p.nextTID.ok
	if e.Payload != nil && shown.shows(e.Payload, schema.EventPayload.String()) {
		var b builder
		c := jsonCompiler{shown}
		c.members(&b, e.Payload, schema.EventPayload.String(), "", ctf.StartOf(e, schema.EventPayload))
		p.args = b.done()
	}
	return p
}

func isInteger(c schema.Class) bool {
	_, ok := c.(*schema.Integer)
	return ok
}

func isText(c schema.Class) bool {
	switch c.(type) {
	case *schema.String, *schema.Text:
		return true
	default:
		return false
	}
}

// contextField finds the first of some names in the contexts of an event.
func contextField(e *schema.Event, is func(schema.Class) bool, names ...string) optionalPlace {
	return firstField(e, is, []schema.Scope{schema.EventSpecific, schema.EventContext}, names)
}

func payloadField(e *schema.Event, is func(schema.Class) bool, names ...string) optionalPlace {
	return firstField(e, is, []schema.Scope{schema.EventPayload}, names)
}

func firstField(e *schema.Event, is func(schema.Class) bool, scopes []schema.Scope, names []string) optionalPlace {
	for _, name := range names {
		for _, s := range scopes {
			if f, ok := findMember(e.Struct(s), name, ctf.StartOf(e, s)); ok && is(f.class) {
				return optionalPlace{f, true}
			}
		}
	}
	return optionalPlace{}
}

func (w *optionalPlace) signed(e *ctf.Event) int64 { return int64(e.Words[w.at]) }

func (w *optionalPlace) text(e *ctf.Event) []byte { return ctf.TextOf(e.Bytes(e.Words[w.at]), w.class) }

// pairWords are how the names of events that begin and end something are made.
var pairWords = []struct {
	prefix     bool // else they end the name
	begin, end string
	keep       string // of the prefix
}{
	{true, "syscall_entry_", "syscall_exit_", "syscall_"},
	{false, "_entry", "_exit", ""},
	{false, ":begin", ":end", ""},
	{false, "_begin", "_end", ""},
	{false, ":entry", ":exit", ""},
}

// pairName tells what an event is by its name: the name of the slice that it
// begins or ends, or else its own.
func pairName(name string) (string, phase) {
	for _, w := range pairWords {
		cut := strings.CutSuffix
		if w.prefix {
			cut = strings.CutPrefix
		}
		if rest, ok := cut(name, w.begin); ok && rest != "" {
			return w.keep + rest, pairBegin
		}
		if rest, ok := cut(name, w.end); ok && rest != "" {
			return w.keep + rest, pairEnd
		}
	}
	return name, instant
}

// phase is what an event is on its track.
type phase uint8

const (
	instant phase = iota
	pairBegin
	pairEnd
)
