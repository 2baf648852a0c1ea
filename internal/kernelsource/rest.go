// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// Rest implements source.Resting: a stopped channel's events cost each thread
// that comes by a fifth of what recording does, until they are disabled.
func (c *channel) Rest() error {
	if c.resting && !c.stirred {
		return nil
	}
	refused, err := c.instance.DisableEvents(c.used())
	if err != nil {
		return err
	}
	c.resting, c.stirred = true, false
	return joinRefused(refused)
}

// wake enables what Rest has disabled.
func (c *channel) wake() error {
	if !c.resting {
		return nil
	}
	refused, err := c.instance.EnableEvents(c.used())
	if err != nil {
		return err
	}
	c.resting = false
	for _, e := range refused {
		c.t.s.log.Warn("event is not recorded", "session", c.t.info.Name, "event", e.Event, "err", e)
	}
	return nil
}

// used are the events that rules want.
func (c *channel) used() (events []tracefs.EventName) {
	for n, users := range c.users {
		if users > 0 {
			events = append(events, n)
		}
	}
	return events
}

func joinRefused(refused []*tracefs.EventError) error {
	var errs []error
	for _, e := range refused {
		if !errors.Is(e, tracefs.ErrNoEvent) { // its module is gone
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}
