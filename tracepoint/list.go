// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"slices"

	"github.com/weir-io/weir/internal/ust/wire"
)

// list is an answer that the daemon reads one by one.
type list struct {
	events []*Event
	fields []wire.FieldInfo
}

func (c *client) onList(l *list, op wire.Op, r *wire.Reply) error {
	switch {
	case op == wire.OpTracepointGet && len(l.events) > 0:
		e := l.events[0]
		l.events = l.events[1:]
		r.Body = (&wire.Tracepoint{Name: e.name, Level: int32(e.level)}).Append(nil)
		return nil
	case op == wire.OpFieldGet && len(l.fields) > 0:
		return nil // the field follows, see field
	case op == wire.OpTracepointGet, op == wire.OpFieldGet:
		return wire.CodeNoEntry
	}
	return wire.CodeNoSys
}

// field is what follows the answer to a command, if something does.
func (c *client) field(m *wire.Command, code wire.Code) (f wire.FieldInfo, ok bool) {
	l, ok := c.objects[m.Handle].(*list)
	if !ok || m.Op != wire.OpFieldGet || code != wire.OK || len(l.fields) == 0 {
		return f, false
	}
	f = l.fields[0]
	l.fields = l.fields[1:]
	return f, true
}

// fieldInfos lists the fields of events, of each the last first, as programs in C do,
// which daemons expect; an event without has an entry of its own.
func fieldInfos(events []*Event) (all []wire.FieldInfo) {
	for _, e := range events {
		for _, f := range slices.Backward(e.fields) {
			kind := int32(wire.ListInteger)
			switch {
			case f.op == opSlice:
				kind = wire.ListOther
			case f.op == opString:
				kind = wire.ListString
			case f.enum != nil:
				kind = wire.ListEnum
			case f.kind == wire.Float:
				kind = wire.ListFloat
			}
			all = append(all, wire.FieldInfo{Event: e.name, Name: f.name, Kind: kind, Level: int32(e.level)})
		}
		if len(e.fields) == 0 {
			all = append(all, wire.FieldInfo{Event: e.name, Kind: wire.ListOther, Level: int32(e.level)})
		}
	}
	return all
}
