// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"path"
	"slices"

	"github.com/weir-io/weir/client/relay"
)

func (o *relayOutput) metadata(p part, text []byte) error {
	text = append([]byte(nil), text...)
	defer o.spool.tell()
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.texts.of(p)
	t.text = append(t.text[:len(t.text):len(t.text)], text...)
	return o.spool.add(item{metadata: true, do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		return o.sendText(ctx, c, p, text)
	}}, nil)
}

// regenerate replaces the text.
func (o *relayOutput) regenerate(p part, text []byte) error {
	text = append([]byte(nil), text...)
	defer o.spool.tell()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.texts.of(p).text = text
	return o.spool.add(item{metadata: true, do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		if err := o.addPart(ctx, c, p); err != nil {
			return err
		}
		return o.refused(c.metas[p.place].ResetMetadata(ctx, text))
	}}, nil)
}

// refused tells an error with which the session on the relay goes on, or returns it.
func (o *relayOutput) refused(err error) error {
	if _, ok := errors.AsType[*relay.RefusedError](err); !ok && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if o.tell != nil {
		o.tell(err)
	}
	return nil
}

// sendText appends to the metadata of a part.
func (o *relayOutput) sendText(ctx context.Context, c *connection, p part, text []byte) error {
	if err := o.addPart(ctx, c, p); err != nil {
		return err
	}
	return c.metas[p.place].SendMetadata(ctx, text)
}

// addPart makes the stream of a part's metadata, unless it is there.
func (o *relayOutput) addPart(ctx context.Context, c *connection, p part) error {
	if c.metas[p.place] != nil {
		return nil
	}
	made, err := c.session.AddStreams(ctx, o.metaOptions(p))
	if err != nil {
		return err
	}
	c.metas[p.place] = made[0]
	return nil
}

// partsLocked are those that there are.
func (o *relayOutput) partsLocked() []part {
	var all []part
	for _, t := range o.texts {
		all = append(all, t.part)
	}
	for _, s := range o.writers {
		if !slices.ContainsFunc(all, func(p part) bool { return p.place == s.in.place }) {
			all = append(all, s.in)
		}
	}
	return all
}

// textsLocked are the metadata of all parts as they are now.
func (o *relayOutput) textsLocked() []partText {
	var all []partText
	for _, t := range o.texts {
		all = append(all, *t)
	}
	return all
}

func (o *relayOutput) metaOptions(p part) relay.StreamOptions {
	return relay.StreamOptions{
		Channel: "metadata", Path: path.Join(o.trace, p.place), TraceUUID: p.uuid, BigEndian: binary.NativeEndian.Uint16([]byte{0, 1}) == 1,
	}
}

// allText is what a stream of metadata has.
func (o *relayOutput) allText(c *connection, st *relay.Stream) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for place, meta := range c.metas {
		if t := o.texts.find(place); meta == st && t != nil {
			return t.text
		}
	}
	return nil
}
