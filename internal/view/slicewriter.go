// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"io"
	"math"

	"github.com/weir-io/weir/ctf"
)

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
