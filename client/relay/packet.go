// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// SendPacket sends a packet and its index. Of info it uses sizes, where they are
// not 0, and what Has names; padding behind the content is not transmitted.
// It blocks while the window is full or the relay does not take the packet.
// Nothing has happened if the context ends before the first byte is out;
// otherwise a context that ends ends the session. The packet may be reused after
// the call.
func (st *Stream) SendPacket(ctx context.Context, packet []byte, info ctf.PacketInfo) error {
	s := st.s
	h, x, err := st.describe(packet, info)
	if err != nil {
		return err
	}
	if info.Has&ctf.HasSequence == 0 {
		x.PacketSeqNum = noNumber
	}
	if s.udp != nil {
		return s.udp.send(ctx, st, &h, &x, packet[:h.DataSize])
	}
	indexed := s.indexed()
	if indexed {
		if err := s.openWindow(ctx); err != nil {
			return err
		}
	}
	sent, err := s.writePacket(ctx, st, &h, &x, packet[:h.DataSize])
	if err != nil {
		if indexed {
			<-s.window
		}
		if sent == 0 && (ctx.Err() != nil || errors.Is(err, errStreamClosed) || errors.Is(err, errParked)) {
			return err
		}
		return s.fail(Data, fmt.Sprintf("packet %d", h.NetSeqNum), st, err)
	}
	if !indexed {
		return nil
	}
	if err := st.postIndex(ctx, x, true); err != nil {
		return s.fail(Control, "SEND_INDEX", st, err)
	}
	return nil
}

// describe makes header and index of a packet, but for its number.
func (st *Stream) describe(packet []byte, info ctf.PacketInfo) (lttng.DataHeader, lttng.Index, error) {
	size, content := info.Size, info.ContentSize
	if size == 0 {
		size = uint64(len(packet)) * 8
	}
	if content == 0 {
		content = min(size, uint64(len(packet))*8)
	}
	transmitted := (content + 7) / 8
	switch {
	case st.IsMetadata():
		return lttng.DataHeader{}, lttng.Index{}, errors.New("relay: packet of data for a metadata stream")
	case content == 0 || size%8 != 0 || content > size || transmitted > uint64(len(packet)) || size/8 > math.MaxUint32:
		return lttng.DataHeader{}, lttng.Index{}, fmt.Errorf("relay: packet of stream %s: got %d bits of content in a packet of %d bits, of which %d bytes are there",
			st.o.Channel, content, size, len(packet))
	}
	h := lttng.DataHeader{DataSize: uint32(transmitted), PaddingSize: uint32(size/8 - transmitted)}
	x := lttng.Index{
		PacketSize: size, ContentSize: content,
		TimestampBegin: info.Begin, TimestampEnd: info.End, EventsDiscarded: info.Discarded,
		StreamClass: st.o.ClassID, InstanceID: st.o.Instance, PacketSeqNum: info.Sequence,
	}
	if info.Has&ctf.HasClassID != 0 {
		x.StreamClass = info.ClassID
	}
	if info.Has&ctf.HasInstanceID != 0 {
		x.InstanceID = info.InstanceID
	}
	return h, x, nil
}

// openWindow waits until another index may go unanswered.
func (s *Session) openWindow(ctx context.Context) error {
	select { // the common case is cheap
	case s.window <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.window <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.dead:
		return s.Err()
	}
}

// errStreamClosed is ErrClosed of a stream in a session that goes on.
var errStreamClosed = fmt.Errorf("relay: stream: %w", ErrClosed)

var errParked = errors.New("relay: packet between two chunks")

// noNumber is the packet number of a packet that does not tell it.
const noNumber = ^uint64(0)

// writePacket numbers a packet and writes it.
func (s *Session) writePacket(ctx context.Context, st *Stream, h *lttng.DataHeader, x *lttng.Index, content []byte) (int64, error) {
	if err := s.data.take(ctx, s.dead); err != nil {
		return 0, s.because(err)
	}
	defer s.data.give()
	if err := st.number(h, x); err != nil {
		return 0, err
	}
	sent, err := s.data.write(ctx, &s.dataParts, h.Append(s.head[:0]), content)
	if err != nil {
		return sent, err
	}
	st.numbered(x) // within the turn: a rotation must not fall between
	return sent, nil
}

// number gives a packet its place in the stream. The caller has the turn on the
// data connection.
func (st *Stream) number(h *lttng.DataHeader, x *lttng.Index) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Stream, x.Stream = st.id, st.id
	h.NetSeqNum, x.NetSeqNum = st.sent, st.sent
	switch {
	case s.err != nil:
		return s.err
	case s.leaving:
		return fmt.Errorf("relay: session: %w", ErrClosed)
	case st.closed:
		return errStreamClosed
	case st.parked:
		return errParked
	}
	return nil
}

// numbered counts a packet that has got its number as sent.
func (st *Stream) numbered(x *lttng.Index) {
	if x.PacketSeqNum == noNumber {
		x.PacketSeqNum = st.first + x.NetSeqNum
	}
	st.s.mu.Lock()
	st.sent, st.nextNumber = x.NetSeqNum+1, x.PacketSeqNum+1
	st.s.mu.Unlock()
}

// postIndex sends an index, or a beacon. The caller has a place in the window.
func (st *Stream) postIndex(ctx context.Context, x lttng.Index, packet bool) error {
	s := st.s
	c := call{op: lttng.CmdSendIndex, stream: st, index: true, packet: packet, seq: x.NetSeqNum}
	minor := s.minor
	return s.post(ctx, lttng.CmdSendIndex, st, func(b []byte) []byte {
		return lttng.AppendRequest(b, lttng.CmdSendIndex, func(b []byte) []byte { return x.Append(b, minor) })
	}, c)
}
