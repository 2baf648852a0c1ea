// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"slices"

	"github.com/weir-io/weir/internal/handover"
)

// end brings what was read to its place, and ends everything. It takes endTimeout
// and what was given for the relay, not counting a disk that is stuck.
func (e *engine) end(o handover.End) handover.Ended {
	e.ended = true
	e.hurry()
	for _, s := range e.streams {
		if e.drains() {
			last := s.source.hold
			if o.Halted {
				last = s.source.stop
			}
			if err := last(); err != nil && !errors.Is(err, errSpoolFull) {
				e.log.Warn("stream not read to its end", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
			}
		}
	}
	r, ok := e.out.(*relayOutput)
	there := ok && o.Settle > 0 && !r.isLost()
	settled, cancel := context.WithTimeout(e.ctx, o.Settle)
	defer cancel()
	if there {
		e.makeRoom(settled, o.Halted)
	}
	if (o.Halted || e.running) && !e.hello.Snapshot {
		e.tellLosses(settled, r)
	}
	if there {
		_ = r.settle(settled) // what is not settled then is told below
	}
	for _, s := range e.streams {
		if err := s.source.close(); err != nil {
			e.log.Warn("stream not closed", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
		}
	}
	if e.feeder != nil {
		if err := e.feeder.close(); err != nil {
			e.log.Warn("feeds not closed", "err", err)
		}
	}
	if err := e.forget(); err != nil {
		e.log.Warn("prepared output not closed", "err", err)
	}
	ctx, cancel := context.WithTimeout(e.ctx, endTimeout)
	defer cancel()
	e.closed(e.out.close(ctx))
	e.retired.Wait()
	e.losses.flush()
	var st handover.Status
	e.out.status(&st)
	rest := e.summary(e.lost()-e.lostBefore.Load(), &st)
	for _, place := range rest.Places {
		e.log.Info("packets that no relay has got are kept", "place", place)
	}
	if rest.Lost > 0 || rest.Error != "" {
		e.log.Warn("output not closed in order", "lost", rest.Lost, "err", rest.Error)
	}
	return rest
}

// tellLosses has packets without events tell at the end of the streams what is lost. By
// UDP they can be lost themselves: then others follow until ctx ends, and they do not
// count. r is nil where no relay is the output.
func (e *engine) tellLosses(ctx context.Context, r *relayOutput) {
	tell := func() {
		if err := e.each(func(s *stream) error { return s.source.tellAll() }); err != nil {
			e.log.Warn("losses are not told in the trace", "err", err)
		}
	}
	if r == nil || !r.datagrams() {
		tell()
		return
	}
	_ = r.settle(ctx) // so that all that is lost then are packets that tell
	before := e.lost()
	for n := before; ; n = e.lost() {
		tell()
		if r.settle(ctx) != nil || e.lost() == n {
			break
		}
	}
	if !e.untold() {
		e.lostBefore.Add(e.lost() - before)
	}
}

// untold reports whether packets are lost of which no later one tells.
func (e *engine) untold() bool {
	return slices.ContainsFunc(e.streams, func(s *stream) bool { return s.untold.Load() })
}

// summary is what became of packets, of which so many are lost.
func (e *engine) summary(lost uint64, st *handover.Status) handover.Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rest.Lost = lost
	for _, s := range e.streams {
		if !e.hello.Snapshot {
			e.rest.Events += s.unread.Load()
		}
	}
	if lost > 0 && e.rest.Error == "" && st.Output == handover.OutputDirectory {
		e.rest.Error = st.LastError
	}
	return e.rest
}

// makeRoom has packets that found no room in the spool go there at the end, as far
// as the relay makes some until ctx ends.
func (e *engine) makeRoom(ctx context.Context, halted bool) {
	switch {
	case e.paused || e.hello.Snapshot:
	case halted:
		if _, err := e.drain(ctx); err != nil { // what is not read is told as lost
			e.log.Warn("streams not read to their end", "err", err)
		}
	case e.running:
		for e.each((*stream).retry) != nil && e.out.settle(ctx) == nil {
		}
	}
}

// lost is how many packets of all streams are lost.
func (e *engine) lost() (n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.streams {
		n += s.lost.Load()
	}
	for i := range e.past {
		n += e.past[i].Lost
	}
	return n
}

// closed takes note of what became of an output.
func (e *engine) closed(rest unsent, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest.addTo(&e.rest)
	if errors.Is(err, errHung) {
		e.rest.Stuck = err.Error()
		return
	}
	if err != nil && e.rest.Error == "" {
		e.rest.Error = err.Error()
	}
}
