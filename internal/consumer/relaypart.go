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
		if s.in == p && !slices.Contains(o.leaving, s) { // the daemon may not have got the answer
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
	err := o.spool.put(item{do: func(*connection) error {
		o.ending = append(o.ending, p)
		return nil
	}}, nil)
	if errors.Is(err, errSpoolClosed) {
		return nil // all of it ends
	}
	return err
}

// closeEnded closes the streams of parts that end of which everything is confirmed. A relay
// that is slow is not waited for; after one that was lost it is the next one's turn.
func (o *relayOutput) closeEnded(c *connection) error {
	if len(o.ending) == 0 {
		return nil
	}
	waiting := o.spool.parts()
	var left []part
	for i, p := range o.ending {
		if waiting[p] {
			left = append(left, p)
			continue
		}
		if err := o.closePart(c, p); err != nil {
			o.ending = append(left, o.ending[i:]...)
			return err
		}
	}
	o.ending = left
	return nil
}

// closePart closes them.
func (o *relayOutput) closePart(c *connection, p part) error {
	ctx, cancel := o.within()
	defer cancel()
	if err := o.closeStreams(ctx, c, p); err != nil {
		return err
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
