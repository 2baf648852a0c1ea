// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// PacketSink takes the packets of a data stream, complete, in order.
type PacketSink interface {
	// WritePacket takes a packet, which the writer reuses after the call; info
	// tells what its header and context say. After an error the packet counts
	// as lost, the writer goes on with the next one at the same offset.
	WritePacket(packet []byte, info PacketInfo) error
}

// PacketFunc is a function that is a [PacketSink].
type PacketFunc func(packet []byte, info PacketInfo) error

// WritePacket implements [PacketSink].
func (f PacketFunc) WritePacket(packet []byte, info PacketInfo) error { return f(packet, info) }

// Defaults of [StreamOptions].
const (
	DefaultPacketBytes = 64 << 10
	DefaultPadBytes    = 4 << 10
)

// StreamOptions says how a data stream is written. The zero value is usable.
type StreamOptions struct {
	Name     string // in errors; "": the stream class's id
	Instance uint64 // stream_instance_id; the CPU in a trace of LTTng's

	// PacketBytes is where a packet is full; 0: DefaultPacketBytes.
	PacketBytes int
	// MaxPacketBytes is how large the packet of one large event may become; a
	// larger event is refused. 0: PacketBytes, no packet is larger.
	MaxPacketBytes int
	// Grow is true where packets that are full do not end, but become larger, up
	// to MaxPacketBytes.
	Grow bool
	// PadBytes is what packet sizes are multiples of; 0: DefaultPadBytes, at
	// most PacketBytes.
	PadBytes int

	// Of a stream that goes on, as after a rotation: its next packet number and
	// its events discarded so far.
	FirstPacket, Discarded uint64
}

func (o StreamOptions) withDefaults(class *schema.Stream) StreamOptions {
	if o.Name == "" {
		o.Name = strconv.FormatUint(class.ID, 10)
	}
	if o.PacketBytes <= 0 {
		o.PacketBytes = DefaultPacketBytes
	}
	o.MaxPacketBytes = max(o.MaxPacketBytes, o.PacketBytes)
	if o.PadBytes <= 0 {
		o.PadBytes = min(DefaultPadBytes, o.PacketBytes)
	}
	return o
}

// StreamWriter writes the packets of one data stream. It is not safe for
// concurrent use; writers of different streams are independent, also where they
// share a schema.
//
// Time is in cycles of the stream's clock. It must not go backwards.
type StreamWriter struct {
	// Immutable after NewStreamWriter.
	name    string
	class   *schema.Stream
	sink    PacketSink
	opts    StreamOptions
	plan    *encStream
	shape   headerShape
	layouts []headerLayout
	timed   bool // event headers carry the time
	ticks   headerTicks
	clocked bool // headers or packets do
	roles   packetRoles

	events []*encEvent          // by id, of small ids
	others map[uint64]*encEvent // of the rest
	enc    encoder
	ew     EventWriter
	buf    []byte // memory of packets
	closed bool
	packet openPacket

	last      uint64 // time of the last event, or end of the last packet
	discarded uint64 // events lost so far
	told      uint64 // of those, by the last packet written
	sequence  uint64 // number of the packet to come
	number    uint64 // packets written
	offset    int64  // bytes written
}

// NewStreamWriter makes a writer of a data stream, which begins with its first
// packet: nothing is written yet. Classes of events may be added to the schema
// while it is in use, by the goroutine that uses it.
func NewStreamWriter(class *schema.Stream, sink PacketSink, o StreamOptions) (*StreamWriter, error) {
	o = o.withDefaults(class)
	w := &StreamWriter{name: o.Name, class: class, sink: sink, opts: o, others: map[uint64]*encEvent{}}
	var err error
	if w.plan, err = compileStream(class); err == nil {
		w.layouts, err = headerLayouts(class.EventHeader)
	}
	if err == nil {
		err = w.initPacket()
	}
	if err != nil {
		return nil, w.refusal(nil, "", err.Error(), "another class", ErrClass)
	}
	w.shape = shapeOf(class.EventHeader)
	w.ticks = ticksOf(class)
	for _, l := range w.layouts {
		w.timed = w.timed || len(l.times) > 0
	}
	w.clocked = w.timed || w.roles.has(schema.RoleTimestampBegin) || w.roles.has(schema.RoleTimestampEnd)
	w.sequence, w.discarded, w.told = o.FirstPacket, o.Discarded, o.Discarded
	w.enc.refs = make([]encRef, len(w.plan.refs))
	w.ew = EventWriter{w: w, block: encNothing}
	return w, nil
}

// Event begins an event of a class at a time in cycles. The event writer is
// valid until its [EventWriter.End]; there is one for each stream writer. The
// time is not used where the stream has none.
func (w *StreamWriter) Event(class *schema.Event, cycles uint64) *EventWriter {
	p := w.eventPlan(class)
	if p == nil {
		p, err := w.newEventPlan(class)
		if err != nil {
			w.ew.begin(&encEvent{class: class}, cycles)
			w.ew.failed = err // the class has no fields then: all calls do nothing
			return &w.ew
		}
		w.ew.begin(p, cycles)
		return &w.ew
	}
	w.ew.begin(p, cycles)
	return &w.ew
}

// WriteFrame writes an event that is a frame, as a reader hands it out and
// "Decoded form" in the package comment says: the scopes EventContext,
// EventSpecific and EventPayload one behind the other.
func (w *StreamWriter) WriteFrame(class *schema.Event, cycles uint64, f *Frame) error {
	p := w.eventPlan(class)
	if p == nil {
		var err error
		if p, err = w.newEventPlan(class); err != nil {
			return err
		}
	}
	return w.write(p, cycles, f, nil)
}

// maxDenseEvents bounds the table of plans by event id.
const maxDenseEvents = 1 << 12

func (w *StreamWriter) eventPlan(class *schema.Event) *encEvent {
	var p *encEvent
	if class.ID < uint64(len(w.events)) {
		p = w.events[class.ID]
	} else if class.ID >= maxDenseEvents {
		p = w.others[class.ID]
	}
	if p == nil || p.class != class {
		return nil
	}
	return p
}

func (w *StreamWriter) newEventPlan(class *schema.Event) (*encEvent, error) {
	if class.Stream != w.class {
		return nil, w.refusal(class, "", "an event class of another stream class", "one of stream class "+strconv.FormatUint(w.class.ID, 10), ErrClass)
	}
	p, err := w.plan.compileEvent(class)
	if err == nil && !w.canSayID(class.ID) {
		err = fmt.Errorf("id %d, which the event header cannot say", class.ID)
	}
	if err != nil {
		return nil, w.refusal(class, "", err.Error(), "another class", ErrClass)
	}
	p.copies, p.ticks = isMovable(class), updatesClock(class)
	p.clear = p.refs > len(w.plan.refs) || p.header || w.shape == generalHeader
	if n := p.refs - len(w.enc.refs); n > 0 {
		w.enc.refs = append(w.enc.refs, make([]encRef, n)...)
	}
	if class.ID >= maxDenseEvents {
		w.others[class.ID] = p
		return p, nil
	}
	if n := int(class.ID) + 1 - len(w.events); n > 0 {
		w.events = append(w.events, make([]*encEvent, n)...)
	}
	w.events[class.ID] = p
	return p, nil
}

func (w *StreamWriter) canSayID(id uint64) bool {
	for i := range w.layouts {
		if w.layouts[i].setID(id) {
			return true
		}
	}
	return len(w.layouts) == 0 && id == 0
}

// write puts an event into the packet, or into the next when it has no room: a
// frame, as it was read in an event or not.
func (w *StreamWriter) write(p *encEvent, cycles uint64, f *Frame, read *Event) error {
	if w.closed {
		return w.refusal(p.class, "", "", "", ErrClosed)
	}
	if w.clocked && cycles < w.last {
		return w.backwards(p.class, cycles)
	}
	for {
		if !w.packet.open {
			if err := w.OpenPacket(cycles); err != nil {
				return err
			}
		}
		m := w.enc.mark()
		ok := w.roles.canEnd(w.packet.begin, cycles) || w.enc.stop(encNoHeader, encHeaderOp, 0, 0)
		if ok && w.event(p, cycles, f, read) {
			if w.enc.pos == m.pos {
				return w.refusal(p.class, "", "an event of no bits", "a field or a header, else no reader can see it", ErrClass)
			}
			w.last = max(w.last, cycles)
			w.packet.events++
			return nil
		}
		w.enc.reset(m)
		if again, err := w.makeRoom(p.class, cycles); !again {
			return err
		}
	}
}

func (w *StreamWriter) backwards(class *schema.Event, cycles uint64) error {
	return w.refusal(class, "", strconv.FormatUint(cycles, 10)+" cycles", "at least the "+strconv.FormatUint(w.last, 10)+" that were", ErrTime)
}

// event puts an event at the position. It reports false where it stopped.
func (w *StreamWriter) event(p *encEvent, cycles uint64, f *Frame, read *Event) bool {
	if read != nil && p.copies && w.enc.pos&7 == 0 {
		if done, ok := w.copyBytes(p, read); done {
			return ok
		}
	}
	if p.clear {
		clear(w.enc.refs[w.plan.kept:p.refs])
	}
	if read != nil && read.from != nil && w.sameTime(p, read) {
		if !w.copyHeader(read) {
			return false
		}
	} else if !w.header(p, cycles) {
		return false
	}
	w.enc.words, w.enc.data = f.Words, f.Data
	return w.enc.encode(&p.body, 0)
}

// makeRoom does what lets an event be written that the encoder could not write:
// it ends the packet or enlarges it. It reports false, with an error, when that
// is no help.
func (w *StreamWriter) makeRoom(class *schema.Event, cycles uint64) (bool, error) {
	p := &w.packet
	switch w.enc.fault.kind {
	case encFull:
		if w.roles.sized && p.events > 0 && !w.opts.Grow {
			break
		}
		if !w.grow() {
			return false, w.refusal(class, w.enc.fault.op.field, "", "", ErrTooLarge)
		}
		return true, nil
	case encNoHeader:
		if w.roles.sized && (p.events > 0 || p.begin != cycles) {
			break
		}
		return false, w.refusal(class, "", strconv.FormatUint(cycles, 10)+" cycles",
			"a time that the header's fields can say after "+strconv.FormatUint(w.enc.clock, 10), ErrTime)
	default:
		return false, w.faultError(class)
	}
	err := w.ClosePacket(w.last)
	return err == nil, err
}

// Discard counts events that were lost and will not be written. The next packet
// that ends says so.
func (w *StreamWriter) Discard(events uint64) { w.discarded += events }

// Now is the time of the last event, or the end of the last packet where that is
// later, in cycles: nothing can be written before it.
func (w *StreamWriter) Now() uint64 { return w.last }

// SkipPackets leaves a hole in the packets' numbers for packets that were lost.
func (w *StreamWriter) SkipPackets(packets uint64) { w.sequence += packets }

// Close ends the packet that is open, if any, at the time of the last event. If
// events were discarded since, an empty packet says so.
func (w *StreamWriter) Close() error {
	if w.closed {
		return nil
	}
	var err error
	if !w.packet.open && w.discarded != w.told && w.roles.has(schema.RoleEventsDiscarded) {
		err = w.OpenPacket(w.last)
	}
	if err == nil {
		err = w.ClosePacket(w.last)
	}
	w.closed = true
	return err
}
