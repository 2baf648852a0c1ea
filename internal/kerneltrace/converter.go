// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"slices"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// ConverterOptions says what a [Converter] is for.
type ConverterOptions struct {
	CPU         uint32
	PacketBytes int            // a packet that would grow above it is ended; 0: 256 KiB
	FirstPacket uint64         // number of the first packet
	Discarded   uint64         // events lost before it
	Offset      int64          // of the first packet in its file, for [ctf.PacketInfo]
	NotBefore   uint64         // no event has an earlier time: the end of the last packet before
	Layout      *ftrace.Layout // of pages; nil: [ftrace.Layout64]
	Tasks       *Tasks         // what contexts ask and forks tell; shared by all; nil: nothing known
	TID         int32          // thread of events that the kernel did not record
}

// Bounds of a packet.
const (
	defaultPacketBytes = 256 << 10
	minPacketBytes     = 4 << 10
)

// Counts says what became of the records.
type Counts struct {
	Pages         uint64
	Events        uint64 // written to packets
	UnknownEvents uint64 // of types that the table does not have
	BadRecords    uint64 // that are not as declared; some are written without a part
	Clamped       uint64 // written with a later time, as time went backwards
	Filtered      uint64 // that a filter did not keep
	OrphanStacks  uint64 // stacks without their event
	LostInRing    uint64 // by overwriting, as pages tell: a part of those lost
	Packets       uint64 // handed to the sink
	LostPackets   uint64 // that the sink did not take
}

// Converter makes packets of the pages of a ring. It is not safe for concurrent
// use; each ring, a channel on a CPU, has its own.
type Converter struct {
	table  *Table
	sink   ctf.PacketSink
	o      ConverterOptions
	layout ftrace.Layout
	limit  int // bytes of a packet

	buf  []byte // of limit bytes, or more after an event that is larger; spare bytes behind them
	pos  int    // of the next event; 0: no packet is open
	full int    // bytes that the open packet may have
	last uint64 // time: of the last event, of the end of the last packet

	begin     uint64 // of the open packet
	discarded uint64 // events, until now
	told      uint64 // of them, in packets
	seq       uint64 // of the next packet
	number    uint64 // of packets
	offset    int64

	keep   []func(record []byte) bool // by id in the trace
	counts Counts
	err    error // of the sink, in this call
	held   held

	// What quick needs.
	tasks        *Tasks // those of the options, or none
	task         taskCache
	idle         [16]byte // name of the processor's idle thread
	contexts     contextCache
	wide         []byte // a page's data with spare bytes behind them
	unfiltered   []*plan
	unfilteredOf *[]*plan // which of these they are
}

// NewConverter makes a converter. The sink gets the packets' bytes, which are
// reused after the call.
func NewConverter(t *Table, o ConverterOptions, sink ctf.PacketSink) *Converter {
	if o.PacketBytes == 0 {
		o.PacketBytes = defaultPacketBytes
	}
	c := &Converter{
		table: t, sink: sink, o: o, limit: max(o.PacketBytes, minPacketBytes), layout: ftrace.Layout64(),
		last: o.NotBefore, discarded: o.Discarded, told: o.Discarded, seq: o.FirstPacket, offset: o.Offset,
	}
	if o.Layout != nil {
		c.layout = *o.Layout
	}
	if c.tasks = o.Tasks; c.tasks == nil {
		c.tasks = new(Tasks)
	}
	c.idle = IdleName(o.CPU)
	c.buf = make([]byte, c.limit, c.limit+spare)
	c.prepare()
	return c
}

// Filter makes the converter keep those events of a type only whose record the
// function says true for; nil: all. The record begins with the kernel's event
// id, as fields' offsets count.
func (c *Converter) Filter(id uint32, keep func(record []byte) bool) {
	for len(c.keep) <= int(id) {
		c.keep = append(c.keep, nil)
	}
	c.keep[id] = keep
	c.unfilteredOf = nil
}

// Counts returns what became of the records until now.
func (c *Converter) Counts() Counts { return c.counts }

// Lose counts events that are lost, which the next packet tells.
func (c *Converter) Lose(events uint64) { c.discarded += events }

// Discarded is the number of events lost until now, as far as the converter
// knows.
func (c *Converter) Discarded() uint64 { return c.discarded }

// Last is the time of the last event or packet end: no event will have an earlier
// one.
func (c *Converter) Last() uint64 { return c.last }

// Pending reports whether there are events that no packet has yet.
func (c *Converter) Pending() bool { return c.pos > 0 || c.held.have }

// NotBefore makes events that are earlier than a time have that time: a viewer
// has been told that there are none. A packet that is open may have none either.
func (c *Converter) NotBefore(time uint64) { c.last = max(c.last, time) }

// Page converts the records of a page. The error is the sink's first, or that of
// a page that no kernel wrote; the records that can be had are converted in any
// case. A page in a buffer of [PageBuffer] is converted where it is, others are moved
// first when they are full: the spare bytes behind it are read, to no effect.
func (c *Converter) Page(b []byte) error {
	page, err := c.layout.Page(b)
	if err != nil {
		c.counts.BadRecords++
		return err
	}
	c.counts.Pages++
	c.err = nil
	if page.Lost {
		c.counts.LostInRing += page.LostEvents
		c.discarded += page.LostEvents
	}
	err = c.page(&page)
	if c.table.context.stacks {
		c.keepHeld()
	}
	if err != nil {
		c.counts.BadRecords++
		if c.err == nil {
			c.err = err
		}
	}
	return c.err
}

// page converts all records of a page.
func (c *Converter) page(page *ftrace.Page) error {
	plans, quick := *c.table.plans.Load(), c.quickPlans()
	if quick != nil {
		c.widen(page)
	}
	cursor := page.Records()
	for {
		if quick != nil {
			c.quick(quick, page.Data, &cursor)
		}
		if !cursor.Next() {
			return cursor.Err()
		}
		c.record(plans, cursor.Payload(), cursor.Time)
	}
}

// widen moves a page's data when there are not enough bytes behind it for quick.
func (c *Converter) widen(page *ftrace.Page) {
	n := len(page.Data)
	if cap(page.Data)-n >= spare {
		return
	}
	if len(c.wide) < n+spare {
		c.wide = make([]byte, n+spare)
	}
	copy(c.wide, page.Data)
	page.Data = c.wide[:n]
}

// quickPlans are the plans of those events whose records quick may convert, nil when
// there are none.
func (c *Converter) quickPlans() []*plan {
	all := c.table.plans.Load()
	switch {
	case c.table.context.stacks || c.layout.BigEndian || nativeOrder() == schema.BigEndian:
		return nil
	case len(c.keep) == 0:
		return *all
	case c.unfilteredOf != all:
		c.unfilteredOf, c.unfiltered = all, slices.Clone(*all)
		for i, p := range c.unfiltered {
			if p != nil && int(p.id) < len(c.keep) && c.keep[p.id] != nil {
				c.unfiltered[i] = nil
			}
		}
	}
	return c.unfiltered
}

// record converts a record, whatever it is.
func (c *Converter) record(plans []*plan, record []byte, time uint64) {
	if p := c.planOf(plans, record); p == nil {
		return
	} else if c.table.context.stacks {
		c.hold(p, record, time)
	} else {
		c.event(p, record, time, nil)
	}
}

// planOf returns the plan of a record's event, nil when there is none.
func (c *Converter) planOf(plans []*plan, record []byte) *plan {
	if len(record) < recordHead {
		c.counts.BadRecords++
		return nil
	}
	id := int(binary.NativeEndian.Uint16(record))
	if id >= len(plans) || plans[id] == nil {
		c.counts.UnknownEvents++
		return nil
	}
	return plans[id]
}

// event writes an event. Stacks are those that follow it, nil when no context
// asks.
func (c *Converter) event(p *plan, record []byte, time uint64, stacks *[numStacks][]byte) {
	if len(record) < p.minLen || time >= maxTime {
		c.counts.BadRecords++
		return
	}
	if p.feed.kind != feedNothing { // also by what is not kept
		c.learn(p, record, time)
	}
	if !c.keeps(p, record, time) {
		c.counts.Filtered++
		return
	}
	if time < c.last {
		time = c.last
		c.counts.Clamped++
	}
	most := p.room + p.dynamic*len(record)
	if stacks != nil {
		most += len(stacks[0]) + len(stacks[1])
	}
	if c.pos == 0 || most > c.full-c.pos {
		c.makeRoom(time, most)
	}
	pos := c.header(p.id, time, record)
	if c.table.context.ops != nil {
		pos = c.putContexts(pos, record, stacks, c.last)
	}
	p.fixedBytes(c.buf[pos:], record, record)
	c.pos = c.steps(p, pos+p.fixed, record)
	c.counts.Events++
}

// keeps reports whether a record is to be written.
func (c *Converter) keeps(p *plan, record []byte, time uint64) bool {
	if int(p.id) >= len(c.keep) || c.keep[p.id] == nil {
		return true
	}
	c.tasks.reach(time) // a filter may ask
	return c.keep[p.id](record)
}
