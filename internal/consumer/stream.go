// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"slices"
	"sync/atomic"

	"github.com/weir-io/weir/internal/handover"
)

// channel is a channel of the session, as the daemon has described it.
type channel struct {
	handover.Channel

	streams []*stream
}

// find returns the stream of the same ring; nil if there is none.
func (c *channel) find(like *stream) *stream {
	i := slices.IndexFunc(c.streams, func(s *stream) bool {
		return s.cpu == like.cpu && s.class == like.class && s.in == like.in
	})
	if i < 0 {
		return nil
	}
	return c.streams[i]
}

// stream is what one ring, or one source of packets, gives. Its packets are
// numbered here, whatever their place.
type stream struct {
	// Immutable.
	channel *channel
	cpu     uint32
	class   uint64  // the stream class
	in      part    // of the domain
	losses  *losses // nil: nobody is told

	source source // set before anything comes from it

	// Owned by the goroutine that drains, or by the engine while that holds.
	out     packetWriter
	waiting packets // finished ones that found no room
	missed  bool    // the engine's: an order, as the goroutine hung

	first                           atomic.Uint64 // number of this process's first packet, plus 1; 0: not known
	packets, bytes, lost, discarded atomic.Uint64
	unread                          atomic.Uint64 // events that its end has left in the ring
	untold                          atomic.Bool   // packets were lost and no later one was given
	room                            atomic.Bool   // there may be room for the packets that wait
}

// hasRoom has the stream try again to write what waits for room. It may be called
// by anybody.
func (s *stream) hasRoom() {
	s.room.Store(true)
	if s.source != nil {
		s.source.wake()
	}
}

// setHung takes note that the stream's goroutine waits for a file system, or no more.
func (s *stream) setHung(on bool) {
	if s.source != nil {
		s.source.setHung(on)
	}
}

// tellLoss has it told that something is lost.
func (s *stream) tellLoss(events, packets uint64) {
	if s.losses != nil {
		s.losses.add(s.channel.Name, events, packets)
	}
}

// lose counts packets that are lost.
func (s *stream) lose(n uint64) {
	if n > 0 {
		s.lost.Add(n)
		s.untold.Store(true)
		s.tellLoss(0, n)
	}
}

// source is where the packets of a stream come from. The engine calls it.
type source interface {
	// start begins to read, or goes on.
	start() error
	// hold reads what there is, ends the packet and reads no further. The stream
	// belongs to the caller then, until start or goOn. Packets that find no room
	// wait; nothing is read then.
	hold() error
	// stop is hold that reads until nothing is left: nothing is recorded any more.
	// If packets find no room it goes on when they do.
	stop() error
	// goOn goes on with what a stop has left, after a hold.
	goOn() error
	// tell has a packet without events follow one that was lost, so that its number
	// tells, unless another has, and reports whether there was need of one. The
	// source is held.
	tell() (bool, error)
	// tellAll is tell at the end of the stream: what the ring has lost, and what nobody
	// will read any more, counts as discarded there.
	tellAll() error
	account(*handover.StreamStatus)
	// wake has it look for room. It may be called by anybody.
	wake()
	// setHung takes note that its goroutine waits for a file system, or no more.
	setHung(on bool)
	close() error
}
