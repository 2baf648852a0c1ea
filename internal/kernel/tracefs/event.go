// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	clockFile       = "trace_clock"
	availableEvents = "available_events"
	eventsDir       = "events"
)

// EventName names an event of the kernel.
type EventName struct {
	System string `json:"system"`
	Name   string `json:"name"`
}

// String returns the name as tracefs spells it: SYSTEM:NAME.
func (n EventName) String() string { return n.System + ":" + n.Name }

// path returns the directory of the event below events, or a NameError.
func (n EventName) path() (string, error) {
	for _, word := range []struct{ kind, name string }{{"system", n.System}, {"event", n.Name}} {
		if err := CheckName(word.kind, word.name); err != nil {
			return "", err
		}
		if strings.ContainsFunc(word.name, notInName) {
			return "", &NameError{Kind: word.kind, Name: word.name, Reason: "contains a character that is none of names"}
		}
	}
	return eventsDir + "/" + n.System + "/" + n.Name, nil
}

// notInName reports whether r means something where the kernel takes a list of
// names, or breaks one.
func notInName(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("!*:?[]", r) }

// ParseEventName reads SYSTEM:NAME.
func ParseEventName(s string) (EventName, error) {
	system, name, ok := strings.Cut(s, ":")
	if !ok {
		return EventName{}, &NameError{Kind: "event", Name: s, Reason: "is not of the form SYSTEM:NAME"}
	}
	n := EventName{System: system, Name: name}
	_, err := n.path()
	return n, err
}

// Events lists the events that can be enabled, in the kernel's order. Those of
// system ftrace, which have no enable file, are not among them.
func (fs *FS) Events() ([]EventName, error) {
	b, err := fs.read(availableEvents, make([]byte, 0, 128<<10))
	if err != nil {
		return nil, err
	}
	return parseEvents(string(b))
}

func parseEvents(text string) ([]EventName, error) {
	events := make([]EventName, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		n, err := ParseEventName(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", availableEvents, len(events)+1, err)
		}
		events = append(events, n)
	}
	return events, nil
}

// Format appends the text of an event's format file to b.
func (fs *FS) Format(n EventName, b []byte) ([]byte, error) { return fs.readEvent(n, "format", b) }

// EventID returns the number that the event has in the pages of rings.
func (fs *FS) EventID(n EventName) (uint16, error) {
	b, err := fs.readEvent(n, "id", nil)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16)
	if err != nil {
		return 0, &EventError{Event: n, Op: "number of", Err: err}
	}
	return uint16(id), nil
}

// HeaderPage returns the text that describes a page of rings with sub-buffers of
// the top level's size. Instance has it for its own.
func (fs *FS) HeaderPage() ([]byte, error) { return fs.read(eventsDir+"/header_page", nil) }

func (fs *FS) readEvent(n EventName, file string, b []byte) ([]byte, error) {
	dir, err := n.path()
	if err != nil {
		return b, err
	}
	b, err = fs.read(dir+"/"+file, b)
	if missing(err) {
		err = &EventError{Event: n, Op: "read " + file + " of", Err: ErrNoEvent}
	}
	return b, err
}
