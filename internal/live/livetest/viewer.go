// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Violations that end the reading: each makes babeltrace2 2.0.4 give up or
// hang.
var (
	ErrOrder    = errors.New("older than what was shown")
	ErrIndex    = errors.New("index refused")
	ErrPacket   = errors.New("packet refused")
	ErrMetadata = errors.New("metadata refused")
	ErrStreams  = errors.New("new streams refused")
	ErrOrphan   = errors.New("data streams of a trace without metadata")
)

// fetchSize is what babeltrace2 asks for at most with one GET_PACKET, in bytes.
const fetchSize = 256 << 10

// Packet is what a viewer has read of one.
type Packet struct {
	Index lttng.NextIndexReply
	Data  []byte // nil with Viewer.Discard
}

// Stream is what a viewer has read of one.
type Stream struct {
	lttng.ViewerStream
	Packets []Packet
	Bytes   int
	Ended   bool // HUP was received

	clock uint64 // nothing before it will come
	known bool   // clock is
}

// Trace is what a viewer has read of one, under one trace id.
type Trace struct {
	Metadata []byte

	meta   lttng.StreamID
	stale  bool // metadata is to be fetched
	active int  // data streams that have not ended
}

// Viewer reads one session as babeltrace2 does.
type Viewer struct {
	*Client

	// Poll is the pause when nothing was ready; 0 means 1 ms.
	Poll time.Duration
	// OldFlags ignores flags except on OK, as babeltrace2 does up to 2.0.4.
	OldFlags bool
	// Discard keeps no packet data.
	Discard bool
	// Each is called after each answer about an index, when set.
	Each func(*Stream, lttng.NextIndexReply)

	session lttng.SessionID
	streams []*Stream
	traces  map[uint64]*Trace
	newest  bool   // streams are to be asked for
	closed  bool   // GET_NEW_STREAMS has answered HUP
	shown   uint64 // time up to which events were shown
}

// Streams returns the data streams in the order of their announcement.
func (v *Viewer) Streams() []*Stream { return v.streams }

// Traces returns the traces by the ids the relay gave them.
func (v *Viewer) Traces() map[uint64]*Trace { return v.traces }

// Open connects as minor, and attaches to a session by name. It returns false
// when there is no such session.
func (v *Viewer) Open(name string, minor uint32, seek lttng.Seek) (bool, error) {
	if _, err := v.Connect(minor); err != nil {
		return false, err
	}
	list, err := v.List()
	if err != nil {
		return false, err
	}
	for _, s := range list {
		if s.Name == name {
			return true, v.attach(s.ID, seek)
		}
	}
	return false, nil
}

func (v *Viewer) attach(id lttng.SessionID, seek lttng.Seek) error {
	if st, err := v.Create(); err != nil || st != lttng.CreateOK {
		return fmt.Errorf("create viewer session: %v: %w", st, err)
	}
	r, err := v.Attach(id, seek)
	if err != nil {
		return err
	}
	if r.Status != lttng.AttachOK {
		return fmt.Errorf("attach to session %d: %v", id, r.Status)
	}
	v.session, v.traces = id, make(map[uint64]*Trace)
	v.newest = len(r.Streams) == 0
	v.add(r.Streams)
	return nil
}

func (v *Viewer) add(streams []lttng.ViewerStream) {
	for _, s := range streams {
		t := v.traces[s.TraceID]
		if t == nil {
			t = &Trace{}
			v.traces[s.TraceID] = t
		}
		if s.Metadata {
			t.meta, t.stale = s.ID, true
			continue
		}
		t.active++
		v.streams = append(v.streams, &Stream{ViewerStream: s})
	}
}

// Run reads until the session has ended, or ctx has.
func (v *Viewer) Run(ctx context.Context) error {
	pause := v.Poll
	if pause == 0 {
		pause = time.Millisecond
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		busy, err := v.Round()
		if err != nil {
			return err
		}
		if v.Done() {
			return nil
		}
		if busy {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Done reports whether the session and all its streams have ended.
func (v *Viewer) Done() bool { return v.closed && v.active() == 0 }

func (v *Viewer) active() int {
	n := 0
	for _, s := range v.streams {
		if !s.Ended {
			n++
		}
	}
	return n
}

// Round asks everything once. It reports whether a packet was read.
func (v *Viewer) Round() (busy bool, err error) {
	if (v.newest || v.active() == 0) && !v.closed {
		if err := v.askStreams(); err != nil {
			return false, err
		}
	}
	if err := v.askMetadata(); err != nil {
		return false, err
	}
	for _, s := range v.streams {
		if s.Ended {
			continue
		}
		read, err := v.ask(s)
		if err != nil {
			return false, err
		}
		busy = busy || read
	}
	return busy, nil
}

func (v *Viewer) askStreams() error {
	r, err := v.NewStreams(v.session)
	if err != nil {
		return err
	}
	switch r.Status {
	case lttng.NewStreamsOK:
		v.add(r.Streams)
	case lttng.NewStreamsHangup:
		v.closed = true
	default:
		return fmt.Errorf("%w: %v", ErrStreams, r.Status)
	}
	v.newest = false
	for id, t := range v.traces {
		if t.active > 0 && t.meta == 0 {
			return fmt.Errorf("%w: trace %d", ErrOrphan, id)
		}
	}
	return nil
}

// askMetadata fetches the metadata of traces that have news, until there is
// none.
func (v *Viewer) askMetadata() error {
	for id, t := range v.traces {
		for t.stale {
			r, b, err := v.Metadata(t.meta)
			if err != nil {
				return err
			}
			switch {
			case r.Status == lttng.MetadataNone:
				t.stale = false
			case r.Status == lttng.MetadataOK && len(b) > 0:
				t.Metadata = append(t.Metadata, b...)
			case len(t.Metadata) > 0 && r.Status == lttng.MetadataError:
				t.stale = false
			default:
				return fmt.Errorf("%w: trace %d: %v of %d bytes", ErrMetadata, id, r.Status, len(b))
			}
		}
	}
	return nil
}

// ask asks for the next packet of a stream and reads it.
func (v *Viewer) ask(s *Stream) (bool, error) {
	r, err := v.NextIndex(s.ID)
	if err != nil {
		return false, err
	}
	if r.Status == lttng.IndexOK || !v.OldFlags {
		if r.Flags&lttng.FlagNewMetadata != 0 {
			v.traces[s.TraceID].stale = true
		}
		v.newest = v.newest || r.Flags&lttng.FlagNewStream != 0
	}
	if v.Each != nil {
		v.Each(s, r)
	}
	switch r.Status {
	case lttng.IndexOK:
		return true, v.take(s, r)
	case lttng.IndexInactive:
		return false, v.advance(s, r.TimestampEnd)
	case lttng.IndexRetry: // its time stands still
	case lttng.IndexHangup:
		v.hangup(s)
	default:
		return false, fmt.Errorf("%w: stream %d: %v", ErrIndex, s.ID, r.Status)
	}
	return false, nil
}

// hangup ends a stream. A trace without streams is forgotten.
func (v *Viewer) hangup(s *Stream) {
	s.Ended = true
	t := v.traces[s.TraceID]
	if t.active--; t.active == 0 {
		t.meta, t.stale = 0, false
	}
}

// take reads a packet after the streams and the metadata that its index
// announced.
func (v *Viewer) take(s *Stream, r lttng.NextIndexReply) error {
	if v.newest {
		if err := v.askStreams(); err != nil {
			return err
		}
	}
	if err := v.askMetadata(); err != nil {
		return err
	}
	p := Packet{Index: r}
	for at, end := r.Offset, r.Offset+r.PacketSize/8; at < end; {
		pr, b, err := v.Packet(s.ID, at, uint32(min(end-at, fetchSize)))
		if err != nil {
			return err
		}
		if pr.Status != lttng.PacketOK || len(b) == 0 {
			return fmt.Errorf("%w: stream %d at %d: %v of %d bytes", ErrPacket, s.ID, at, pr.Status, len(b))
		}
		at += uint64(len(b))
		s.Bytes += len(b)
		if !v.Discard {
			p.Data = append(p.Data, b...)
		}
	}
	s.Packets = append(s.Packets, p)
	if err := v.order(s, r.TimestampBegin); err != nil {
		return err
	}
	return v.advance(s, r.TimestampEnd)
}

// order checks that a time of a stream is not in the past.
func (v *Viewer) order(s *Stream, at uint64) error {
	if at < v.shown || s.known && at < s.clock {
		return fmt.Errorf("%w: stream %d at %d, its time is %d, shown up to %d", ErrOrder, s.ID, at, s.clock, v.shown)
	}
	return nil
}

// advance moves the time of a stream on, and with it what can be shown: events
// up to the earliest time of all streams.
func (v *Viewer) advance(s *Stream, to uint64) error {
	if err := v.order(s, to); err != nil {
		return err
	}
	s.clock, s.known = to, true
	least := to
	for _, o := range v.streams {
		switch {
		case o.Ended:
		case !o.known:
			return nil
		default:
			least = min(least, o.clock)
		}
	}
	v.shown = max(v.shown, least)
	return nil
}
