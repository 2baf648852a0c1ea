// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "time"

// push is what "every" has asked for. The zero value is nothing.
type push struct {
	period time.Duration // 0: off
	next   time.Time     // when a message is due
	left   int           // messages; below 0: no end
}

func (p *push) on() bool { return p.period > 0 }

// start asks for a message now and then on a period, count in all; 0: no end.
func (p *push) start(now time.Time, period time.Duration, count int) {
	if count == 0 {
		count = -1
	}
	*p = push{period: period, next: now, left: count}
}

// take reports whether a message is due, and if so counts it. Periods that have
// passed unused, of a client that was slow, are not made up for.
func (p *push) take(now time.Time) bool {
	if !p.on() || now.Before(p.next) {
		return false
	}
	missed := now.Sub(p.next) / p.period
	p.next = p.next.Add((missed + 1) * p.period)
	if p.left > 0 {
		if p.left--; p.left == 0 {
			*p = push{}
		}
	}
	return true
}

// pushRest sends what is left of a counted number of messages to a client that has
// nothing more to say: they were asked for before.
func (c *session) pushRest() error {
	for c.push.on() && c.push.left > 0 && c.push.period <= c.server.o.IdleTimeout {
		t := time.NewTimer(time.Until(c.push.next))
		select {
		case <-t.C:
		case <-c.stopped:
			t.Stop()
			return nil
		}
		if err := c.pushDue(); err != nil {
			return err
		}
	}
	return nil
}

// pushDue sends a message if one is due.
func (c *session) pushDue() error {
	if !c.push.take(time.Now()) {
		return nil
	}
	err := c.sample(&c.main)
	c.heard = time.Now()
	return err
}
