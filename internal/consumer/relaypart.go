// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"slices"
)

// endPart has the streams of a part closed on the relay, once that has all of their
// packets.
func (o *relayOutput) endPart(p part) error {
	o.mu.Lock()
	begun := o.begun
	for _, s := range o.writers {
		if s.in == p {
			o.leaving = append(o.leaving, s)
		}
	}
	if !begun {
		o.forgetPartLocked(p)
	}
	o.mu.Unlock()
	if !begun {
		return nil
	}
	return o.putEnd(p)
}

func (o *relayOutput) putEnd(p part) error {
	err := o.spool.put(item{do: func(c *connection) error { return o.closePart(c, p) }}, nil)
	if errors.Is(err, errSpoolClosed) {
		return nil // all of it ends
	}
	return err
}

// closePart closes them. Where that fails the relay is lost: the streams are there until
// another one has their packets.
func (o *relayOutput) closePart(c *connection, p part) error {
	ctx, cancel := o.within()
	defer cancel()
	err := c.session.Drain(ctx)
	if err == nil {
		if o.account(c); o.spool.has(func(s *stream) bool { return s.in == p }) {
			err = errors.New("packets of a part that ends are not confirmed") // another relay gets them
		}
	}
	if err == nil {
		err = o.closeStreams(ctx, c, p)
	}
	if err != nil {
		return errors.Join(err, o.putEnd(p))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.writers {
		if s.in == p {
			delete(c.streams, s)
			delete(c.stored, s)
			delete(c.lost, s)
		}
	}
	delete(c.metas, p.place)
	o.forgetPartLocked(p)
	return nil
}

// closeStreams closes the streams of a part, that of its metadata last.
func (o *relayOutput) closeStreams(ctx context.Context, c *connection, p part) error {
	for s, st := range c.streams {
		if s.in != p {
			continue
		}
		if err := o.refused(st.Close(ctx)); err != nil {
			return err
		}
	}
	if meta := c.metas[p.place]; meta != nil {
		return o.refused(meta.Close(ctx))
	}
	return nil
}

// forgetPartLocked forgets what there is of a part, but how much of it is confirmed.
func (o *relayOutput) forgetPartLocked(p part) {
	of := func(s *stream) bool { return s.in == p }
	for _, s := range o.writers {
		if of(s) {
			o.past[ringKey{s.channel.ID, s.cpu}] += o.storedLocked(s)
			delete(o.numbered, s)
			delete(o.given, s)
		}
	}
	o.writers = slices.DeleteFunc(o.writers, of)
	o.leaving = slices.DeleteFunc(o.leaving, of)
	o.texts = slices.DeleteFunc(o.texts, func(t *partText) bool { return t.part == p })
}

// storedLocked is how many packets of a stream the relay has.
func (o *relayOutput) storedLocked(s *stream) uint64 {
	n := o.numbered[s]
	return n - min(n, o.given[s])
}

func (o *relayOutput) confirmedPast(channel, cpu uint32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := ringKey{channel, cpu}
	n := o.past[of]
	for _, s := range o.leaving {
		if (ringKey{s.channel.ID, s.cpu}) == of {
			n += o.storedLocked(s)
		}
	}
	return n
}
