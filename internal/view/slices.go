// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"context"
	"io"
	"math"
	"slices"
	"sort"
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

// cut is where slices meet: a time, and by stream the packet in which it is.
type cut struct {
	time    int64
	packets []uint64
}

// cutter finds the cuts of some streams.
type cutter struct {
	streams []*ctf.Stream
	bytes   int64 // of a slice, at least
	jobs    int   // slices that are read at a time
}

// cuts cuts the time line; nil when slices are no good for these streams.
func (r *Run) cuts(cursors []*ctf.Cursor) []cut {
	if r.Select.Head > 0 || r.Select.Tail > 0 || r.Select.Intersection || len(cursors) > mostStreams {
		return nil
	}
	c := cutter{bytes: int64(r.sliceBytes), jobs: r.jobs()}
	over := int64(0)
	for _, cur := range cursors {
		s := cur.Stream()
		if !wellTimed(s) {
			return nil
		}
		c.streams = append(c.streams, s)
		over += s.Bytes() / int64(2*len(s.Packets))
	}
	if c.bytes == 0 {
		if c.bytes = max(minSlice, readOver*over); c.bytes > maxSlice {
			return nil
		}
	}
	all := c.cuts(r.Select.Window)
	if len(all)+1 < fewestSlices {
		return nil
	}
	return all
}

// wellTimed reports whether the packets of a stream say when they begin and end,
// and lie one behind the other, not before the clock's origin.
func wellTimed(s *ctf.Stream) bool {
	const both = ctf.HasBegin | ctf.HasEnd
	if begin, _, ok := s.Bounds(); !ok || begin < 0 {
		return false
	}
	for i := range s.Packets {
		p := &s.Packets[i]
		if p.Has&both != both || p.End < p.Begin || i > 0 && p.Begin < s.Packets[i-1].End {
			return false
		}
		if _, err := s.Time(p.End); err != nil {
			return false
		}
	}
	return true
}

// cuts cuts where packets begin, within a window.
func (c *cutter) cuts(w Window) []cut {
	type packet struct{ begin, bytes int64 }
	var packets []packet
	for _, s := range c.streams {
		for i := range s.Packets {
			begin, _ := s.Time(s.Packets[i].Begin) // not after the end, whose time is in range
			if begin > w.Begin && begin <= w.End {
				packets = append(packets, packet{begin, int64(s.Packets[i].Size / 8)})
			}
		}
	}
	slices.SortFunc(packets, func(a, b packet) int { return cmp.Compare(a.begin, b.begin) })
	var all []cut
	bytes, last := int64(0), int64(math.MinInt64)
	for _, p := range packets {
		if bytes >= c.least(len(all)) && p.begin > last {
			all = append(all, c.at(p.begin))
			bytes, last = 0, p.begin
		}
		bytes += p.bytes
	}
	return all
}

// least is the least size of a slice by its number. The first ones, which begin
// together, grow, so that they do not end together: who ends before the one whose
// output goes first has to wait.
func (c *cutter) least(n int) int64 {
	if n < c.jobs {
		return c.bytes * int64(n+1) / int64(c.jobs)
	}
	return c.bytes
}

// at returns the cut at a time.
func (c *cutter) at(ns int64) cut {
	x := cut{time: ns, packets: make([]uint64, len(c.streams))}
	for i, s := range c.streams {
		x.packets[i] = uint64(sort.Search(len(s.Packets), func(k int) bool {
			end, _ := s.Time(s.Packets[k].End) // in range: the stream is well timed
			return end >= ns
		}))
	}
	return x
}

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

// sliceWriter writes slices, one after the other.
type sliceWriter struct {
	// Immutable.
	run   *Run
	sink  sliced      // for the one whose turn it is
	free  chan []byte // pieces to fill, of all writers; never closed
	lines lines
	keep  func(*ctf.Event) bool
	most  int // bytes to hold

	// Of the slice being written.
	ours   bool     // it is its turn
	pieces [][]byte // held
	piece  []byte   // the last one, being filled
	size   int      // of a full piece
	held   int
	losses []heldLoss
	shown  int64
}

// heldLoss is a loss to be told.
type heldLoss struct {
	stream *ctf.Stream
	loss   ctf.Loss
}

// write writes a slice; what it has before an error, too.
func (w *sliceWriter) write(ctx context.Context, streams []*ctf.Stream, s *slice) error {
	w.ours, w.held, w.size = false, 0, pieceBytes
	w.lines.begin()
	if s.begin == nil {
		w.size = firstBatch
	}
	if w.piece == nil {
		w.piece = w.empty()
	}
	err := w.read(ctx, streams, s)
	if ctx.Err() == nil {
		if e := w.flush(ctx, s, true); err == nil {
			err = e
		}
	}
	w.run.Events.Add(w.shown)
	w.shown = 0
	if w.ours {
		w.lines.follow()
	}
	return err
}

// sieves returns the streams' parts of a slice.
func (w *sliceWriter) sieves(ctx context.Context, streams []*ctf.Stream, s *slice) []*sieve {
	cursors := make([]*ctf.Cursor, len(streams))
	parts := make([]sliceOfStream, len(streams))
	for i, st := range streams {
		c, p := ctf.NewCursor(st, w.run.Set.Window(2*len(streams))), &parts[i]
		if s.begin != nil {
			p.over, p.begin, p.first = true, s.begin.time, s.begin.packets[i]
			c.SeekPacket(int(p.first))
		} else if b := w.run.Select.Window.Begin; b != math.MinInt64 {
			c.SeekTime(b)
		}
		if s.end != nil {
			p.bounded, p.end, p.last = true, s.end.time, s.end.packets[i]
		}
		cursors[i] = c
	}
	sieves := w.run.sieves(ctx, cursors)
	for i := range sieves {
		sieves[i].part, sieves[i].keep, sieves[i].all = &parts[i], w.keep, false
	}
	return sieves
}

// read reads a slice and writes its events to pieces.
func (w *sliceWriter) read(ctx context.Context, streams []*ctf.Stream, s *slice) error {
	sieves := w.sieves(ctx, streams, s)
	defer func() {
		for _, src := range sieves {
			src.Close()
		}
	}()
	for m := ctf.NewMerger(sieves); ; {
		c, kind, err := m.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if kind != ctf.EventRecord {
			w.losses = append(w.losses, heldLoss{c.Stream(), *c.Loss()})
			w.piece = w.lines.loss(w.piece, c.Stream(), c.Loss())
			continue
		}
		w.shown++
		w.piece = w.lines.event(w.piece, c.Stream(), c.Event())
		if len(w.piece) >= w.size {
			if err := w.flush(ctx, s, false); err != nil {
				return err
			}
		}
	}
}

// empty returns a piece to fill.
func (w *sliceWriter) empty() []byte {
	select {
	case p := <-w.free:
		return p[:0]
	default:
		return make([]byte, 0, pieceBytes+pieceBytes/8)
	}
}

// flush holds the piece, or writes all pieces when it is the slice's turn. It
// waits for the turn when as much is held as may be, or all must go.
func (w *sliceWriter) flush(ctx context.Context, s *slice, all bool) error {
	w.held += len(w.piece)
	w.pieces = append(w.pieces, w.piece)
	if !w.ours && (all || w.held >= w.most) {
		select {
		case <-s.turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	} else if !w.ours {
		select {
		case <-s.turn:
		default:
			w.piece = w.empty()
			return nil
		}
	}
	return w.put()
}

// put writes what is held. The last piece is filled again: it is in the cache.
func (w *sliceWriter) put() error {
	out := w.sink.output()
	if !w.ours {
		w.ours = true
		w.lines.join()
	} else if w.size < pieceBytes {
		w.size *= 4
	}
	for i := range w.losses {
		if err := w.sink.told(w.losses[i].stream, &w.losses[i].loss); err != nil {
			return err
		}
	}
	w.losses = w.losses[:0]
	for i, p := range w.pieces {
		if err := out.write(p); err != nil {
			return err
		}
		w.pieces[i] = nil
		if i == len(w.pieces)-1 {
			w.piece = p[:0]
			break
		}
		select {
		case w.free <- p:
		default: // there are enough
		}
	}
	w.pieces, w.held = w.pieces[:0], 0
	return nil
}
