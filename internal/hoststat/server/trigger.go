// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// maxTriggers bounds the triggers of a session: each is a file of the kernel's.
const maxTriggers = 8

// trigger sets a trigger up, or ends all. One that is there already stays as it is.
func (c *session) trigger(cmd *xmlsysd.Command) error {
	if !cmd.On {
		c.endTriggers()
		return nil
	}
	words := cmd.Trigger.String()
	for _, t := range c.triggers {
		if t.ID() == words {
			return nil
		}
	}
	if len(c.triggers) == maxTriggers {
		return &xmlsysd.CommandError{Code: xmlsysd.CodeLimit, Arg: words, Reason: "more than 8 triggers"}
	}
	t, err := c.server.engine.NewTrigger(cmd.Trigger, c.fire)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			c.log.Warn("no pressure stall trigger", "err", err)
		}
		return &xmlsysd.CommandError{Code: xmlsysd.CodeDenied, Arg: words, Reason: err.Error()}
	}
	c.triggers = append(c.triggers[:len(c.triggers):len(c.triggers)], t) // a query may have the old ones
	c.query = nil
	return nil
}

// endTriggers ends all triggers.
func (c *session) endTriggers() {
	for _, t := range c.triggers {
		t.Close()
	}
	c.triggers, c.query = nil, nil
}

// fire has a message sent: it ends the wait of the session. Another goroutine calls
// it.
func (c *session) fire() {
	c.fired.Store(true)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // what has no deadline hears of it with its next command
}

// fireDue sends a message if a trigger has fired.
func (c *session) fireDue() error {
	if !c.fired.Swap(false) || len(c.triggers) == 0 {
		return nil
	}
	err := c.sample(&c.main)
	c.heard = time.Now()
	return err
}

// pushes reports whether messages come without being asked for.
func (c *session) pushes() bool { return c.push.on() || len(c.triggers) > 0 }
