// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"context"
	"errors"
	"io"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/progress"
)

// Sizes of output packets, in bytes.
const (
	maxPacketBytes = 1 << 30 // that is held in memory
	roomBytes      = 4 << 20 // that is kept from packet to packet, at most
	pageBytes      = 4 << 10
	cursorBytes    = 256 << 10 // of an input packet, at a time
)

// progressEvents is after how many steps progress is told.
const progressEvents = 4096

// streamJob converts a stream.
type streamJob struct {
	// Immutable once run.
	in       *ctf.Stream
	class    *schema.Stream // of the output
	dir      string         // of the output
	file     string         // in it
	choice   *choice
	window   window
	progress *progress.Counter

	// Owned by run.
	takes   []take // of packets
	cur     *ctf.Cursor
	keep    func(*ctf.Event) bool // nil: all events
	w       *ctf.StreamWriter     // nil: before the first packet
	sink    *ctf.FileSink         // nil: before the first packet's end
	broken  error                 // of the sink
	packet  packetState
	lost    uint64 // events, of which the next packet tells
	skipped uint64 // packets before the next one
	raw     []byte // of a packet that is copied whole
	result  StreamResult
}

// packetState is the packet that is being converted.
type packetState struct {
	number int
	open   bool   // in the output
	whole  bool   // its content will be copied
	again  bool   // it is read a second time, after an error
	last   uint64 // time of its last event, cycles, while whole
	read   int64  // events
	kept   int64  // events
}

// newStreamJob prepares the conversion of a stream.
func newStreamJob(in *ctf.Stream, class *schema.Stream, c *choice) *streamJob {
	w := c.windowOf(in.Trace)
	j := &streamJob{in: in, class: class, choice: c, window: w, takes: takesOf(in, w, c.picksEvents())}
	j.result.Class, j.result.ID = in.Class.ID, in.ID
	return j
}

// size returns the bytes of the packets that will be read.
func (j *streamJob) size() int64 {
	var n int64
	for i, t := range j.takes {
		if t != nothing {
			n += int64(j.in.Packets[i].Size / 8)
		}
	}
	return n
}

// run converts the stream. The error is that of writing; what is wrong with the
// input ends the stream and is in the result.
func (j *streamJob) run(ctx context.Context) error {
	j.cur, j.keep = ctf.NewCursor(j.in, cursorBytes), j.choice.keep()
	defer j.cur.Close()
	err := j.all(ctx)
	if j.sink != nil {
		err = errors.Join(err, j.sink.Close())
	}
	return err
}

func (j *streamJob) all(ctx context.Context) error {
	j.seek(-1, true)
	for n := 1; !j.beyond(); n++ {
		if n%progressEvents == 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			j.progress.Events.Add(progressEvents)
		}
		kind, err := j.cur.Next()
		if err == nil {
			err = j.step(kind)
		}
		switch {
		case err == nil || j.broken == nil && j.retry(err):
		case j.broken != nil:
			return j.broken
		case errors.Is(err, io.EOF):
			return nil
		default:
			j.fail(err)
			return j.broken
		}
	}
	return nil
}

// beyond reports whether all packets that are left, and with them the end of the
// stream, are not wanted.
func (j *streamJob) beyond() bool {
	n := len(j.takes)
	return n > 0 && j.packet.number == n && j.takes[n-1] == nothing
}

// step does what the cursor's step needs; it returns io.EOF at the end.
func (j *streamJob) step(kind ctf.Kind) error {
	switch kind {
	case ctf.DiscardedEvents, ctf.DiscardedPackets:
		j.lose(j.cur.Loss())
	case ctf.PacketBegin:
		return j.begin(j.cur.Packet())
	case ctf.EventRecord:
		return j.event(j.cur.Event())
	case ctf.PacketEnd:
		return j.end(false)
	case ctf.StreamEnd:
		return io.EOF
	}
	return nil
}

// seek moves to the next packet behind one of which something is kept. Within
// tells that the cursor is not at that packet's end.
func (j *streamJob) seek(number int, within bool) {
	next := number + 1
	for next < len(j.takes) && j.takes[next] == nothing {
		next++
	}
	if within || next != number+1 {
		j.cur.SeekPacket(next)
	}
	j.packet = packetState{number: next}
}

// lose notes a loss that the output has to tell of.
func (j *streamJob) lose(l *ctf.Loss) {
	switch {
	case j.packet.again || !j.window.tells(l):
	case l.Packets:
		j.skipped += l.Count
		j.result.PacketsLost += l.Count
	case !l.Counted: // what was lost up to the first packet's end
		j.lost += j.cur.Packet().Discarded
		j.result.UncountedLosses = true
	default:
		j.lost += l.Count
		j.result.EventsDiscarded += l.Count
	}
}

// begin begins a packet of the output.
func (j *streamJob) begin(p *ctf.Packet) error {
	if j.packet.again {
		return nil
	}
	if j.w == nil {
		var err error
		if j.w, err = j.newWriter(p); err != nil {
			return err
		}
	} else {
		j.w.SkipPackets(j.skipped)
	}
	j.w.Discard(j.lost)
	j.lost, j.skipped = 0, 0
	if err := j.w.CopyMembers(p); err != nil {
		return err
	}
	begin := p.Begin
	if p.Has&ctf.HasBegin == 0 {
		begin = j.w.Now()
	}
	if err := j.w.OpenPacket(begin); err != nil {
		return err
	}
	j.packet.open, j.packet.last = true, begin
	j.result.PacketsRead++
	switch j.takes[j.packet.number] {
	case bounds:
		return j.end(true)
	case whole:
		j.packet.whole = j.w.CanCopyContent(p)
	}
	return nil
}

// newWriter makes the writer of the output, which begins with a packet like p.
func (j *streamJob) newWriter(p *ctf.Packet) (*ctf.StreamWriter, error) {
	o := ctf.StreamOptions{Name: j.file, Grow: true, MaxPacketBytes: maxPacketBytes, PadBytes: pageBytes, FirstPacket: p.Sequence}
	var largest uint64
	for i := range j.in.Packets {
		size := j.in.Packets[i].Size / 8
		largest = max(largest, size)
		if size%pageBytes != 0 {
			o.PadBytes = 1
		}
	}
	o.PacketBytes = int(min(max(largest, pageBytes), roomBytes))
	if o.Instance = j.in.ID; p.Has&ctf.HasInstanceID != 0 {
		o.Instance = p.InstanceID
	}
	return ctf.NewStreamWriter(j.class, ctf.PacketFunc(j.write), o)
}

// write takes a packet of the output.
func (j *streamJob) write(packet []byte, info ctf.PacketInfo) error {
	if j.sink == nil {
		j.sink, j.broken = ctf.CreateFileSink(j.dir, j.file)
	}
	if j.broken == nil {
		j.broken = j.sink.WritePacket(packet, info)
	}
	if j.broken == nil {
		j.result.PacketsWritten++
		j.result.Bytes += int64(len(packet))
	}
	return j.broken
}

// event converts an event.
func (j *streamJob) event(e *ctf.Event) error {
	if e.HasTime && j.window != always && !j.window.holds(e.Time) {
		if e.Time > j.window.end {
			j.forget()
			return j.end(true)
		}
		j.packet.read++
		return nil
	}
	j.packet.read++
	switch {
	case j.keep != nil && !j.keep(e):
		return nil
	case !j.packet.whole:
		if err := j.w.CopyEvent(e); err != nil {
			return err
		}
		j.packet.kept++
		return nil
	case e.HasTime && e.Cycles < j.packet.last:
		return errBackwards
	}
	j.packet.kept++
	j.packet.last = e.Cycles
	return nil
}

// forget leaves out what comes behind the window in packets that do not say when
// they are.
func (j *streamJob) forget() {
	for i := j.packet.number + 1; i < len(j.takes); i++ {
		if _, _, timed := timesOf(j.in, i); !timed {
			j.takes[i] = nothing
		}
	}
}

// errBackwards makes a packet be converted event by event: the writer says which
// one is wrong.
var errBackwards = errors.New("time goes backwards")

// end ends the packet, or leaves it, when no more is wanted of it.
func (j *streamJob) end(leave bool) error {
	p := j.cur.Packet()
	if j.packet.whole {
		var err error
		if j.raw, err = j.cur.ReadPacket(j.raw); err != nil {
			return err
		}
		if err := j.w.CopyContent(p, j.raw, j.packet.last); err != nil {
			return err
		}
	}
	err := j.endAt(p)
	j.seek(j.packet.number, leave)
	return err
}

// endAt ends the packet where it says that it does, or with its last event where
// that is later.
func (j *streamJob) endAt(p *ctf.Packet) error {
	j.progress.Done.Add(int64(p.Size / 8))
	j.result.EventsRead += j.packet.read
	end := j.w.Now()
	if p.Has&ctf.HasEnd != 0 {
		end = max(end, p.End)
	}
	if err := j.w.ClosePacket(end); err != nil {
		return err
	}
	j.result.EventsWritten += j.packet.kept
	return nil
}

// retry begins the packet again that was to be copied whole and is bad: now
// event by event, up to where that is. It reports false when there is none.
func (j *streamJob) retry(err error) bool {
	if errors.Is(err, io.EOF) || !j.packet.open || !j.packet.whole {
		return false
	}
	j.packet = packetState{number: j.packet.number, open: true, again: true}
	j.cur.SeekPacket(j.packet.number)
	return true
}

// fail ends the stream because of its input. What was converted of the packet
// stays.
func (j *streamJob) fail(err error) {
	j.result.Error = err.Error()
	if j.packet.open {
		if err := j.endAt(j.cur.Packet()); err != nil && j.broken == nil {
			j.result.Error += ", and its packet is lost: " + err.Error()
		}
	}
}
