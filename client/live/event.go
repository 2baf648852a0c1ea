// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"time"

	"github.com/weir-io/weir/lttng"
)

// TraceID is the relay's number of a trace: one metadata stream and the data
// streams that it describes.
type TraceID uint64

// Event is one of [StreamAdded], [Metadata], [Packet], [PacketLost],
// [Inactive], [StreamEnded], [SessionEnded] and, from a [Follower],
// [Disconnected] and [Reconnected].
type Event interface{ event() }

// StreamAdded announces a stream. It comes before anything else of that
// stream.
type StreamAdded struct {
	Session  lttng.SessionID
	Stream   lttng.StreamID
	Trace    TraceID
	Metadata bool   // it carries metadata, handed out as Metadata
	Path     string // relative, for instance ust/uid/0/64-bit
	Channel  string // channel and CPU, for instance ch0_1
	Format   uint32 // lttng.ViewerFormatCTF1 or lttng.ViewerFormatCTF2
}

// Metadata is everything that was new in the metadata of a trace: whole
// declarations, as the relay stores them: packetized, as plain text, or in CTF 2.
// It comes before the packets that need it. After a clear a relay may send
// again what it has sent before.
type Metadata struct {
	Trace  TraceID
	Stream lttng.StreamID
	Data   []byte // the caller's to keep
}

// Index describes a packet. It is what the producer told the relay; the packet
// may say something else.
type Index struct {
	Offset          uint64 // of no meaning but in messages
	PacketSize      uint64 // bits
	ContentSize     uint64 // bits
	TimestampBegin  uint64 // cycles of the trace's clock, as all times here
	TimestampEnd    uint64
	EventsDiscarded uint64 // since the stream's beginning
	StreamClass     uint64 // the stream id of CTF
}

// Packet is the next packet of a stream.
type Packet struct {
	Stream lttng.StreamID
	Index  Index
	Data   []byte // PacketSize bits of it, rounded up to bytes; the caller's to keep
}

// PacketLost stands for a packet that the relay announced and did not deliver,
// or that is above Config.MaxPacket. The stream goes on.
type PacketLost struct {
	Stream lttng.StreamID
	Index  Index
	Err    error // a *StatusError or a *lttng.ProtocolError
}

// Inactive promises that no event up to and including a time will come in the
// stream. Times of one stream only grow.
type Inactive struct {
	Stream      lttng.StreamID
	Until       uint64
	StreamClass uint64
}

// StreamEnded is the last event of a stream.
type StreamEnded struct {
	Stream lttng.StreamID
	Err    error // nil at its regular end, else a *StatusError
}

// SessionEnded is the last event of one of the relay's sessions, behind the ends
// of its streams.
type SessionEnded struct {
	Session lttng.SessionID
	Err     error // nil at its regular end, else a *StatusError
}

// Disconnected says that the connection was lost. Until Reconnected comes there
// are no other events, and all streams announced before are void.
type Disconnected struct{ Err error }

// Reconnected says that the connection is there again. Numbers of streams may
// come again and mean others. What follows repeats what was read before, from the seek position on: packets
// are told apart by trace UUID, stream instance and packet sequence number,
// which stand in the packets.
type Reconnected struct {
	Cause    error         // of the loss
	Attempts int           // to connect, the good one included
	Away     time.Duration // without a connection
	Seek     lttng.Seek    // of the new attachment
}

func (StreamAdded) event()  {}
func (Metadata) event()     {}
func (Packet) event()       {}
func (PacketLost) event()   {}
func (Inactive) event()     {}
func (StreamEnded) event()  {}
func (SessionEnded) event() {}
func (Disconnected) event() {}
func (Reconnected) event()  {}
