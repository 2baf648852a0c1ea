// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// Follow implements source.Follower. Where a rule may choose events that are to
// come, those that have come are declared, told and enabled; those that are gone
// are forgotten, so that they are new when they come again.
func (t *trace) Follow() error {
	if t.watch == nil || !slices.ContainsFunc(t.channels, (*channel).open) {
		t.watch = nil
		return nil
	}
	added, removed, err := t.watch.Changes()
	if err != nil || len(added)+len(removed) == 0 {
		return err
	}
	return t.change(slices.DeleteFunc(added, isProbe), removed)
}

// watchEvents begins to watch for events, before a rule that may choose those to
// come chooses among those that there are.
func (t *trace) watchEvents() error {
	if t.watch != nil {
		return nil
	}
	w, err := t.fs.Watch()
	if err != nil {
		return err
	}
	t.watch = w
	return nil
}

// change has all rules choose among events that may be new to them.
func (t *trace) change(added, removed []tracefs.EventName) error {
	t.s.forgetFormats(removed)
	for _, c := range t.channels {
		for _, ru := range c.rules {
			if !ru.open() {
				continue
			}
			c.leave(ru, removed)
			fresh, err := t.own(choose(added, ru.of, t.naming), ru.of)
			if err != nil {
				return err
			}
			fresh = slices.DeleteFunc(fresh, func(n tracefs.EventName) bool { return slices.Contains(ru.events, n) })
			if len(fresh) == 0 {
				continue
			}
			if err := c.join(ru, fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

// own leaves probes out of all events: they are somebody's, who could not remove
// them while they are recorded. Those who want them name them.
func (t *trace) own(events []tracefs.EventName, r *agent.EventRule) ([]tracefs.EventName, error) {
	if r.Type != agent.AllEvents {
		return events, nil
	}
	probes, err := t.fs.Probes("")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(events, func(n tracefs.EventName) bool { return slices.Contains(probes, n) }), nil
}

// open reports whether a rule may choose events that are to come.
func (c *channel) open() bool { return slices.ContainsFunc(c.rules, (*rule).open) }

func (r *rule) open() bool { return isOpen(r.of) }

func isOpen(r *agent.EventRule) bool {
	switch r.Type {
	case agent.AllEvents:
		return true
	case agent.Tracepoint, agent.Syscall:
		return strings.Contains(r.Pattern, "*")
	}
	return false
}

// join lets a rule have more events. Those that it cannot have are told and left
// out.
func (c *channel) join(ru *rule, fresh []tracefs.EventName) error {
	log := c.t.s.log.With("session", c.t.info.Name, "channel", c.name)
	if err := c.declare(fresh); err != nil {
		return err
	}
	if ru.of.Enabled {
		of := *ru.of // which says of all its events who decides
		fresh = slices.DeleteFunc(fresh, func(n tracefs.EventName) bool {
			_, err := c.filter(&rule{of: &of, events: []tracefs.EventName{n}})
			if err != nil {
				log.Warn("event that has come is not recorded", "event", n, "err", err)
			}
			return err != nil
		})
		refused, err := c.enable(fresh)
		if err != nil {
			return err
		}
		for _, e := range refused {
			log.Warn("event that has come is not recorded", "event", e.Event, "err", e)
		}
		ru.took(nil, refused)
	}
	ru.events = append(ru.events, fresh...)
	ru.took(fresh, nil)
	log.Info("events have come", "rule", ru.of.Pattern, "events", len(fresh))
	return nil
}

// leave takes events that are gone from a rule. The kernel has disabled them.
func (c *channel) leave(ru *rule, removed []tracefs.EventName) {
	ru.events = slices.DeleteFunc(ru.events, func(n tracefs.EventName) bool {
		if !slices.Contains(removed, n) {
			return false
		}
		if ru.of.Enabled {
			c.users[n]--
		}
		ru.of.Matches--
		delete(c.filtered, n)
		return true
	})
}
