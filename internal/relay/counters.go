// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import "sync/atomic"

// Counters are the server's figures. Those named Open rise and fall, the rest
// only grows.
type Counters struct {
	ControlOpen, DataOpen     atomic.Int64
	ControlTotal, DataTotal   atomic.Uint64
	Refused                   atomic.Uint64 // connections above a limit
	Displaced                 atomic.Uint64 // silent connections that made room for new ones
	TimedOut                  atomic.Uint64 // connections silent for too long
	ProtocolErrors            atomic.Uint64 // messages that ended their connection
	Commands                  atomic.Uint64
	ReceivedBytes             atomic.Uint64 // on both ports, headers included
	PartialMemory             atomic.Int64  // bytes of messages that have not arrived whole
	AcceptErrors, MemoryShort atomic.Uint64
	DrainedLate               atomic.Uint64 // connections cut at the end of the drain time

	// Of packets that come by UDP.
	Datagrams          atomic.Uint64 // of sessions
	DatagramsAgain     atomic.Uint64 // of them, those that were sent before
	DatagramsDuplicate atomic.Uint64 // that had come before
	DatagramsDropped   atomic.Uint64 // for want of room, or too late
	DatagramsBad       atomic.Uint64 // changed on their way, or against the rules
	DatagramsForeign   atomic.Uint64 // of no session, or from an address that is not its
	DatagramMemory     atomic.Int64  // bytes of packets in pieces
	PacketsAbandoned   atomic.Uint64 // that producers gave up
}

// Counters returns the running figures.
func (s *Server) Counters() *Counters { return &s.counters }
