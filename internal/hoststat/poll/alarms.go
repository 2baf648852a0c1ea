// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/xmlsysd"
)

// SetAlarms changes the alarms, and the triggers of those about stalls. One whose
// words are as before goes on as it was; one that fires and is not there any more
// ends. Sessions go on, with another selection.
func (c *Cluster) SetAlarms(rules []alarm.Rule, triggers []xmlsysd.Trigger) {
	c.post(func() {
		now := time.Now()
		var events []Event
		c.mu.Lock()
		for _, h := range c.hosts {
			events = append(events, h.take(rules, now)...)
		}
		c.rules = rules
		c.keep(events)
		c.mu.Unlock()
		c.triggers = newTriggers(triggers)
		c.want = c.base | wantOf(rules)
		c.replan()
		c.tell(events)
		c.change()
	})
}

// SetMask changes which processes are asked for, as the command task has it; "" for
// those that do something.
func (c *Cluster) SetMask(mask string) {
	c.post(func() {
		if c.mask != mask {
			c.mask = mask
			c.replan()
		}
	})
}

// replan has all sessions begin anew with their next request.
func (c *Cluster) replan() {
	clear(c.plans)
	for _, h := range c.hosts {
		if h.link != nil {
			h.link.begun = false
		}
	}
}

// take replaces the rules of a host. It returns an event for each alarm that ends
// with its rule. The cluster's lock is held.
func (h *Host) take(rules []alarm.Rule, now time.Time) (ended []Event) {
	alarms := make([]alarm.Status, len(rules))
	for i := range h.rules {
		old, found := &h.rules[i], false
		for k := range rules {
			if rules[k].Same(old) {
				alarms[k], found = h.alarms[i], true
			}
		}
		if !found && h.alarms[i].State == alarm.Firing {
			ended = append(ended, Event{Time: now, Host: h.Name, Rule: old, State: alarm.OK, Value: missing})
		}
	}
	h.rules, h.alarms = rules, alarms
	h.counters.fired = nil // of triggers, which may be others
	return ended
}

// judge steps the alarms of a host.
func (c *Cluster) judge(h *Host, now time.Time) {
	if len(c.rules) == 0 {
		return
	}
	var events []Event
	c.mu.Lock()
	values := h.Values()
	for i := range h.rules {
		rule := &h.rules[i]
		if !rule.Step(&h.alarms[i], now, values) {
			continue
		}
		e := Event{Time: now, Host: h.Name, Rule: rule, State: h.alarms[i].State, Value: missing}
		if uses := rule.When.Uses(); len(uses) > 0 {
			e.Value = values[uses[0]]
		}
		events = append(events, e)
	}
	c.keep(events)
	c.mu.Unlock()
	c.tell(events)
}

// keep appends events to the log, the cluster's lock held.
func (c *Cluster) keep(events []Event) {
	c.log = append(c.log, events...)
	if len(c.log) > maxLog {
		c.log = append(c.log[:0], c.log[len(c.log)-maxLog:]...)
	}
}

// tell hands events on.
func (c *Cluster) tell(events []Event) {
	if c.cfg.OnAlarm == nil {
		return
	}
	for _, e := range events {
		c.cfg.OnAlarm(e)
	}
}
