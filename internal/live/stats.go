// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync/atomic"

	"github.com/weir-io/weir/lttng"
)

// commandCount is one more than the highest viewer command.
const commandCount = int(lttng.ViewerDetachSession) + 1

// counters are totals since the start, save for connected and attached.
type counters struct {
	connected, attached    atomic.Int64
	total                  atomic.Uint64
	refused, displaced     atomic.Uint64
	acceptErrors           atomic.Uint64
	requests               [commandCount]atomic.Uint64
	unknown                atomic.Uint64
	packets, packetBytes   atomic.Uint64
	metadataBytes          atomic.Uint64
	paced, held            atomic.Uint64
	emptyPackets           atomic.Uint64
	untranslated           atomic.Uint64
	refusedPackets         atomic.Uint64
	protocolErrors, errors atomic.Uint64
}

// Stats are a server's figures. All but Connected and Attached only grow.
type Stats struct {
	Connected int // connections
	Attached  int // sessions being read, one for each viewer of it

	Total, Refused uint64 // connections accepted; turned away at a limit
	Displaced      uint64 // silent connections that made room for new ones
	AcceptErrors   uint64

	Requests        map[lttng.ViewerCommand]uint64
	UnknownCommands uint64

	Packets, PacketBytes uint64 // sent with GET_PACKET
	MetadataBytes        uint64
	Skipped              uint64 // packets overwritten or cleared before they were read
	Paced                uint64 // repeated INACTIVE answers that were delayed
	Held                 uint64 // answers withheld for a stream not yet announced
	EmptyPackets         uint64 // made to tell viewers of new streams
	Untranslated         uint64 // traces and classes that CTF 1.8 cannot express, or that are broken
	RefusedPackets       uint64 // packets that a viewer of CTF 1.8 could not have read; each ends its viewer

	ProtocolErrors uint64 // connections closed for what they sent
	Errors         uint64 // files that could not be read
}

// Stats returns the present figures.
func (s *Server) Stats() Stats {
	c := &s.counters
	st := Stats{
		Connected: int(c.connected.Load()), Attached: int(c.attached.Load()),
		Total: c.total.Load(), Refused: c.refused.Load(), Displaced: c.displaced.Load(), AcceptErrors: c.acceptErrors.Load(),
		Requests:        make(map[lttng.ViewerCommand]uint64, commandCount),
		UnknownCommands: c.unknown.Load(),
		Packets:         c.packets.Load(), PacketBytes: c.packetBytes.Load(), MetadataBytes: c.metadataBytes.Load(),
		Skipped: s.store.Counters().SkippedByViewers.Load(),
		Paced:   c.paced.Load(), Held: c.held.Load(),
		EmptyPackets: c.emptyPackets.Load(), Untranslated: c.untranslated.Load(), RefusedPackets: c.refusedPackets.Load(),
		ProtocolErrors: c.protocolErrors.Load(), Errors: c.errors.Load(),
	}
	for cmd := 1; cmd < commandCount; cmd++ {
		st.Requests[lttng.ViewerCommand(cmd)] = c.requests[cmd].Load()
	}
	return st
}
