// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// ErrStale says that a trace that grows is ahead of the last [Set.Refresh]: a file
// has moved, or an event is of a class whose declaration has not been read. The
// cursor tries the same step again when it is called next.
var ErrStale = errors.New("ctf: the trace has to be refreshed")

// Cursor reads a data stream from one end to the other. It is a pull reader:
// [Cursor.Next] steps, the other methods tell what the step found. Nothing of
// it is safe for concurrent use; cursors of different streams are independent.
type Cursor struct {
	stream *Stream

	d     *decoder
	feed  *Feed // where packets come from, nil: from the stream's files
	file  *os.File
	state cursorState
	i     int         // packet to open next
	prev  *PacketInfo // the packet before it
	loss  [2]Loss     // to be told before the packet begins
	from  [2]int64    // time of each
	nloss int
	err   error

	kind  Kind
	timed bool
	time  int64
	lost  Loss
}

type cursorState uint8

const (
	atStart cursorState = iota
	betweenPackets
	telling // losses, then the packet's begin
	inPacket
	ended
)

// NewCursor returns a cursor at the begin of a stream. It holds window bytes of
// a packet at a time, more only where one event needs it; what a set gives a single
// stream, 256 KiB, when window is not positive.
func NewCursor(s *Stream, window int) *Cursor {
	if window <= 0 {
		window = maxWindow
	}
	c := &Cursor{stream: s}
	if s.plan != nil {
		c.d = newDecoder(s.Name, s.plan, window)
	}
	return c
}

// SeekTime moves the cursor to the first packet that may hold an event at or
// after a time. Events before that time may still come. It is for cursors that
// have not been read from.
func (c *Cursor) SeekTime(ns int64) {
	c.i = c.stream.find(ns)
	if c.i > 0 {
		prev := c.stream.Packets[c.i-1]
		c.prev = &prev
		c.d.m.clock = prev.End
	}
}

// Next steps to the next thing in the stream and returns what it is. After the
// last, [StreamEnd], it returns [io.EOF]. What lies before a bad packet comes
// before its error, a [*PacketError]; the error stays.
//
// Streams of traces that grow ([Options].Growing) have no end: there [io.EOF]
// means that this is all for now, and the cursor goes on once [Set.Refresh] has
// found more. [ErrStale] does not stay either.
func (c *Cursor) Next() (Kind, error) {
	if c.state != inPacket {
		return c.step()
	}
	if !c.d.quick() { // decoder.next, without a call more
		ok, err := c.d.slow()
		switch {
		case err != nil && c.d.m.fault.kind == faultEventID:
			return c.stale(err)
		case err != nil:
			return c.fail(err)
		case !ok:
			return c.endPacket()
		}
	}
	c.kind = EventRecord
	if ev := &c.d.event; ev.HasTime {
		var err error
		if tb := &c.stream.time; ev.Cycles <= tb.plain {
			ev.Time = tb.base + int64(ev.Cycles)
		} else if ev.Time, err = tb.ns(ev.Cycles); err != nil {
			return c.fail(err)
		}
		c.time = ev.Time
	}
	return EventRecord, nil
}

func (c *Cursor) step() (Kind, error) {
	switch c.state {
	case atStart:
		c.state = betweenPackets
		return c.is(StreamBegin, 0, false)
	case betweenPackets:
		if c.err != nil {
			return 0, c.err
		}
		if c.feed != nil {
			return c.nextFed()
		}
		for c.i < len(c.stream.Packets) && c.stream.isGone(&c.stream.Packets[c.i]) {
			c.i++
		}
		if c.i >= len(c.stream.Packets) {
			if c.stream.err != nil {
				return c.fail(c.stream.err)
			}
			if c.stream.Trace.opts.Growing {
				return 0, io.EOF
			}
			c.state = ended
			c.Close()
			return c.is(StreamEnd, 0, false)
		}
		if err := c.openPacket(); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return c.stale(err) // moved by a rotation
			}
			return c.fail(err)
		}
		c.state = telling
		return c.step()
	case telling:
		if c.nloss > 0 {
			c.nloss--
			c.lost = c.loss[c.nloss]
			kind := DiscardedEvents
			if c.lost.Packets {
				kind = DiscardedPackets
			}
			return c.is(kind, c.from[c.nloss], c.lost.HasRange)
		}
		c.state = inPacket
		p := &c.d.packet
		return c.clocked(PacketBegin, p.Begin, p.Has&HasBegin != 0)
	default:
		return 0, io.EOF
	}
}

// nextFed steps to what the feed has been given.
func (c *Cursor) nextFed() (Kind, error) {
	idle, until, err := c.feed.take()
	switch {
	case err == ErrDrained && c.feed.ended:
		c.state = ended
		return c.is(StreamEnd, 0, false)
	case err == ErrDrained:
		return 0, err
	case err != nil:
		return c.fail(err)
	case idle:
		return c.clocked(Inactivity, until, true)
	}
	c.begun()
	c.state = telling
	return c.step()
}

func (c *Cursor) is(k Kind, at int64, timed bool) (Kind, error) {
	c.kind, c.timed = k, timed
	if timed {
		c.time = at
	}
	return k, nil
}

// clocked is a step at a value of the stream's clock.
func (c *Cursor) clocked(k Kind, cycles uint64, timed bool) (Kind, error) {
	if !timed || !c.stream.Clocked() {
		return c.is(k, 0, false)
	}
	ns, err := c.stream.time.ns(cycles)
	if err != nil {
		return c.fail(err)
	}
	return c.is(k, ns, true)
}

// stale is what a step gives that finds a trace other than the last refresh did.
func (c *Cursor) stale(err error) (Kind, error) {
	if !c.stream.Trace.opts.Growing || c.feed != nil {
		return c.fail(err)
	}
	c.d.m.fault = fault{} // what comes next may be good
	return 0, fmt.Errorf("%w: %w", ErrStale, err)
}

func (c *Cursor) fail(err error) (Kind, error) {
	c.Close()
	c.err = err
	c.state = betweenPackets
	return 0, err
}

// openPacket opens the next packet and finds out what was lost before it.
func (c *Cursor) openPacket() error {
	p := &c.stream.Packets[c.i]
	f, raw, err := c.stream.openPacket(c.file, c.i)
	if err != nil {
		return err
	}
	c.file = f
	raw.info = p
	if err := c.d.open(raw); err != nil {
		return err
	}
	if c.d.packet.Size != p.Size {
		return c.d.bad(0, "packet_size", strconv.FormatUint(c.d.packet.Size, 10)+" bits", "the "+strconv.FormatUint(p.Size, 10)+" that the index says")
	}
	c.i++
	c.d.packet.Number, c.d.packet.File = p.Number, p.File
	if c.stream.Trace.quirks != (quirks{}) {
		c.d.packet.Begin, c.d.packet.End = p.Begin, p.End // as mended
	}
	c.begun()
	return nil
}

// begun prepares for the events of the packet that the decoder has opened.
func (c *Cursor) begun() {
	p := &c.d.packet
	c.d.event.HasTime = c.stream.Clocked()
	c.timed = c.d.event.HasTime
	c.nloss = 0
	c.findLosses(p)
	info := p.PacketInfo
	c.prev = &info
}

// findLosses compares the counters of a packet with those of the one before.
// The losses are told in the opposite order: events first.
func (c *Cursor) findLosses(p *Packet) {
	if prev := c.prev; prev != nil && p.Has&prev.Has&HasSequence != 0 && p.Sequence > prev.Sequence+1 {
		c.lose(Loss{Packets: true, Count: p.Sequence - prev.Sequence - 1, Counted: true}, prev, p.Begin, HasBegin)
	}
	switch prev := c.prev; {
	case p.Has&HasDiscarded == 0:
	case prev == nil:
		if p.Discarded > 0 {
			first := p.PacketInfo
			first.End, first.Has = p.Begin, p.Has&^HasEnd
			if p.Has&HasBegin != 0 {
				first.Has |= HasEnd
			}
			c.lose(Loss{}, &first, p.End, HasEnd)
		}
	case prev.Has&HasDiscarded != 0 && p.Discarded != prev.Discarded:
		c.lose(Loss{Count: p.Discarded - prev.Discarded, Counted: true}, prev, p.End, HasEnd)
	}
}

// lose notes a loss between the end of a packet and a value of the clock that
// the packet now open has or has not.
func (c *Cursor) lose(l Loss, prev *PacketInfo, to uint64, has PacketFields) {
	if c.stream.Clocked() && prev.Has&HasEnd != 0 && c.d.packet.Has&has != 0 {
		from, err1 := c.stream.time.ns(prev.End)
		until, err2 := c.stream.time.ns(to)
		l.From, l.To, l.HasRange = from, until, err1 == nil && err2 == nil
	}
	c.loss[c.nloss], c.from[c.nloss] = l, l.From
	c.nloss++
}

func (c *Cursor) endPacket() (Kind, error) {
	c.state = betweenPackets
	c.d.finish()
	p := &c.d.packet
	c.prev.End = p.End
	return c.clocked(PacketEnd, p.End, p.Has&HasEnd != 0)
}

// Stream returns the stream that the cursor reads.
func (c *Cursor) Stream() *Stream { return c.stream }

// Class returns the class of the event of the last step.
func (c *Cursor) Class() *schema.Event { return c.d.event.Class }

// Kind returns what the last step found.
func (c *Cursor) Kind() Kind { return c.kind }

// Time returns the time of what the last step found, in ns from the clock's
// origin, and whether it has one.
func (c *Cursor) Time() (int64, bool) {
	if c.kind == EventRecord {
		return c.time, c.d.event.HasTime
	}
	return c.time, c.timed
}

// Event returns the event of the last step, valid until the next one.
func (c *Cursor) Event() *Event { return &c.d.event }

// Packet returns the packet of the last step, valid until the next packet.
func (c *Cursor) Packet() *Packet { return &c.d.packet }

// Loss returns what was lost, when the last step was DiscardedEvents or
// DiscardedPackets.
func (c *Cursor) Loss() *Loss { return &c.lost }

// Close closes the file that the cursor has open. Reading on opens it again.
func (c *Cursor) Close() error {
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file = nil
	return err
}

// openPacket opens the file of a packet, unless f is it already.
func (s *Stream) openPacket(f *os.File, i int) (*os.File, rawPacket, error) {
	p := &s.Packets[i]
	path := s.Files[p.File]
	if f == nil || f.Name() != path {
		if f != nil {
			f.Close()
		}
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, rawPacket{}, err
		}
	}
	return f, rawPacket{data: f, offset: p.Offset, avail: int64(p.Size / 8)}, nil
}

// never is before every time.
const never = math.MinInt64
