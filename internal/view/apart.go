// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
)

// unordered is a sink to which the order of streams among each other means
// nothing, so that each can be read by itself.
type unordered interface {
	Sink
	// newPart returns a sink for the events of one stream.
	newPart() Sink
	// join takes over what a part has been given, when its stream has ended.
	join(part Sink)
}

// inParts reads each stream by itself, as many at a time as there are jobs. All
// streams are read to their ends or first errors, whatever others have; the
// error returned is the first one by the order of streams.
func (r *Run) inParts(ctx context.Context, cursors []*ctf.Cursor, sink unordered) error {
	parts, errs := make([]Sink, len(cursors)), make([]error, len(cursors))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(cursors); i = int(next.Add(1)) - 1 {
			parts[i] = sink.newPart()
			errs[i] = r.part(ctx, cursors[i], parts[i])
		}
	}
	var wg sync.WaitGroup
	for range min(r.jobs(), len(cursors)) - 1 {
		wg.Go(work) // ends with the streams; waited for below
	}
	work()
	wg.Wait()
	var first error
	for i, part := range parts {
		sink.join(part)
		if first == nil && errs[i] != io.EOF {
			first = errs[i]
		}
	}
	return first
}

// part reads a stream to its end, for which it returns io.EOF.
func (r *Run) part(ctx context.Context, c *ctf.Cursor, sink Sink) error {
	defer c.Close()
	src, stream := r.sieves(ctx, []*ctf.Cursor{c})[0], c.Stream()
	shown := int64(0)
	defer func() { r.Events.Add(shown) }()
	for {
		kind, err := src.Next()
		if err != nil {
			return err
		}
		if kind != ctf.EventRecord {
			if err := sink.Loss(stream, src.Loss()); err != nil {
				return err
			}
			continue
		}
		if err := sink.Event(stream, c.Event()); err != nil {
			return err
		}
		if shown++; shown == eventsAtOnce {
			r.Events.Add(shown)
			shown = 0
		}
	}
}

// eventsAtOnce is how many events are told of at a time.
const eventsAtOnce = 4096
