// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"sync"

	"github.com/weir-io/weir/ctf/schema"
)

// streamPlan decodes the packets and events of a stream class. It is safe for
// concurrent use: event plans are made when first asked for.
type streamPlan struct {
	// Immutable after newStreamPlan.
	class     *schema.Stream
	refs      *refTable // of packet header, packet context and event header
	header    *block
	context   *block
	event     *block // event header
	headerEnd residue
	shape     headerShape
	short     shortHeader
	roles     [schema.NumRoles]bool // of packet header, packet context and event header
	endSize   uint8                 // bits of timestamp_end, 0: none

	mu     sync.Mutex // guards what follows
	events map[uint64]*eventPlan
}

// eventPlan decodes the scopes of an event class behind its header.
type eventPlan struct {
	class      *schema.Event
	body       *block // common context, specific context and payload, one behind the other
	start      [schema.NumScopes]int
	straight   *straight // the body in another form, nil: it has none
	legs       []leg     // of that, when they are all that there is to decode
	refs       int       // values to keep
	needHeader bool      // a field refers to the event header
}

// newStreamPlan makes the plans of a stream class.
func newStreamPlan(class *schema.Stream) *streamPlan {
	p := &streamPlan{class: class, refs: newRefTable(), events: map[uint64]*eventPlan{}}
	// Any field of these scopes may be referred to by event classes that come later.
	c := &compiler{refs: p.refs, all: true}
	for _, s := range [...]schema.Scope{schema.PacketHeader, schema.PacketContext, schema.EventHeader} {
		collectRefs(class.Struct(s), func(r *schema.Ref) { p.refs.of(r) })
	}
	var at residue
	p.header, at = c.compileScope(schema.PacketHeader, class.Trace.PacketHeader, packetStart)
	p.context, _ = c.compileScope(schema.PacketContext, class.PacketContext, at)
	p.event, p.headerEnd = c.compileScope(schema.EventHeader, class.EventHeader, residue{1, 0})
	p.roles = c.role
	p.shape = shapeOf(class.EventHeader)
	p.short = shortHeaderOf(p.shape)
	if p.shape != generalHeader {
		p.headerEnd = byteBoundary
	}
	p.endSize = endSize(class.PacketContext)
	return p
}

// eventPlan returns the plan of an event class, nil when there is no class with
// the id.
func (p *streamPlan) eventPlan(id uint64) *eventPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.events[id]; e != nil {
		return e
	}
	class := p.class.Event(id)
	if class == nil {
		return nil
	}
	e := p.compileEvent(class)
	p.events[id] = e
	return e
}

func (p *streamPlan) compileEvent(class *schema.Event) *eventPlan {
	e := &eventPlan{class: class, body: &block{}}
	c := &compiler{refs: p.refs.clone(), out: e.body, run: -1, at: p.headerEnd}
	for _, s := range bodyScopes {
		collectRefs(class.Struct(s), func(r *schema.Ref) {
			c.refs.of(r)
			e.needHeader = e.needHeader || r.Scope == schema.EventHeader
			if r.Others != nil && r.Scope <= schema.EventHeader {
				c.latest(r, p.refs)
			}
		})
	}
	for _, s := range bodyScopes {
		e.start[s] = e.body.width
		c.addScope(s, class.Struct(s))
	}
	c.breakRun()
	e.refs = c.refs.len()
	e.straight = straighten(e.body)
	if e.straight != nil && e.straight.rest == nil && !e.needHeader {
		e.legs = e.straight.legs
	}
	return e
}

var bodyScopes = [...]schema.Scope{schema.EventContext, schema.EventSpecific, schema.EventPayload}

// collectRefs calls f for each reference to another field within a class.
func collectRefs(class schema.Class, f func(*schema.Ref)) {
	one := func(r *schema.Ref) {
		if r != nil {
			f(r)
		}
	}
	switch c := class.(type) {
	case *schema.Struct:
		for i := 0; c != nil && i < len(c.Members); i++ {
			collectRefs(c.Members[i].Class, f)
		}
	case *schema.Text:
		one(c.LengthRef)
	case *schema.Blob:
		one(c.LengthRef)
	case *schema.Array:
		one(c.LengthRef)
		collectRefs(c.Element, f)
	case *schema.Variant:
		one(c.Tag)
		for i := range c.Options {
			collectRefs(c.Options[i].Class, f)
		}
	case *schema.Optional:
		one(c.Selector)
		collectRefs(c.Class, f)
	}
}

// endSize returns the bits of the integer with the role timestamp_end.
func endSize(context *schema.Struct) uint8 {
	if context == nil {
		return 0
	}
	for i := range context.Members {
		if c, ok := context.Members[i].Class.(*schema.Integer); ok && c.Role == schema.RoleTimestampEnd {
			if c.Variable {
				return 64
			}
			return c.Size
		}
	}
	return 0
}
