// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
)

// The time line can be cut into slices, each of which is read, merged and
// written by itself, on as many goroutines as there are jobs. Nothing is handed
// from one processor to another but whose turn it is to write: while a slice
// waits for its turn it holds what it has written.
//
// A slice begins in each stream at its first event that is not before a time,
// in the packet that may hold that event. So it has to read over the events
// before, in packets that the slice before prints from: slices are made so large
// that this costs little. Where they would be too large, or a stream does not
// tell the times of its packets, there are lanes instead.

// sliced is a sink that slices can be written for.
type sliced interface {
	// newLines returns what prints the slices of one writer for the sink.
	newLines() lines
	// told tells people of a loss of a slice, apart from what lines print.
	told(s *ctf.Stream, l *ctf.Loss) error
	output() *Output
}

// lines print a slice. What its first event prints depends on the slice before,
// and is kept until join.
type lines interface {
	// begin begins a slice.
	begin()
	event(dst []byte, s *ctf.Stream, e *ctf.Event) []byte
	loss(dst []byte, s *ctf.Stream, l *ctf.Loss) []byte

	// join puts out what was kept: it is the slice's turn.
	join()
	// follow makes the sink go on behind the slice, which has been written.
	follow()
}

// slicedOf returns a sink as one that slices can be written for, where it can
// be that.
func slicedOf(s Sink) (sliced, bool) {
	w, ok := s.(*Warner)
	if !ok {
		l, ok := s.(sliced)
		return l, ok
	}
	l, ok := w.Sink.(sliced)
	return warnedSlices{l, w}, ok
}

// warnedSlices is a sliced sink with warnings.
type warnedSlices struct {
	sliced
	warner *Warner
}

func (w warnedSlices) told(s *ctf.Stream, l *ctf.Loss) error { return w.warner.warn.print(s, l) }

// Sizes of slices.
const (
	minSlice     = 2 << 20  // bytes of packets
	maxSlice     = 8 << 20  // above that lanes are better
	readOver     = 4        // times as large as what has to be read over
	mostStreams  = 64       // that are open in each slice
	heldBytes    = 32 << 20 // of output, by all slices that wait for their turn
	heldByOne    = 14 << 20 // of that, by one of them
	pieceBytes   = 256 << 10
	fewestSlices = 4
)

// sliceOfStream is a stream's part of a slice.
type sliceOfStream struct {
	over  bool // reading over what is before the slice
	begin int64
	first uint64 // packet of begin

	bounded bool // there is an end
	end     int64
	last    uint64 // packet of end
	ended   bool
}

// step tells whether what a cursor has stepped to is of the slice, or behind it.
func (p *sliceOfStream) step(kind ctf.Kind, c *ctf.Cursor) (take, end bool) {
	n := c.Packet().Number
	switch {
	case p.ended:
		return false, true
	case kind == ctf.EventRecord:
		at := c.Event().Time
		if p.over && (n < p.first || n == p.first && at < p.begin) {
			return false, false
		}
		p.over = false
		return true, p.bounded && (n > p.last || n == p.last && at >= p.end)
	case kind == ctf.DiscardedEvents || kind == ctf.DiscardedPackets:
		// Told before the packet in which two slices meet; of the later one when
		// it began there.
		at, timed := c.Time()
		ours := !p.over || n == p.first && timed && at >= p.begin
		return ours && !(p.bounded && n == p.last && timed && at >= p.end), false
	case p.over:
		p.over = kind != ctf.PacketEnd || n < p.first
		return false, false
	case kind == ctf.PacketEnd:
		p.ended = p.bounded && n >= p.last
	}
	return true, false
}

// slice is a part of the time line.
type slice struct {
	begin, end *cut            // nil: those of the time line
	turn       <-chan struct{} // closed when the slice before is done
	done       chan struct{}   // closed by this one
}

// inSlices reads and writes slices, each on a goroutine of its own.
func (r *Run) inSlices(ctx context.Context, cursors []*ctf.Cursor, cuts []cut, sink sliced) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	all := make([]slice, len(cuts)+1)
	turn := make(chan struct{})
	close(turn)
	for i := range all {
		all[i] = slice{turn: turn, done: make(chan struct{})}
		turn = all[i].done
		if i > 0 {
			all[i].begin = &cuts[i-1]
		}
		if i < len(cuts) {
			all[i].end = &cuts[i]
		}
	}
	streams := make([]*ctf.Stream, len(cursors))
	for i, c := range cursors {
		streams[i] = c.Stream()
	}
	jobs := min(r.jobs(), len(all))
	free := make(chan []byte, min(heldByOne*(jobs-1)+pieceBytes, heldBytes)/pieceBytes)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() { // ends with the slices, or when one of them stops all
			w := &sliceWriter{run: r, sink: sink, free: free, lines: sink.newLines(), keep: r.keep(), most: min(heldByOne, heldBytes/jobs)}
			for i := int(next.Add(1)) - 1; i < len(all) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := w.write(ctx, streams, &all[i]); err != nil {
					stop(err) // the first one counts: those behind wait for their turn
					return
				}
				close(all[i].done)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
