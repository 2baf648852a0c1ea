// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Writer makes the part of an event's output that depends on the event alone.
// Each lane has one of its own.
type Writer interface {
	AppendRest(dst []byte, e *ctf.Event) []byte
}

// Window is the span of time that is shown, in ns from the clock's origin, both
// ends included.
type Window struct{ Begin, End int64 }

// lane reads one stream ahead of the merge, on a goroutine of its own: it
// decodes, selects and writes a batch of events while the batch before is being
// put in order. To the merge it is a [ctf.Source].
type lane struct {
	// Immutable after newLane.
	stream *ctf.Stream
	window Window
	bytes  int           // of a full batch
	free   chan *batch   // batches to fill; never closed
	full   chan *batch   // filled ones in order; never closed, the last has an error
	done   *atomic.Int64 // bytes of packets that have been read, for progress

	// Owned by fill.
	cursor *ctf.Cursor
	keep   func(*ctf.Event) bool
	writer Writer
	size   int // of the next batch: the first ones are small

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
	kind  ctf.Kind
	timed bool
	time  int64
	end   int // of its text, in the batch
	event *schema.Event
	cycle uint64
	loss  *ctf.Loss
}

// Batches of a lane: one is filled, one waits, one is being merged.
const batchesOfLane = 3

// firstBatch is the size of a lane's first batch, so that the first line comes
// at once.
const firstBatch = 4 << 10

func newLane(c *ctf.Cursor, w Window, keep func(*ctf.Event) bool, writer Writer, bytes int, done *atomic.Int64) *lane {
	l := &lane{
		stream: c.Stream(), window: w, bytes: bytes, done: done,
		free: make(chan *batch, batchesOfLane), full: make(chan *batch, batchesOfLane),
		cursor: c, keep: keep, writer: writer, size: min(firstBatch, bytes),
	}
	for range batchesOfLane {
		l.free <- &batch{}
	}
	return l
}

// run fills batches until the stream ends or ctx does.
func (l *lane) run(ctx context.Context) {
	defer l.cursor.Close()
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
		kind, err := l.cursor.Next()
		if err != nil {
			b.err = err
			return
		}
		switch kind {
		case ctf.EventRecord:
			e := l.cursor.Event()
			if e.HasTime && e.Time < l.window.Begin {
				continue
			}
			if e.HasTime && e.Time > l.window.End {
				b.err = io.EOF
				return
			}
			if l.keep != nil && !l.keep(e) {
				continue
			}
			b.text = l.writer.AppendRest(b.text, e)
			b.items = append(b.items, item{
				kind: kind, timed: e.HasTime, time: e.Time, end: len(b.text), event: e.Class, cycle: e.Cycles,
			})
		case ctf.DiscardedEvents, ctf.DiscardedPackets:
			loss := *l.cursor.Loss()
			if loss.HasRange && (loss.To < l.window.Begin || loss.From > l.window.End) {
				continue
			}
			at, timed := l.cursor.Time()
			b.items = append(b.items, item{kind: kind, timed: timed, time: at, end: len(b.text), loss: &loss})
		case ctf.PacketEnd:
			l.done.Add(int64(l.cursor.Packet().Size / 8))
		}
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
func (l *lane) Stream() *ctf.Stream { return l.stream }

// rest returns what the lane's writer made of the current event.
func (l *lane) rest() []byte { return l.batch.text[l.text:l.batch.items[l.at].end] }

// moment returns the time of the current event.
func (l *lane) moment() Moment {
	it := &l.batch.items[l.at]
	return Moment{Clocked: l.stream.Clocked(), HasTime: it.timed, Time: it.time, Cycles: it.cycle}
}
