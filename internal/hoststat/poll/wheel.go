// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import "time"

// wheelSlots is in how many parts the period is cut. The hosts of a slot are asked
// together: a wake-up serves many.
const wheelSlots = 5

// sweepPeriod is how exactly deadlines are kept.
const sweepPeriod = 500 * time.Millisecond

// place puts the hosts into the slots of their phases.
func (c *Cluster) place() {
	for i := range c.wheel {
		c.wheel[i] = c.wheel[i][:0]
	}
	for _, h := range c.hosts {
		at := int(h.phase % wheelSlots)
		if c.cfg.Sync {
			at = 0
		}
		c.wheel[at] = append(c.wheel[at], h)
	}
}

// advance serves the slots whose time has come, and sets the timer for the next.
// The turn goes by its own time: a loop that was late is not late for ever.
func (c *Cluster) advance() {
	grain := c.delay / wheelSlots
	now := time.Now()
	if now.Sub(c.turn) > 2*c.delay { // the machine slept
		c.turn, c.slot = now, 0
	}
	for {
		at := c.turn.Add(time.Duration(c.slot) * grain)
		if at.After(now) && (len(c.wheel[c.slot]) > 0 || c.slot == 0) {
			c.tick = c.loop.After(at.Sub(now), c.advance)
			return
		}
		for _, h := range c.wheel[c.slot] {
			c.serve(h, now)
		}
		if c.slot++; c.slot == wheelSlots {
			c.turn, c.slot = c.turn.Add(c.delay), 0
		}
	}
}

// serve does what is to be done for a host once a period.
func (c *Cluster) serve(h *Host, now time.Time) {
	if !h.answered {
		c.silent(h, now)
	}
	h.answered = false
	if !c.request(h) {
		return
	}
	if len(c.asked) == 0 {
		c.loop.After(gatherTime, c.gather)
	}
	c.asked = append(c.asked, h.link)
}

// gatherTime is how long after a slot's requests its answers are read. Nearly all
// are there by then, so that they take a system call each, and no wake-up and no
// change of what is watched. The loop tells of the others when they come.
const gatherTime = 10 * time.Millisecond

// gather reads the answers of those that were asked together.
func (c *Cluster) gather() {
	asked := c.asked
	c.asked = c.spare[:0]
	for _, l := range asked {
		if l.h.link == l && l.awaiting && !l.watched {
			l.read()
		}
	}
	clear(asked)
	c.spare = asked
}

// silent notes a period in which a host has told nothing.
func (c *Cluster) silent(h *Host, now time.Time) {
	c.mu.Lock()
	if h.history != nil && h.messages > 0 {
		var row [headlines]float32
		for i := range row {
			row[i] = float32(missing)
		}
		h.history.push(now, &row, max(0, c.cfg.Points), max(0, c.cfg.Minutes))
	}
	h.values[Late]++
	state, last, delay := h.state, h.lastData, c.delay
	c.mu.Unlock()
	switch {
	case state != OK && state != Overdue && state != Stale:
	case now.Sub(last) > 3*delay:
		c.setState(h, Stale, "no data")
	case h.link != nil && h.link.awaiting:
		c.setState(h, Overdue, "has not answered yet")
	}
	c.judge(h, now)
}

// sweep looks for deadlines that have passed.
func (c *Cluster) sweep() {
	now := time.Now()
	for _, h := range c.hosts {
		if h.deadline.IsZero() || now.Before(h.deadline) {
			continue
		}
		h.deadline = time.Time{}
		if h.link == nil {
			c.enqueue(h)
			continue
		}
		what := "no answer in time"
		if !h.link.open {
			what = "no connection in time"
		}
		c.fail(h, Down, what)
	}
	c.loop.After(sweepPeriod, c.sweep)
}

// patience is how long a host may take to answer.
func (c *Cluster) patience() time.Duration {
	return min(max(2*c.delay, 2*time.Second), 30*time.Second)
}
