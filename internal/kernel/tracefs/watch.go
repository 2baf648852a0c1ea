// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import "bytes"

// EventWatch notices that events come and go, as modules and probes do. It
// belongs to one goroutine, which asks from time to time: the kernel tells
// nobody.
type EventWatch struct {
	fs         *FS
	text, next []byte // what available_events held, and a buffer
	known      map[EventName]struct{}
}

// Watch begins to watch. What is there now is not new.
func (fs *FS) Watch() (*EventWatch, error) {
	w := &EventWatch{fs: fs}
	if _, _, err := w.Changes(); err != nil {
		return nil, err
	}
	if w.known == nil {
		w.known = make(map[EventName]struct{})
	}
	return w, nil
}

// Changes returns the events that came and went since it was last asked.
func (w *EventWatch) Changes() (added, removed []EventName, err error) {
	w.next, err = w.fs.read(availableEvents, w.next[:0])
	if err != nil || bytes.Equal(w.text, w.next) {
		return nil, nil, err
	}
	events, err := parseEvents(string(w.next))
	if err != nil {
		return nil, nil, err
	}
	now := make(map[EventName]struct{}, len(events))
	for _, n := range events {
		now[n] = struct{}{}
		if _, old := w.known[n]; !old && w.known != nil {
			added = append(added, n)
		}
	}
	for n := range w.known {
		if _, still := now[n]; !still {
			removed = append(removed, n)
		}
	}
	w.text, w.next, w.known = w.next, w.text, now
	return added, removed, nil
}
