// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

// channel is a channel of the session, as the daemon has described it.
type channel struct {
	handover.Channel

	streams []*stream
}

// stream is what one ring, or one source of packets, gives. Its packets are
// numbered here, whatever their place.
type stream struct {
	// Immutable.
	channel *channel
	cpu     uint32
	ctx     context.Context // ends with the engine: a wait for room ends then

	source source // set before anything comes from it

	// Owned by the goroutine that drains, or by the engine while that holds.
	out packetWriter

	packets, bytes, lost, discarded atomic.Uint64
}

// WritePacket hands a packet on. It implements ctf.PacketSink: an error means
// that the packet is lost, which its successor's number tells.
func (s *stream) WritePacket(packet []byte, info ctf.PacketInfo) error {
	s.discarded.Store(info.Discarded)
	if err := s.out.write(s.ctx, packet, info); err != nil {
		s.lost.Add(1)
		return err
	}
	s.packets.Add(1)
	s.bytes.Add(uint64(len(packet)))
	return nil
}

// source is where the packets of a stream come from. The engine calls it.
type source interface {
	// start begins to read, or goes on.
	start() error
	// hold reads what there is, ends the packet and reads no further. The stream
	// belongs to the caller then, until start.
	hold() error
	// stop is hold that reads until nothing is left: nothing is recorded any more.
	stop() error
	account(*handover.StreamStatus)
	close() error
}
