// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/ust/wire"
)

// le is the byte order of the protocol here.
var le = binary.LittleEndian

// sync brings what is recorded in line with what the daemon wants. Events that it does
// not know yet are described to it.
func (c *client) sync() error {
	events := c.tracer.list()
	active := make(map[*Event][]target)
	for _, o := range c.objects {
		s, ok := o.(*session)
		if !ok || !s.active {
			continue
		}
		for _, ch := range s.channels {
			if err := c.syncChannel(ch, events, active); err != nil {
				return err
			}
		}
	}
	c.tracer.publish(c, active, len(events))
	return nil
}

func (c *client) syncChannel(ch *channel, events []*Event, active map[*Event][]target) error {
	if !ch.complete() {
		return nil
	}
	var wanted []*Event
	for _, e := range events {
		if !ch.wants(e) {
			continue
		}
		wanted = append(wanted, e)
		if _, known := ch.events[e]; known {
			continue
		}
		d, err := c.declare(ch, e)
		if err != nil {
			return err
		}
		ch.events[e] = d
	}
	if ch.header == 0 {
		if err := c.declareChannel(ch); err != nil || ch.refused {
			return err
		}
	}
	for _, e := range wanted {
		if d := ch.events[e]; !d.refused && !ch.disabled {
			t := newTarget(ch.rings, ch.contexts, ch.header, d.id)
			t.filters = ch.filters(e)
			active[e] = append(active[e], t)
		}
	}
	return nil
}

// errProtocol tells of a daemon that does not keep the protocol.
var errProtocol = errors.New("tracepoint: the daemon does not keep the protocol")

// ask sends a notice and reads the answer.
func (c *client) ask(notice []byte, answer int) ([]byte, error) {
	if err := c.notify.send(notice); err != nil {
		return nil, err
	}
	b := make([]byte, answer)
	return b, c.notify.fill(b)
}

// declare describes an event, with the enumerations that it needs. One of which the daemon
// refuses an enumeration is refused with it.
func (c *client) declare(ch *channel, e *Event) (d declared, err error) {
	for _, f := range e.fields {
		if f.enum == nil {
			continue
		}
		if known, err := c.declareEnum(ch.session, f.enum); err != nil || !known {
			return declared{refused: true}, err
		}
	}
	signature := e.signature() + "\x00"
	fields := wire.AppendFields(nil, e.records(ch.session.enums))
	n := wire.EventNotice{
		Session: ch.session.handle, Channel: ch.handle, Name: e.name, Level: int32(e.level),
		SignatureLen: uint32(len(signature)), FieldsLen: uint32(len(fields)),
	}
	b := append(append(n.Append(nil), signature...), fields...)
	if b, err = c.ask(b, wire.EventAnswerLen); err != nil {
		return d, err
	}
	a, err := wire.ParseEventAnswer(b)
	return declared{a.ID, a.Code != 0}, err
}

// declareEnum describes an enumeration. It reports whether the daemon has it.
func (c *client) declareEnum(s *session, e *enum) (bool, error) {
	if _, known := s.enums[e.name]; known {
		return true, nil
	}
	n := wire.EnumNotice{Session: s.handle, Name: e.name, EntriesLen: uint32(len(e.entries)) * wire.EnumEntryLen}
	b := n.Append(nil)
	for i := range e.entries {
		b = e.entries[i].Append(b)
	}
	b, err := c.ask(b, wire.EnumAnswerLen)
	if err != nil {
		return false, err
	}
	a, err := wire.ParseEnumAnswer(b)
	if err != nil || a.Code != 0 {
		return false, err
	}
	s.enums[e.name] = a.ID
	return true, nil
}

// declareChannel tells that no event is described before the first one is recorded, and
// learns how events begin.
func (c *client) declareChannel(ch *channel) error {
	var records []wire.Field
	for i := range ch.contexts {
		if ch.contexts[i].kind == wire.ContextApp {
			if known, err := c.declareEnum(ch.session, dynamicEnum()); err != nil || !known {
				ch.refused = true
				return err
			}
		}
		records = append(records, ch.contexts[i].records(ch.session.enums)...)
	}
	fields := wire.AppendFields(nil, records)
	n := wire.ChannelNotice{Session: ch.session.handle, Channel: ch.handle, FieldsLen: uint32(len(fields))}
	b, err := c.ask(append(n.Append(nil), fields...), wire.ChannelAnswerLen)
	if err != nil {
		return err
	}
	a, err := wire.ParseChannelAnswer(b)
	if err != nil {
		return err
	}
	if a.Code != 0 { // what else the program records goes on
		ch.refused = true
		return nil
	}
	if a.ID != ch.object.ID || a.Header != wire.CompactHeader && a.Header != wire.LargeHeader {
		return fmt.Errorf("%w: channel %d is %d with headers %d", errProtocol, ch.object.ID, a.ID, a.Header)
	}
	ch.header = a.Header
	return nil
}
