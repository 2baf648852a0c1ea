// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weir-io/weir/internal/ust/wire"
)

// Codes of answers to notices.
const (
	codeInvalid  = -22 // EINVAL
	codeNoMemory = -12 // ENOMEM
)

// listen answers what the program tells of, until it is gone.
func (p *program) listen() error {
	for {
		if err := p.hear(); err != nil {
			return err
		}
	}
}

// hear answers one notice. A program may be silent for ever between two of them.
func (p *program) hear() error {
	var head [wire.NoticeLen]byte
	if err := p.notify.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.notify, head[:]); err != nil {
		return err
	}
	n, err := wire.ParseNotice(head[:])
	if err != nil {
		return err
	}
	if err := p.notify.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	b := make([]byte, n.Len())
	if _, err := io.ReadFull(p.notify, b); err != nil {
		return err
	}
	var answer []byte
	switch n {
	case wire.NoticeEvent:
		answer, err = p.hearEvent(b)
	case wire.NoticeChannel:
		answer, err = p.hearChannel(b)
	default:
		answer, err = p.hearEnum(b)
	}
	if err != nil {
		return err
	}
	if err := p.notify.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	_, err = p.notify.Write(answer)
	return err
}

// rest reads what follows a notice.
func (p *program) rest(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(p.notify, b)
	return b, err
}

// errHandle reports a handle that the daemon has not been given.
var errHandle = errors.New("of no session or channel that it has")

func (p *program) session(handle uint32) *trace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[handle]
}

// channel returns the rings of a channel, and whether the program is left out of it.
func (p *program) channel(handle uint32) (b *buffers, out bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffers[handle], p.out[handle]
}

func (p *program) hearEvent(head []byte) ([]byte, error) {
	e, err := wire.ParseEventNotice(head)
	if err != nil {
		return nil, err
	}
	rest, err := p.rest(e.Rest())
	if err != nil {
		return nil, err
	}
	_, fields, uri, err := e.ParseRest(rest)
	if err != nil {
		return nil, err
	}
	b, out := p.channel(e.Channel)
	switch {
	case b == nil:
		return nil, fmt.Errorf("event %s: channel %d: %w", e.Name, e.Channel, errHandle)
	case out:
		return (&wire.EventAnswer{Code: codeInvalid}).Append(nil), nil
	}
	id, err := b.declare(&e, rest, fields, uri)
	a := wire.EventAnswer{ID: id}
	if err != nil {
		p.s.complaints.Warn(p.log, "event is not recorded", "session", b.c.t.info.Name, "event", e.Name, "err", err)
		a.Code = codeInvalid
		return a.Append(nil), nil
	}
	b.c.t.awaitPublished(p.gone)
	return a.Append(nil), nil
}

func (p *program) hearChannel(head []byte) ([]byte, error) {
	c, err := wire.ParseChannelNotice(head)
	if err != nil {
		return nil, err
	}
	rest, err := p.rest(int(c.FieldsLen))
	if err != nil {
		return nil, err
	}
	fields, err := wire.ParseFields(rest)
	if err != nil {
		return nil, err
	}
	b, out := p.channel(c.Channel)
	switch {
	case b == nil:
		return nil, fmt.Errorf("channel %d: %w", c.Channel, errHandle)
	case out:
		return (&wire.ChannelAnswer{Code: codeInvalid}).Append(nil), nil
	}
	if err := b.declareContexts(rest, fields); err != nil {
		p.s.complaints.Warn(p.log, "channel is not recorded", "session", b.c.t.info.Name, "channel", b.c.name, "err", fmt.Errorf("contexts: %w", err))
		b.c.t.limit("channel %s of %s is not recorded: contexts: %v", b.c.name, p, err)
		return (&wire.ChannelAnswer{Code: codeInvalid}).Append(nil), nil
	}
	b.c.t.awaitPublished(p.gone) // also of events that were declared before
	return (&wire.ChannelAnswer{ID: uint32(b.class.stream.ID), Header: wire.LargeHeader}).Append(nil), nil
}

func (p *program) hearEnum(head []byte) ([]byte, error) {
	e, err := wire.ParseEnumNotice(head)
	if err != nil {
		return nil, err
	}
	rest, err := p.rest(int(e.EntriesLen))
	if err != nil {
		return nil, err
	}
	entries, err := wire.ParseEnumEntries(rest)
	if err != nil {
		return nil, err
	}
	t := p.session(e.Session)
	if t == nil {
		return nil, fmt.Errorf("enumeration %s: session %d: %w", e.Name, e.Session, errHandle)
	}
	id, ok := t.declareEnum(p, e.Name, rest, entries)
	a := wire.EnumAnswer{ID: id}
	if !ok {
		a.Code = codeNoMemory
	}
	return a.Append(nil), nil
}
