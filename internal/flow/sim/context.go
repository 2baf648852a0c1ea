// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// MaxDevices is the number of ports that a copy of a packet enters at most.
const MaxDevices = 12

// maxEntered is the number of ports that all copies of a packet enter at most. A mesh
// of VLAN-aware bridges would multiply them with every step otherwise.
const maxEntered = 4096

// Context is the simulation of one frame. It belongs to one worker, which uses it for
// one frame after the other.
type Context struct {
	// NewTraceID makes the identifier of a traced flow. Needed where there are trace
	// rules.
	NewTraceID func() topology.ID
	// Random picks one of n for translations of destinations; nil is the first.
	Random func(n int) int
	// Recorder takes records of traced packets; nil is none.
	Recorder Recorder
	// RecordAll records every packet, traced or not.
	RecordAll bool

	state *State
	net   *Network

	// The packet, the same in all runs.
	frame    []byte
	orig     packet.Match
	startID  topology.ID
	start    *port // where it enters; nil if it is gone
	made     bool  // by a device: it begins at the egress of start
	now      Instant
	traceID  topology.ID
	requests []topology.ID // that have taken the packet
	tracing  bool
	runs     int
	gaveUp   Neighbour // that did not answer

	// The present run.
	match        packet.Match // as rewritten so far
	pre          packet.Match // as it entered the current router
	inPort       *port
	outPort      *port
	entry        *port // the exterior port where it entered
	device       topology.ID
	dstRewritten bool
	entered      int           // ports, by this copy
	enteredAll   int           // ports, by all copies
	path         []topology.ID // ports and devices
	answering    bool          // filters look at an answer of a router
	conn         connState
	writes       []natWrite
	decided      Decision   // the last
	ends         []Decision // of all copies
	wait         Wait
	uncached     bool

	// Results.
	tags      []Tag
	stateTags []NATKey
	outputs   []Output
	generated []Generated
	arena     []byte // of generated frames

	visited []*chain // by the present evaluation
	scratch []byte
	log     Recorder // nil where nothing is recorded
	event   Event
}

// Output is a copy of the packet that leaves by an exterior port.
type Output struct {
	Port  *topology.Port
	Match packet.Match
}

// Generated is a frame that a device made. It leaves by a port: simulate it with
// Egress.
type Generated struct {
	Port       topology.ID
	Frame      []byte // valid until the next run
	begin, end int
}

// Decision is what ended a packet, and the rule if it was one.
type Decision struct {
	Reason   Reason
	Device   topology.ID // device or port
	Chain    topology.ID
	Rule     topology.ID
	Position int
}

// Wait is what a packet that is not yet forwarded waits for.
type Wait struct {
	Reason    Reason
	Neighbour Neighbour
	Port      topology.ID // by which it is asked for
}

// NewContext returns a Context of a worker.
func NewContext(s *State) *Context { return &Context{state: s} }

// Ingress begins the simulation of a frame that enters by an exterior port. The frame
// must not change until the results have been used.
func (c *Context) Ingress(n *Network, frame []byte, port topology.ID, now Instant) error {
	return c.begin(n, frame, port, now, false)
}

// Egress begins the simulation of a frame that a device made, which leaves by a port.
func (c *Context) Egress(n *Network, frame []byte, port topology.ID, now Instant) error {
	return c.begin(n, frame, port, now, true)
}

func (c *Context) begin(n *Network, frame []byte, port topology.ID, now Instant, made bool) error {
	c.net, c.frame, c.startID, c.start, c.now, c.made = n, frame, port, n.ports[port], now, made
	c.traceID, c.requests, c.tracing, c.runs = topology.ID{}, c.requests[:0], false, 0
	c.gaveUp = Neighbour{}
	return c.orig.Parse(frame)
}

// Resume goes on with a packet that was not yet forwarded, on a network that may be
// newer. Run follows.
func (c *Context) Resume(n *Network, now Instant) {
	c.start = n.ports[c.startID]
	c.net, c.now = n, now
}

// GiveUp says that what the packet waits for does not answer. The next Run drops it.
func (c *Context) GiveUp() { c.gaveUp = c.wait.Neighbour }

// Run simulates the packet. After NotYet it may be called again.
func (c *Context) Run() Outcome {
	for {
		o := c.run()
		if o == restart {
			c.abandon()
			continue
		}
		if o == NotYet {
			c.abandon()
			if c.log != nil {
				c.record(Event{Kind: EventRestart, Reason: c.wait.Reason, Device: c.wait.Neighbour.Router, Addr: c.wait.Neighbour.Addr, Port: c.wait.Port})
			}
			c.tracing = false
			return o
		}
		c.conclude(o)
		return o
	}
}

// run is one simulation from the start.
func (c *Context) run() Outcome {
	c.runs++
	c.match, c.pre = c.orig, c.orig
	c.inPort, c.outPort, c.entry, c.device, c.dstRewritten = nil, nil, nil, topology.ID{}, false
	c.entered, c.enteredAll, c.path, c.conn, c.writes = 0, 0, c.path[:0], connState{}, c.writes[:0]
	c.decided, c.ends, c.wait, c.uncached = Decision{}, c.ends[:0], Wait{}, false
	c.tags, c.stateTags, c.outputs, c.generated, c.arena = c.tags[:0], c.stateTags[:0], c.outputs[:0], c.generated[:0], c.arena[:0]
	c.log = nil
	if c.Recorder != nil && (c.tracing || c.RecordAll) && !c.made {
		c.log = c.Recorder
		c.recordStart()
	}
	switch {
	case c.start == nil:
		return c.end(ErrorDrop, ReasonPortGone, c.startID)
	case c.made:
		c.device = c.start.device
		return c.egress(c.start)
	default:
		return c.ingress(c.start)
	}
}

// conclude makes the results those of the packet.
func (c *Context) conclude(o Outcome) {
	if o == ErrorDrop {
		c.abandon()
		c.tags = c.tags[:0]
	} else {
		if o == ShortDrop {
			c.tags = c.tags[:0]
		}
		c.commit()
	}
	if c.log != nil {
		c.recordResult(o)
	}
}

// end notes why a packet ends here.
func (c *Context) end(o Outcome, r Reason, device topology.ID) Outcome {
	c.decide(Decision{Reason: r, Device: device})
	return o
}

// decide notes what ended a copy of the packet.
func (c *Context) decide(d Decision) {
	c.decided = d
	c.ends = append(c.ends, d)
}

// generate has a frame leave by a port, once the simulation has ended. The frame was
// appended to the arena behind begin.
func (c *Context) generate(p *port, begin int) {
	c.generated = append(c.generated, Generated{Port: p.id, begin: begin, end: len(c.arena)})
	if c.log != nil {
		c.record(Event{Kind: EventGenerated, Port: p.id, Device: p.device})
	}
}

// Outputs are the copies that leave, in order. Valid until the next begin.
func (c *Context) Outputs() []Output { return c.outputs }

// AppendFrame appends the frame of an output.
func (c *Context) AppendFrame(b []byte, o *Output) []byte {
	return packet.AppendRewritten(b, c.frame, &c.orig, &o.Match)
}

// Generated are the frames that devices made.
func (c *Context) Generated() []Generated {
	for i := range c.generated {
		g := &c.generated[i]
		g.Frame = c.arena[g.begin:g.end:g.end]
	}
	return c.generated
}

// Tags are the objects that the flow depends on. Those of errors, which live for
// seconds only, are left out.
func (c *Context) Tags() []Tag { return c.tags }

// StateTags are the keys of connections and translations that the flow depends on.
func (c *Context) StateTags() []NATKey { return c.stateTags }

// Decided is what ended the packet if it was not forwarded.
func (c *Context) Decided() Decision { return c.decided }

// Ends are what ended each copy of the packet that was not forwarded.
func (c *Context) Ends() []Decision { return c.ends }

// Waiting is what the packet waits for after NotYet.
func (c *Context) Waiting() Wait { return c.wait }

// Runs is the number of starts of this packet's simulation.
func (c *Context) Runs() int { return c.runs }

// Traced returns the identifier of the flow and the requests that trace it.
func (c *Context) Traced() (flow topology.ID, requests []topology.ID) { return c.traceID, c.requests }

// Match is the packet's headers as received.
func (c *Context) Match() *packet.Match { return &c.orig }

// branch is what a copy of a packet may change, and the next copy starts from.
type branch struct {
	match, pre      packet.Match
	inPort, outPort *port
	entry           *port
	device          topology.ID
	dstRewritten    bool
	entered, path   int
}

// fork keeps what the next copy starts from.
func (c *Context) fork(b *branch) {
	*b = branch{c.match, c.pre, c.inPort, c.outPort, c.entry, c.device, c.dstRewritten, c.entered, len(c.path)}
}

// join goes back to where a copy was made.
func (c *Context) join(b *branch) {
	c.match, c.pre, c.inPort, c.outPort, c.entry = b.match, b.pre, b.inPort, b.outPort, b.entry
	c.device, c.dstRewritten, c.entered, c.path = b.device, b.dstRewritten, b.entered, c.path[:b.path]
}

// isTraced reports whether a request has taken the packet.
func (c *Context) isTraced(request topology.ID) bool { return slices.Contains(c.requests, request) }
