// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Writer makes the part of an event's output that depends on the event alone.
// Each lane has one of its own.
type Writer interface {
	AppendRest(dst []byte, e *ctf.Event) []byte
}

// lane reads some streams ahead of the merge, on a goroutine of its own: it
// decodes, merges, selects and writes a batch of events while the batch before
// is being put in order with those of other lanes. To that order it is a
// [ctf.Source].
type lane struct {
	// Immutable after newLane.
	window Window      // of all streams; streams may have narrower ones
	bytes  int         // of a full batch
	free   chan *batch // batches to fill; never closed
	full   chan *batch // filled ones in order; never closed, the last has an error

	// Owned by fill.
	cursors []*ctf.Cursor
	merger  *ctf.Merger[*sieve]
	writer  Writer
	size    int // of the next batch: the first ones are small

	// Owned by the merge.
	batch *batch
	at    int // index of the current item
	text  int // where its text begins
}

// batch is some of a stream's events, written.
type batch struct {
	text  []byte
	items []item
	err   error // of the step behind the last item; io.EOF at the stream's end
}

// item is an event or a loss of a batch.
type item struct {
	stream *ctf.Stream
	kind   ctf.Kind
	timed  bool
	time   int64
	end    int // of its text, in the batch
	event  *schema.Event
	cycle  uint64
	loss   *ctf.Loss
}

// Batches of a lane: one is filled, one waits, one is being merged.
const batchesOfLane = 3

// batchBytes is the size of a full batch, in bytes of output.
const batchBytes = 256 << 10

// firstBatch is the size of a lane's first batch, so that the first line comes
// at once.
const firstBatch = 4 << 10

// newLane returns a lane of some streams, to be run.
func newLane(ctx context.Context, cursors []*ctf.Cursor, r *Run, writer Writer) *lane {
	l := &lane{
		bytes: batchBytes, size: firstBatch,
		free: make(chan *batch, batchesOfLane), full: make(chan *batch, batchesOfLane),
		cursors: cursors, merger: ctf.NewMerger(r.sieves(ctx, cursors)), writer: writer,
	}
	for range batchesOfLane {
		l.free <- &batch{}
	}
	return l
}

// run fills batches until the stream ends or ctx does.
func (l *lane) run(ctx context.Context) {
	defer closeAll(l.cursors)
	for {
		select {
		case b := <-l.free:
			l.fill(b)
			l.full <- b // there is room: as many batches as places
			if b.err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// fill fills a batch from the cursor.
func (l *lane) fill(b *batch) {
	b.text, b.items, b.err = b.text[:0], b.items[:0], nil
	for len(b.text) < l.size && len(b.items) < l.bytes/64+1 {
		c, kind, err := l.merger.Next()
		if err != nil {
			b.err = err
			return
		}
		at, timed := c.Time()
		it := item{stream: c.Stream(), kind: kind, timed: timed, time: at}
		if kind == ctf.EventRecord {
			e := c.Event()
			b.text = l.writer.AppendRest(b.text, e)
			it.event, it.cycle = e.Class, e.Cycles
		} else {
			loss := *c.Loss()
			it.loss = &loss
		}
		it.end = len(b.text)
		b.items = append(b.items, it)
	}
	l.size = min(4*l.size, l.bytes)
}

// Next implements [ctf.Source].
func (l *lane) Next() (ctf.Kind, error) {
	if l.batch == nil {
		l.batch = <-l.full
		l.at, l.text = -1, 0
	} else if l.at >= 0 {
		l.text = l.batch.items[l.at].end
	}
	for l.at++; l.at >= len(l.batch.items); l.at = 0 {
		if l.batch.err != nil {
			l.at = len(l.batch.items) - 1
			return 0, l.batch.err
		}
		l.free <- l.batch
		l.batch = <-l.full
		l.text = 0
	}
	return l.batch.items[l.at].kind, nil
}

// Time implements [ctf.Source].
func (l *lane) Time() (int64, bool) {
	it := &l.batch.items[l.at]
	return it.time, it.timed
}

// Class implements [ctf.Source].
func (l *lane) Class() *schema.Event { return l.batch.items[l.at].event }

// Stream implements [ctf.Source].
func (l *lane) Stream() *ctf.Stream { return l.batch.items[l.at].stream }

// rest returns what the lane's writer made of the current event.
func (l *lane) rest() []byte { return l.batch.text[l.text:l.batch.items[l.at].end] }

// moment returns the time of the current event.
func (l *lane) moment() Moment {
	it := &l.batch.items[l.at]
	return Moment{Clocked: it.stream.Clocked(), HasTime: it.timed, Time: it.time, Cycles: it.cycle}
}
