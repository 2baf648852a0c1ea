// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// metadataChannel is the name that makes a stream one of metadata.
const metadataChannel = "metadata"

// StreamOptions describes a stream. Channel is required.
type StreamOptions struct {
	// Channel is the name of the stream's file, as a rule CHANNEL_CPU; exactly
	// "metadata" for the metadata of the streams with the same path.
	Channel string
	// Path is the directory of the file in a chunk, such as "kernel".
	Path string

	TracefileSize  uint64 // bytes, 0 = one file; ignored below minor 2
	TracefileCount uint64 // files, 0 = all are kept

	ClassID  uint64 // CTF stream class where a packet does not tell, and of beacons
	Instance uint64 // stream instance where a packet does not tell: the CPU

	// Of a metadata stream.
	TraceUUID [16]byte // of the trace, for packets of metadata
	BigEndian bool     // byte order of the trace, for packets of metadata
	Form      MetadataForm
}

func (o StreamOptions) metadata() bool { return o.Channel == metadataChannel }

// Stream is a stream of a [Session].
type Stream struct {
	// Immutable.
	s     *Session
	o     StreamOptions
	first uint64 // packet number that goes with net_seq_num 0

	// Guarded by s.mu.
	id         lttng.StreamID // changed by rotations before the first packet
	parked     bool           // the relay does not have it between two chunks
	sent       uint64         // packets; the next one's net_seq_num
	nextNumber uint64         // packet number after the last one sent or resumed; 0 before any
	confirmed  uint64
	stored     uint64
	lost       uint64
	version    uint64 // of metadata
	closed     bool

	flights []*flight // guarded by s.udp.mu; packets under way by UDP, in their order
}

// AddStreams announces streams and, unless the session is a snapshot, lets
// viewers see them. Metadata streams go last. A session that has had no chunk
// gets its first one; one that is a snapshot has to be given it before.
func (s *Session) AddStreams(ctx context.Context, options ...StreamOptions) ([]*Stream, error) {
	if err := s.firstChunk(ctx); err != nil {
		return nil, err
	}
	added := make([]*Stream, len(options))
	for i, o := range options {
		if err := s.checkStream(o); err != nil {
			return nil, err
		}
		added[i] = &Stream{s: s, o: o}
	}
	if err := s.announce(ctx, added); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.streams = append(s.streams, added...)
	s.mu.Unlock()
	return added, nil
}

// announce gets handles for streams in the chunk that was opened last.
func (s *Session) announce(ctx context.Context, streams []*Stream) error {
	replies := make([]lttng.StreamReply, len(streams))
	waiting := make([]call, len(streams))
	for i, st := range streams {
		waiting[i] = newCall(lttng.CmdAddStream, st, &replies[i], parseStreamReply)
	}
	chunk := s.chunk()
	err := s.post(ctx, lttng.CmdAddStream, nil, func(b []byte) []byte {
		for _, st := range streams {
			m := lttng.AddStream{
				Channel: st.o.Channel, Path: s.streamPath(st.o), Chunk: chunk,
				TracefileSize: st.o.TracefileSize, TracefileCount: st.o.TracefileCount,
			}
			b = lttng.AppendRequest(b, lttng.CmdAddStream, func(b []byte) []byte { return m.Append(b, s.minor) })
		}
		return b
	}, waiting...)
	if err != nil {
		return err
	}
	for i, st := range streams {
		if err := s.await(ctx, waiting[i]); err != nil {
			return err
		}
		s.mu.Lock()
		st.id, st.parked = replies[i].Stream, false
		s.mu.Unlock()
	}
	if !s.indexed() {
		return nil
	}
	return s.do(ctx, lttng.CmdStreamsSent, nil, nil)
}

// parseStreamReply takes a refusal for an error.
func parseStreamReply(b []byte) (lttng.StreamReply, int, error) {
	r, n, err := lttng.ParseStreamReply(b)
	if err == nil && r.Code != lttng.ReplyOK {
		err = &RefusedError{Op: lttng.CmdAddStream, Code: r.Code}
	}
	return r, n, err
}

// checkStream refuses names that do not fit the layout, which would end the
// connection.
func (s *Session) checkStream(o StreamOptions) error {
	switch path := s.streamPath(o); {
	case o.Channel == "":
		return errors.New("relay: stream without a channel name")
	case len(o.Channel) > lttng.MaxChannelName:
		return fmt.Errorf("relay: channel name: got %d bytes, want at most %d", len(o.Channel), lttng.MaxChannelName)
	case len(path) > lttng.MaxStreamPath:
		return fmt.Errorf("relay: path of stream %s: got %d bytes, want at most %d", o.Channel, len(path), lttng.MaxStreamPath)
	}
	return nil
}

// streamPath is the stream's directory as this relay wants it: in the chunk, or
// below minor 11 in the output directory.
func (s *Session) streamPath(o StreamOptions) string {
	if s.minor >= lttng.MinorChunks {
		return o.Path
	}
	return s.legacyRoot + "//" + o.Path // as LTTng puts it
}

// ID returns the relay's handle. A rotation changes it while the stream has sent
// no packet.
func (st *Stream) ID() lttng.StreamID {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.id
}

// Options returns what the stream was added with.
func (st *Stream) Options() StreamOptions { return st.o }

// IsMetadata reports whether the stream carries metadata.
func (st *Stream) IsMetadata() bool { return st.o.metadata() }

// Next returns the packet number that follows the last one that was sent or, by
// what [Session.Resume] was told, stored: 0 before any.
func (st *Stream) Next() uint64 { return st.read(&st.nextNumber) }

// Sent returns how many packets were sent in this session.
func (st *Stream) Sent() uint64 { return st.read(&st.sent) }

// Confirmed returns how many packets the relay has accepted the indexes of: the
// first ones. Their bytes are on their way or have arrived. Where packets have
// no indexes it is the same as Stored.
func (st *Stream) Confirmed() uint64 { return st.read(&st.confirmed) }

// Stored returns how many packets are known to have arrived, bytes and index: as
// of the last [Session.Pending] or [Session.Drain].
func (st *Stream) Stored() uint64 { return st.read(&st.stored) }

// Lost returns how many of the packets sent by UDP were given up: they count as
// sent, confirmed and stored.
func (st *Stream) Lost() uint64 { return st.read(&st.lost) }

func (st *Stream) read(v *uint64) uint64 {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return *v
}

// WritePacket implements [ctf.PacketSink] by SendPacket without a context.
func (st *Stream) WritePacket(packet []byte, info ctf.PacketInfo) error {
	return st.SendPacket(context.Background(), packet, info)
}

var _ ctf.PacketSink = (*Stream)(nil)

// Beacon tells the viewers of a live session that the stream has no event up to
// a time. It does nothing where packets have no indexes. Relays of LTTng below
// 2.15 hear no beacon before the first packet of a stream: until then viewers
// wait for it, unless an empty packet is sent.
func (st *Stream) Beacon(ctx context.Context, timestamp uint64) error {
	s := st.s
	if !s.indexed() || st.IsMetadata() {
		return nil
	}
	if err := s.openWindow(ctx); err != nil {
		return err
	}
	sent, err := st.postBeacon(ctx, timestamp)
	if !sent {
		<-s.window
	}
	return err
}

// postBeacon has the turn of packets: the handle may not change, nor may the
// stream be closed, before the beacon is out.
func (st *Stream) postBeacon(ctx context.Context, timestamp uint64) (sent bool, err error) {
	s := st.s
	if err := s.data.take(ctx, s.dead); err != nil {
		return false, s.because(err)
	}
	defer s.data.give()
	s.mu.Lock()
	x := lttng.Index{
		Stream: st.id, NetSeqNum: st.sent - 1, // lttng.NoSeq before the first packet
		TimestampEnd: timestamp, StreamClass: st.o.ClassID,
	}
	parked, closed, err := st.parked, st.closed, s.err
	s.mu.Unlock()
	switch {
	case err != nil:
		return false, err
	case closed:
		return false, errStreamClosed
	case parked, s.udp != nil && s.udp.carries(st):
		return false, nil // a packet of earlier events is still to have its index
	}
	if err := st.postIndex(ctx, x, false); err != nil {
		return s.Err() != nil, err // a dead session keeps its window
	}
	return true, nil
}

// Close tells the relay that no packet follows. The packets that are on their
// way still arrive.
func (st *Stream) Close(ctx context.Context) error {
	s := st.s
	if err := s.takeRounds(ctx); err != nil {
		return err
	}
	defer s.giveRounds()
	if err := s.data.take(ctx, s.dead); err != nil {
		return s.because(err)
	}
	defer s.data.give()
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	closed, parked := st.closed, st.parked
	st.closed = true
	s.mu.Unlock()
	if closed {
		return errStreamClosed
	}
	if !parked {
		if err := st.end(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.streams = slices.DeleteFunc(s.streams, func(other *Stream) bool { return other == st })
	s.mu.Unlock()
	return nil
}

// end sends CLOSE_STREAM.
func (st *Stream) end(ctx context.Context) error {
	st.s.mu.Lock()
	m := lttng.CloseStream{Stream: st.id, LastNetSeqNum: st.sent - 1}
	st.s.mu.Unlock()
	if st.IsMetadata() {
		m.LastNetSeqNum = lttng.NoSeq
	}
	return st.s.do(ctx, lttng.CmdCloseStream, st, m.Append)
}
