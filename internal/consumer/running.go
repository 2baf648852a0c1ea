// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// start lets the streams read.
func (e *engine) start() error {
	e.running = true
	if e.hello.Snapshot {
		return e.keepPackets()
	}
	if e.paused {
		return nil
	}
	return e.each(func(s *stream) error {
		err := s.source.start()
		if errors.Is(err, errHung) {
			s.missed = true // it begins when the file system answers
			return nil
		}
		return err
	})
}

// catchUp has orders made up for that a stream has missed. It may be called by
// anybody.
func (e *engine) catchUp() {
	select {
	case e.back <- struct{}{}:
	default:
	}
}

// makeUp has streams that have missed orders, as they waited for a file system that
// answers again, do what is to be done now.
func (e *engine) makeUp() {
	for _, s := range e.streams {
		if !s.missed {
			continue
		}
		s.missed = false
		if d, ok := s.source.(*drain); ok {
			e.must(s, d.call(func() error {
				e.sift(d)
				return d.setFilters(s.channel.Filters)
			}))
		}
		switch {
		case e.drains():
			e.must(s, s.source.start())
		case e.running || e.paused || e.hello.Snapshot:
			e.must(s, s.source.hold())
		default:
			e.must(s, s.source.stop())
		}
	}
}

// must takes note of what a stream has not done: it is tried again if it hangs.
func (e *engine) must(s *stream, err error) {
	switch {
	case errors.Is(err, errHung):
		s.missed = true
	case err != nil && !errors.Is(err, errSpoolFull):
		e.log.Warn("stream does not go on as it should", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
	}
}

// each does something to all streams and returns all errors.
func (e *engine) each(do func(*stream) error) error {
	var errs []error
	for _, s := range e.streams {
		if err := do(s); err != nil {
			s.missed = s.missed || errors.Is(err, errHung)
			errs = append(errs, fmt.Errorf("stream %s_%d: %w", s.channel.Name, s.cpu, err))
		}
	}
	return errors.Join(errs...)
}

// whileHeld does something while no stream gives packets.
func (e *engine) whileHeld(do func() error) error {
	if e.paused || e.hello.Snapshot {
		return do()
	}
	again := source.start
	if !e.running {
		again = source.goOn // what waits for room
	}
	err := e.each(func(s *stream) error { return s.source.hold() })
	if !errors.Is(err, errHung) { // who hangs may still write
		err = errors.Join(err, do())
	}
	return errors.Join(err, e.each(func(s *stream) error { return again(s.source) }))
}

// tellRounds is how many times packets that tell of lost ones are sent at the end:
// on their way by UDP they may be lost as others are.
const tellRounds = 3

// stop reads what the rings still hold, and waits until it is at its place.
func (e *engine) stop(o handover.Stop) (handover.Stopped, error) {
	e.running = false
	if e.hello.Snapshot || e.paused {
		return handover.Stopped{}, nil
	}
	ctx, cancel := context.WithTimeout(e.waits, o.Settle)
	defer cancel()
	full, err := e.drain(ctx)
	if full != nil { // the streams go on when there is room
		return handover.Stopped{Unsettled: full.Error()}, err
	}
	if errors.Is(err, errHung) { // and when the file system answers
		return handover.Stopped{Unsettled: err.Error()}, nil
	}
	st := handover.Stopped{}
	// Packets that follow lost ones tell that, unless they are lost too.
	for round := range tellRounds {
		told := false
		err = errors.Join(err, e.each(func(s *stream) error {
			was, err := s.source.tell()
			told = told || was
			return err
		}))
		if round > 0 && !told {
			break
		}
		st = e.settle(o.Settle)
	}
	return st, err
}

// drain reads what the rings still hold, as the spool gets room for it, until ctx
// ends. It returns why not all is read beside other errors.
func (e *engine) drain(ctx context.Context) (full, err error) {
	for {
		full = nil
		err = errors.Join(err, e.each(func(s *stream) error {
			serr := s.source.stop()
			if !errors.Is(serr, errSpoolFull) {
				return serr
			}
			full = serr
			return nil
		}))
		if full == nil || e.out.settle(ctx) != nil {
			return full, err
		}
	}
}

// settle waits until everything that was read is at its place.
func (e *engine) settle(most time.Duration) (st handover.Stopped) {
	ctx, cancel := context.WithTimeout(e.waits, most)
	defer cancel()
	if err := e.out.settle(ctx); err != nil {
		st.Unsettled = err.Error()
	}
	return st
}

func (e *engine) pause(p handover.Pause, files []*os.File) error {
	handover.CloseAll(files)
	var err error
	if !e.paused && !e.hello.Snapshot { // a stopped one may wait for room
		err = e.each(func(s *stream) error { return s.source.hold() })
	}
	e.paused = true
	if r, ok := e.out.(*relayOutput); ok && p.Now {
		r.dropQueued()
	}
	return err
}

func (e *engine) resume() error {
	if !e.paused {
		return nil
	}
	e.paused = false
	switch {
	case e.running:
		return e.start()
	case e.hello.Snapshot:
		return nil
	}
	return e.each(func(s *stream) error { return s.source.goOn() })
}
