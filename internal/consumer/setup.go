// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

const (
	// settleTimeout is how long an output that another one has replaced is waited
	// for.
	settleTimeout = 10 * time.Second
	// endSettle is how long one is at the end of the process, when the daemon is
	// gone.
	endSettle = 2 * time.Second
	// endTimeout is how long the farewell to the relay, or the keeping of packets,
	// may take then.
	endTimeout = 2500 * time.Millisecond
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
		mailbox: m, stall: stall{s: s}, log: e.log, live: e.hello.LiveTimer, clock: clockOf(t.Options().Clock.Name),
		ring: ring, ledger: ledger, table: t, ringPages: max(int(s.channel.RingBytes)/o.SubbufBytes, 1), page: kerneltrace.PageBuffer(o.SubbufBytes), stats: make([]byte, 0, 1024),
	}
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

// reconnected gives a relay output that has lost its relay another relay. It
// reports false for an order that is about something else.
func (e *engine) reconnected(m handover.Message, files []*os.File) bool {
	var o handover.Output
	if m.Op != handover.OpOutput || json.Unmarshal(m.Body, &o) != nil || !o.Resume {
		return false
	}
	lost, ok := e.current().(*relayOutput)
	if !ok {
		handover.CloseAll(files)
		e.reply(m, nil, errNotLost)
		return true
	}
	r, err := adopt(o, files)
	if err == nil {
		err = lost.reconnect(r)
	}
	e.reply(m, nil, err)
	return true
}

// candidate is an output that may take the place of the one there is.
type candidate struct {
	out     output
	writers []packetWriter // of all streams
}

// prepare makes an output ready for all streams.
func (e *engine) prepare(o handover.Output, files []*os.File) error {
	if err := e.forget(); err != nil {
		handover.CloseAll(files)
		return err
	}
	out, err := e.newOutput(o, files)
	if err != nil {
		return err
	}
	c := &candidate{out: out}
	err = e.tellTexts(out)
	for _, s := range e.streams {
		if err != nil {
			break
		}
		var w packetWriter
		w, err = out.writer(s)
		c.writers = append(c.writers, w)
	}
	if err != nil {
		return errors.Join(err, e.drop(out))
	}
	e.next = c
	return nil
}

// tellTexts gives a new output the metadata that there are.
func (e *engine) tellTexts(out output) error {
	for _, t := range e.texts {
		if err := out.metadata(t.part, t.text); err != nil {
			return err
		}
	}
	return nil
}

// forget ends the output that was prepared, if there is one.
func (e *engine) forget() error {
	c := e.next
	if c == nil {
		return nil
	}
	e.next = nil
	return e.drop(c.out)
}

// commit gives all streams the place that was prepared, at a packet's end. The old
// one has all packets up to here, the new one those that follow.
func (e *engine) commit() error {
	c := e.next
	if c == nil {
		return errors.New("no output was prepared")
	}
	e.next = nil
	return e.whileHeld(func() error {
		old := e.out
		e.mu.Lock()
		e.out = c.out
		e.mu.Unlock()
		for i, s := range e.streams {
			s.out = c.writers[i]
		}
		if r, ok := c.out.(*relayOutput); ok {
			r.begin()
		}
		// What waits for an old relay is sent while the new output is written.
		e.retire(old)
		return nil
	})
}

// drop ends an output that was not used.
func (e *engine) drop(out output) error {
	_, err := out.close(e.ctx)
	return err
}

// newOutput makes an output of what came with an order.
func (e *engine) newOutput(o handover.Output, files []*os.File) (output, error) {
	switch o.Kind {
	case handover.OutputNone:
		handover.CloseAll(files)
		return nowhere{}, nil
	case handover.OutputDirectory:
		if err := want(handover.OpOutput, files, 1); err != nil {
			return nil, err
		}
		d := newTree(files[0], e.hello.Hang)
		d.onBack = e.catchUp
		d.onHang = func(s handover.Stuck) { e.notice(handover.NoticeStuck, s) }
		d.onFailure = func(err error) {
			if err == nil {
				e.notice(handover.NoticeWell, struct{}{})
				return
			}
			e.notice(handover.NoticeError, handover.Failure{Error: err.Error()})
		}
		return d, nil
	case handover.OutputRelay:
		r, err := adopt(o, files)
		if err != nil {
			return nil, err
		}
		q := newSpool(e.hello.SpoolMemory, o.SpoolDisk, e.spoolDir)
		q.level.tell = func(told handover.Spool) { e.notice(handover.NoticeSpool, told) }
		var out *relayOutput
		out = newRelayOutput(r, o, q, e.keeper, func(err error) {
			if e.current() == output(out) { // another one has no successor to wait for
				e.notice(handover.NoticeLost, handover.Lost{Output: o.Number, Error: err.Error()})
			}
		})
		out.tell = func(err error) { e.notice(handover.NoticeError, handover.Failure{Error: err.Error()}) }
		return out, nil
	}
	handover.CloseAll(files)
	return nil, fmt.Errorf("output of kind %q", o.Kind)
}

// adopt takes over a session on a relay.
func adopt(o handover.Output, files []*os.File) (*relay.Session, error) {
	if err := want(handover.OpOutput, files, 2); err != nil {
		return nil, err
	}
	h := relay.Handle{Control: files[0], Data: files[1]}
	if err := json.Unmarshal(o.Relay, &h.State); err != nil {
		handover.CloseAll(files)
		return nil, fmt.Errorf("state of the relay session: %w", err)
	}
	return relay.Adopt(h)
}

// retire ends an output when it is settled, beside everything else.
func (e *engine) retire(old output) {
	e.retired.Go(func() {
		ctx, stop := context.WithTimeout(e.waits, settleTimeout)
		defer stop()
		if err := old.settle(ctx); err != nil {
			e.notice(handover.NoticeError, handover.Failure{Error: "old output: " + err.Error()})
		}
		ctx, stop = context.WithTimeout(e.ctx, settleTimeout)
		defer stop()
		rest, err := old.close(ctx)
		if err != nil {
			e.notice(handover.NoticeError, handover.Failure{Error: "old output: " + err.Error()})
		}
		if rest.kept+rest.lost == 0 {
			return
		}
		if e.waits.Err() == nil {
			var told handover.Ended
			rest.addTo(&told)
			e.notice(handover.NoticeKept, told)
			return
		}
		e.closed(rest, nil) // with the rest of all
	})
}

// rotate goes on in a new chunk.
func (e *engine) rotate(r handover.Rotate, files []*os.File, how func(output, handover.Chunk, *os.File) (func() error, error)) error {
	var dir *os.File
	if len(files) > 0 {
		dir = files[0]
		handover.CloseAll(files[1:])
	}
	wait := done
	err := e.whileHeld(func() (err error) {
		wait, err = how(e.out, r.Chunk, dir)
		return err
	})
	if err != nil {
		return err
	}
	return wait()
}
