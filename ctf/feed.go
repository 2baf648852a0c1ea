// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// ErrDrained says that a feed has no more to tell until it is given more.
var ErrDrained = errors.New("ctf: the feed is drained")

// Feed is a stream whose packets come from elsewhere than files, such as from a
// relay while the trace is recorded. Whoever owns it gives it packets, times up
// to which nothing happens, and its end; [Cursor.Next] reads them, and returns
// [ErrDrained] while there are none.
type Feed struct {
	Cursor

	packets []fedPacket // in order
	ended   bool
	skip    *PacketInfo // packets up to this one have been read before
}

// fedPacket is a packet or, without bytes, a time.
type fedPacket struct {
	bytes []byte
	until uint64 // cycles, when there are no bytes
}

// NewTrace returns a trace without files, whose streams are feeds.
func NewTrace(sch *schema.Trace, opts Options) *Trace {
	t := newTrace(sch, opts)
	t.Name = traceName(sch, "", "")
	return t
}

// NewFeed returns a stream of the trace, which does not keep it. What kind of stream it is, and its id, the
// first packet or inactivity says.
func (t *Trace) NewFeed(name string) *Feed {
	s := &Stream{Trace: t, Class: &schema.Stream{Trace: t.Schema}, Name: name}
	f := &Feed{Cursor: Cursor{stream: s}}
	f.feed = f
	return f
}

// Packet gives the next packet. The feed keeps the bytes.
func (f *Feed) Packet(b []byte) { f.packets = append(f.packets, fedPacket{bytes: b}) }

// Idle says that nothing happens in the stream, of a class, up to a value of its
// clock.
func (f *Feed) Idle(class, until uint64) error {
	if err := f.become(f.stream.Trace.Schema.Stream(class), class); err != nil {
		return err
	}
	f.packets = append(f.packets, fedPacket{until: until})
	return nil
}

// End says that there is no more to come.
func (f *Feed) End() { f.ended = true }

// Resume makes the feed go on where another one of the same stream was cut off:
// packets up to the other's last one are left out, and what is missing behind
// it is told as lost.
func (f *Feed) Resume(other *Feed) {
	f.prev = other.prev
	f.skip = other.prev
}

// Move gives the stream to another trace, whose metadata have replaced those of
// its own. Packets that wait are decoded by them.
func (f *Feed) Move(t *Trace) {
	f.stream.Trace, f.stream.plan = t, nil
}

// Waiting returns the number of packets and times that have not been read.
func (f *Feed) Waiting() int { return len(f.packets) }

// become settles the class of the stream.
func (f *Feed) become(class *schema.Stream, id uint64) error {
	s := f.stream
	if class == nil {
		return fmt.Errorf("stream %s: no stream class %d in the metadata", s.Name, id)
	}
	if s.plan != nil && s.Class == class {
		return nil
	}
	s.Class, s.plan = class, s.Trace.plan(class)
	if class.Clock != nil {
		s.time = s.Trace.timebase(class.Clock)
	}
	f.d = newDecoder(s.Name, s.plan, 0)
	return nil
}

// take opens the next packet that has not been read before. It reports whether
// there was a time instead.
func (f *Feed) take() (idle bool, until uint64, err error) {
	for len(f.packets) > 0 {
		p := f.packets[0]
		f.packets = f.packets[1:]
		if p.bytes == nil {
			return true, p.until, nil
		}
		fresh, err := f.openFed(p.bytes)
		if err != nil || fresh {
			return false, 0, err
		}
	}
	return false, 0, ErrDrained
}

// openFed opens a packet. It reports false when that has been read before.
func (f *Feed) openFed(b []byte) (fresh bool, err error) {
	raw := rawPacket{bytes: b, avail: int64(len(b))}
	class, err := f.stream.Trace.scanner().classOf(f.stream.Name, raw)
	if err != nil {
		return false, err
	}
	if err := f.become(class, class.ID); err != nil {
		return false, err
	}
	f.d.packet.Number = uint64(f.i)
	if err := f.d.open(raw); err != nil {
		return false, err
	}
	p := &f.d.packet.PacketInfo
	f.i++
	if p.Has&HasInstanceID != 0 {
		f.stream.ID, f.stream.HasID = p.InstanceID, true
	}
	if f.skip != nil && !follows(p, f.skip) {
		return false, nil
	}
	f.skip = nil
	return true, nil
}

// follows reports whether a packet comes behind another one of its stream.
func follows(p, other *PacketInfo) bool {
	switch {
	case p.Has&other.Has&HasSequence != 0:
		return p.Sequence > other.Sequence
	case p.Has&other.Has&HasBegin != 0:
		return p.Begin > other.Begin
	default:
		return true
	}
}
