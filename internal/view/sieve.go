// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
)

// sieve is a cursor that steps over what is not selected, so that nothing else
// comes to the merge: it stops at events and losses only.
type sieve struct {
	*ctf.Cursor
	ctx    context.Context // that of the run
	window Window          // of the stream
	end    int64           // of what is shown of all streams: behind it there is no need to read on
	keep   func(*ctf.Event) bool
	done   *atomic.Int64  // bytes of packets that have been read, for progress
	part   *sliceOfStream // nil: all of it
	all    bool           // no event is left out
	lost   ctf.Loss
}

// sieves returns the sieves of some cursors, which share a test of events.
func (r *Run) sieves(ctx context.Context, cursors []*ctf.Cursor) []*sieve {
	keep := r.keep()
	all := make([]*sieve, len(cursors))
	for i, c := range cursors {
		all[i] = &sieve{Cursor: c, ctx: ctx, window: r.window(c.Stream()), end: r.Select.Window.End, keep: keep, done: &r.Done}
		all[i].all = keep == nil && all[i].window == All
	}
	return all
}

// Next implements [ctf.Source].
func (s *sieve) Next() (ctf.Kind, error) {
	for {
		kind, err := s.Cursor.Next()
		if err != nil || kind == ctf.EventRecord && s.all {
			return kind, err
		}
		if s.part != nil {
			if take, end := s.part.step(kind, s.Cursor); end {
				return 0, io.EOF
			} else if !take {
				continue
			}
		}
		switch kind {
		case ctf.EventRecord:
			e := s.Cursor.Event()
			if e.HasTime && !s.window.holds(e.Time) {
				if e.Time > s.end {
					return 0, io.EOF
				}
				continue
			}
			if s.keep == nil || s.keep(e) {
				return kind, nil
			}
		case ctf.DiscardedEvents, ctf.DiscardedPackets:
			var ok bool
			if s.lost, ok = s.window.clip(s.Cursor.Loss()); ok {
				return kind, nil
			}
		case ctf.PacketEnd:
			s.done.Add(int64(s.Packet().Size / 8))
			if s.ctx.Err() != nil {
				return 0, context.Cause(s.ctx)
			}
		}
	}
}

// Loss returns the part of the loss that is selected.
func (s *sieve) Loss() *ctf.Loss { return &s.lost }
