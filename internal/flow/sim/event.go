// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Recorder takes what a simulation does, step by step. An event is reused: a recorder
// that keeps it copies it. What its pointers and slices hold does not change.
type Recorder interface {
	Record(e *Event)
}

// FilterObserver is a Recorder that is told of every filter that a packet reaches,
// also of devices and ports that have no chain for it.
type FilterObserver interface {
	Reached(s Stage)
}

// Stage is a filter of a device or a port.
type Stage struct {
	Owner topology.ID
	Port  bool
	Dir   Direction
	Chain bool // there is a chain
}

// Kind is what an event tells.
type Kind uint8

// Kinds of events of a simulation.
const (
	EventStart Kind = iota
	EventRestart
	EventPortIn
	EventPortOut
	EventChain
	EventRule
	EventBridge
	EventLearn
	EventRoute
	EventARP
	EventConntrack
	EventICMP
	EventGenerated
	EventResult
)

var kindNames = [...]string{
	"start", "restart", "port-in", "port-out", "chain", "rule", "bridge", "learn", "route", "arp", "conntrack", "icmp", "generated", "result",
}

func (k Kind) String() string { return kindNames[k] }

// Direction is the way of a packet at a device or port.
type Direction uint8

// Directions.
const (
	In Direction = iota
	Out
)

func (d Direction) String() string { return [...]string{"in", "out"}[d] }

// Event is a step of a simulation. Which fields it has depends on its kind.
type Event struct {
	Kind Kind
	Run  int

	Port   topology.ID // port-in, port-out, bridge, learn, icmp, generated, arp: where requests go
	Device topology.ID // all but start and restart
	Chain  topology.ID // chain, rule, result: of the rule that decided
	Rule   topology.ID // rule, result
	Route  topology.ID // route

	Dir        Direction // chain
	Exterior   bool      // port-in, port-out
	Interior   bool
	Matched    bool              // rule
	Applied    bool              // rule, and of conntrack whether the flow is a return flow
	Name       string            // chain and rule: of the chain; route: its destination
	Position   int               // rule, result
	RuleType   topology.RuleType // rule
	Result     string            // rule, bridge, learn, route, arp; chain: a warning
	Reason     Reason            // result, restart
	Outcome    Outcome           // result
	Candidates int               // route
	MAC        packet.MAC        // bridge, learn, arp
	VLAN       uint16            // bridge, learn
	Addr       packet.IPv4       // route: destination, arp
	Code       [2]uint8          // icmp: type and code
	Key        ConnKey           // conntrack
	Request    topology.ID       // restart

	Before, After Binding       // rule that translates
	Allocated     bool          // rule that translates: the packet is the first of its connection
	Match         *packet.Match // start, result: of the first output, or where it ended
	Orig          *packet.Match // result
	Outputs       []Output      // result
	Frame         []byte        // start: the begin
	Length        int           // start
	Interface     string        // start
}

// record hands an event to the recorder, if there is one.
func (c *Context) record(e Event) {
	e.Run = c.runs
	c.event = e
	c.log.Record(&c.event)
}

// recordedBytes is how much of a frame an event of its start holds.
const recordedBytes = 128

func (c *Context) recordStart() {
	m := c.orig
	e := Event{Kind: EventStart, Match: &m, Length: len(c.frame), Frame: append([]byte(nil), c.frame[:min(len(c.frame), recordedBytes)]...)}
	if c.start != nil {
		e.Port, e.Device, e.Interface = c.start.id, c.start.device, c.start.src.Interface
	}
	c.record(e)
}

func (c *Context) recordResult(o Outcome) {
	orig, now := c.orig, c.match
	e := Event{
		Kind: EventResult, Outcome: o, Orig: &orig, Match: &now, Outputs: append([]Output(nil), c.outputs...),
	}
	if len(c.outputs) > 0 {
		*e.Match = c.outputs[0].Match
	}
	if o != Forward {
		e.Reason, e.Device = c.decided.Reason, c.decided.Device
		e.Chain, e.Rule, e.Position = c.decided.Chain, c.decided.Rule, c.decided.Position
	}
	c.record(e)
}
