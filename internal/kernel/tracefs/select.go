// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Enable enables an event.
func (in *Instance) Enable(n EventName) error { return in.enable(n, true) }

// Disable disables an event. Its filter stays.
func (in *Instance) Disable(n EventName) error { return in.enable(n, false) }

func (in *Instance) enable(n EventName, on bool) error {
	return in.writeEvent(n, "enable", flag(on), verb(on), 0)
}

// EnableSystem enables all events of a system.
func (in *Instance) EnableSystem(system string) error { return in.enableSystem(system, true) }

// DisableSystem disables all events of a system.
func (in *Instance) DisableSystem(system string) error { return in.enableSystem(system, false) }

func (in *Instance) enableSystem(system string, on bool) error {
	if err := CheckName("system", system); err != nil {
		return err
	}
	err := in.set(eventsDir+"/"+system+"/enable", flag(on))
	if missing(err) && !errors.Is(err, ErrNoInstance) {
		return &EventError{Event: EventName{system, "*"}, Op: verb(on), Err: ErrNoEvent}
	}
	return err
}

// EnableAll enables every event that can be enabled, somewhat faster than one
// after the other: 0.18 s instead of 0.23 s for 2305 events.
func (in *Instance) EnableAll() error { return in.set(eventsDir+"/enable", "1") }

// DisableAll disables every event.
func (in *Instance) DisableAll() error { return in.set(eventsDir+"/enable", "0") }

// EnableEvents enables events. It goes on after one that is refused and returns an
// EventError for each of these; err is for all of them.
//
// It does not use set_event, which takes a list: that is slower (0.27 s for all),
// and says EINVAL whatever the reason.
func (in *Instance) EnableEvents(events []EventName) (refused []*EventError, err error) {
	return in.enableEvents(events, true)
}

// DisableEvents is the opposite of EnableEvents.
func (in *Instance) DisableEvents(events []EventName) (refused []*EventError, err error) {
	return in.enableEvents(events, false)
}

func (in *Instance) enableEvents(events []EventName, on bool) (refused []*EventError, err error) {
	for _, n := range events {
		err := in.enable(n, on)
		var one *EventError
		switch {
		case err == nil:
		case errors.Is(err, ErrNoInstance), errors.Is(err, os.ErrClosed):
			return refused, err
		case errors.As(err, &one):
			refused = append(refused, one)
		default: // the name
			refused = append(refused, &EventError{Event: n, Op: verb(on), Err: err})
		}
	}
	return refused, nil
}

// Enabled lists the events that are enabled.
func (in *Instance) Enabled() ([]EventName, error) {
	b, err := in.fs.read(in.dir+"/set_event", nil)
	if err != nil {
		return nil, in.lost(err)
	}
	return parseEvents(string(b))
}

// AddTrigger adds a trigger to an event, such as stacktrace or traceoff. It
// works from then on, also while the event is disabled.
func (in *Instance) AddTrigger(n EventName, trigger string) error {
	return in.trigger(n, trigger, "add trigger "+trigger+" to")
}

// RemoveTrigger removes what AddTrigger added.
func (in *Instance) RemoveTrigger(n EventName, trigger string) error {
	return in.trigger(n, "!"+trigger, "remove trigger "+trigger+" from")
}

func (in *Instance) trigger(n EventName, text, op string) error {
	if strings.TrimLeft(text, "! ") == "" || strings.ContainsAny(text, "\n\x00") {
		return &EventError{Event: n, Op: op, Err: unix.EINVAL}
	}
	// O_APPEND: an opening with O_TRUNC removes the other triggers.
	return in.writeEvent(n, "trigger", text, op, unix.O_APPEND)
}

// writeEvent writes a value to a file of an event.
func (in *Instance) writeEvent(n EventName, file, value, op string, flags int) error {
	dir, err := n.path()
	if err != nil {
		return err
	}
	err = in.lost(in.fs.write(in.dir+"/"+dir+"/"+file, value, flags))
	switch {
	case err == nil:
		return nil
	case missing(err) && !errors.Is(err, ErrNoInstance):
		err = ErrNoEvent
	}
	return &EventError{Event: n, Op: op, Err: err}
}

func verb(on bool) string {
	if on {
		return "enable"
	}
	return "disable"
}
