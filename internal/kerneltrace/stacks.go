// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

// held is an event that waits for the records of its stacks, which follow it.
// At a page's end the record is kept in bytes of its own.
type held struct {
	have   bool
	plan   *plan
	time   uint64
	record []byte
	stacks [numStacks][]byte

	own       []byte // what record refers to behind a page's end
	ownStacks [numStacks][]byte
}

// hold takes an event, and writes the one before as it is clear now what
// followed it.
func (c *Converter) hold(p *plan, record []byte, time uint64) {
	if c.fold(p, record) {
		return
	}
	c.release()
	h := &c.held
	h.have, h.plan, h.time, h.record = true, p, time, record
	h.stacks = [numStacks][]byte{}
}

// keepHeld copies what is held from a page that ends.
func (c *Converter) keepHeld() {
	h := &c.held
	if !h.have {
		return
	}
	h.own = append(h.own[:0], h.record...)
	h.record = h.own
	for i := range h.stacks {
		if h.stacks[i] != nil {
			h.ownStacks[i] = append(h.ownStacks[i][:0], h.stacks[i]...)
			h.stacks[i] = h.ownStacks[i]
		}
	}
}

// fold takes the record of a stack as part of the event before it. It reports
// false when it is none, or no such event came before: then it is an event.
func (c *Converter) fold(p *plan, record []byte) bool {
	h := &c.held
	if p.stack == noStack || !c.table.context.wanted[p.stack-1] {
		return false
	}
	if !h.have || h.plan.stack != noStack || h.stacks[p.stack-1] != nil ||
		len(record) < p.minLen || string(h.record[4:8]) != string(record[4:8]) {
		c.counts.OrphanStacks++
		return false
	}
	o := &p.frames
	frames := record[min(int(o.src)+int(o.at), len(record)):]
	if p.stack == kernelStack {
		frames = c.stackOf(record, int(o.src), int(o.src)+int(o.at), int(o.n))
	} else {
		frames = userFrames(frames, int(o.n))
	}
	h.stacks[p.stack-1] = frames
	return true
}

// release writes the event that was held.
func (c *Converter) release() {
	h := &c.held
	if h.have {
		h.have = false
		c.event(h.plan, h.record, h.time, &h.stacks)
	}
}
