// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// table is what a channel's events are like.
type table struct {
	*kerneltrace.Table

	tasks *kerneltrace.Tasks // of all channels
}

// addChannel takes note of a channel, and of the table of its events.
func (e *engine) addChannel(c handover.Channel, files []*os.File) error {
	if c.Feed {
		return e.addFeed(handover.OpChannel, c, files)
	}
	if e.channels[c.ID] != nil {
		handover.CloseAll(files)
		return fmt.Errorf("channel %d exists already", c.ID)
	}
	switch {
	case c.ReadTimer > 0:
	case c.Shared:
		c.ReadTimer = readPeriod
	default:
		c.ReadTimer = defaultReadTimer
	}
	if c.Ring {
		b, err := blob(handover.OpChannel, files)
		if err != nil {
			return err
		}
		t := &table{new(kerneltrace.Table), &e.tasks}
		if err := t.UnmarshalBinary(b); err != nil {
			return err
		}
		e.tables[c.ID] = t
		e.uuid = t.Options().UUID
	} else if err := want(handover.OpChannel, files, 0); err != nil {
		return err
	}
	e.channels[c.ID] = &channel{Channel: c}
	return nil
}

// extendTable takes note of more events.
func (e *engine) extendTable(c handover.Channel, files []*os.File) error {
	if c.Feed {
		return e.addFeed(handover.OpTable, c, files)
	}
	b, err := blob(handover.OpTable, files)
	if err != nil {
		return err
	}
	t := e.tables[c.ID]
	if t == nil {
		return fmt.Errorf("channel %d has no table", c.ID)
	}
	if err := t.Extend(b); err != nil {
		return err
	}
	e.channels[c.ID].Filters = c.Filters
	for _, s := range e.channels[c.ID].streams {
		if d, ok := s.source.(*drain); ok {
			err := d.call(func() error { return d.setFilters(c.Filters) })
			if errors.Is(err, errHung) {
				s.missed = true // and converts nothing until it is made up for
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// addStream takes over a ring or a socket of packets.
func (e *engine) addStream(o handover.Stream, files []*os.File) error {
	if o.Channel == handover.FeedChannel && e.feeder != nil {
		return e.feeder.add(o, files)
	}
	c := e.channels[o.Channel]
	if c == nil {
		handover.CloseAll(files)
		return fmt.Errorf("stream of channel %d, which does not exist", o.Channel)
	}
	s := &stream{channel: c, cpu: o.CPU, class: uint64(c.ID), in: e.part(o.Part)}
	if c.Shared {
		s.class = uint64(o.Class)
	}
	if old := c.find(s); old != nil { // the daemon has not got the answer
		handover.CloseAll(files)
		return e.join(old)
	}
	if c.Ring || c.Shared { // weir's own domain would tell itself again
		s.losses = e.losses
	}
	var err error
	switch {
	case c.Ring:
		s.source, err = e.newDrain(s, o, files)
	case c.Shared:
		s.source, err = e.newShared(s, o, files)
	default:
		s.source, err = e.newIntake(s, files)
	}
	if err != nil {
		return err
	}
	w, err := e.out.writer(s)
	if err != nil {
		return errors.Join(err, s.source.close())
	}
	s.out = w
	c.streams = append(c.streams, s)
	e.mu.Lock()
	e.streams = append(e.streams, s)
	e.mu.Unlock()
	return e.join(s)
}

// join has a stream that has come while others are read be read too.
func (e *engine) join(s *stream) error {
	if e.drains() {
		return s.source.start()
	}
	return nil
}

// newDrain begins to wait for a ring.
func (e *engine) newDrain(s *stream, o handover.Stream, files []*os.File) (source, error) {
	if err := want(handover.OpStream, files, 3); err != nil {
		return nil, err
	}
	ledger, err := handover.OpenLedger(files[2])
	if err != nil {
		handover.CloseAll(files[:2])
		return nil, err
	}
	ring, err := tracefs.NewRing(files[0], files[1], o.SubbufBytes)
	if err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	m, err := newMailbox()
	if err != nil {
		return nil, errors.Join(err, ring.Close(), ledger.Close())
	}
	t := e.tables[o.Channel]
	d := &drain{
		rounds: rounds{mailbox: m, stall: stall{s: s}, log: e.log}, live: e.hello.LiveTimer, clock: clockOf(t.Options().Clock.Name),
		ring: ring, ledger: ledger, table: t, ringPages: max(int(s.channel.RingBytes)/o.SubbufBytes, 1), page: kerneltrace.PageBuffer(o.SubbufBytes), stats: make([]byte, 0, 1024),
	}
	d.of = d
	gone, told := ledger.Lost(), uint64(0)
	if o.Resumed {
		told = ledger.Told()
	}
	first, err := d.resume(o.Resumed)
	if err != nil {
		return nil, errors.Join(err, ring.Close(), ledger.Close())
	}
	s.first.Store(first + 1)
	d.conv = kerneltrace.NewConverter(t.Table, kerneltrace.ConverterOptions{
		CPU: o.CPU, PacketBytes: s.channel.PacketBytes, FirstPacket: first, NotBefore: ledger.End(), Tasks: t.tasks,
		TID: int32(os.Getpid()), Discarded: told,
	}, d)
	if d.gone > gone {
		d.conv.Lose(d.gone - gone)
	}
	d.sieve = sieve{conv: d.conv, table: t.Table}
	if s.channel.Tell {
		d.matches = &matches{notice: e.notice}
		d.sieve.seen = func([]byte) { d.matches.events++ }
	}
	e.sift(d)
	if err := d.setFilters(s.channel.Filters); err != nil {
		return nil, errors.Join(err, ring.Close(), ledger.Close())
	}
	giveProcessors(len(e.streams) + 1)
	go d.run() // until close
	return d, nil
}

// giveProcessors sees to a processor of Go's scheduler for each ring, and some to
// spare: who waits in a system call keeps his as long as another one is idle, and
// finds one when he comes back.
func giveProcessors(rings int) {
	const spare = 2
	if rings+spare > runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(rings + spare)
	}
}

// clockOf is the clock that the kernel's time stamps of a trace are of.
func clockOf(name string) int32 {
	switch name {
	case "boot", "boottime":
		return unix.CLOCK_BOOTTIME
	case "tai":
		return unix.CLOCK_TAI
	case "monotonic_raw", "mono_raw":
		return unix.CLOCK_MONOTONIC_RAW
	}
	return unix.CLOCK_MONOTONIC
}
