// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-io/weir/lttng"
)

// Layout of a packet: header and context, then events, all little-endian
// and without holes. metadataTemplate describes it to readers.
const (
	packetMagic     = 0xC1FC1FC1
	packetHeadBytes = 84 // header 32, context 52

	offUUID      = 4
	offInstance  = 24
	offBegin     = 32
	offEnd       = 40
	offContent   = 48
	offPacket    = 56
	offSeq       = 64
	offDiscarded = 72
	offCPU       = 80

	eventHeadBytes = 6 // id and the low 32 bits of the time
	eventBytes     = 64
	eventFillBytes = eventBytes - eventHeadBytes - 4
	eventStep      = 1000 // ns between the events of a packet
)

// fill is what follows the head of a packet: the same bytes in all packets of
// a size, so that all sessions share them. That is possible because an event
// carries the low 32 bits of its time only and packet n begins at (n+1)<<32.
type fill struct {
	bytes  []byte // immutable
	events int
}

// newFill returns the events, and the zero bytes behind the last one, of
// packets of the given size: so many events, or with 0 as many as fit.
func newFill(packetBytes, events int) fill {
	room := (packetBytes - packetHeadBytes) / eventBytes
	if events == 0 {
		events = room
	}
	f := fill{make([]byte, packetBytes-packetHeadBytes), min(events, room)}
	for i := range f.events {
		e := f.bytes[i*eventBytes:][:eventBytes]
		binary.LittleEndian.PutUint32(e[2:], uint32(i*eventStep))
		binary.LittleEndian.PutUint32(e[eventHeadBytes:], uint32(i))
		for j := eventHeadBytes + 4; j < eventBytes; j++ {
			e[j] = byte(i + j)
		}
	}
	return f
}

// packetBytes returns the size of the whole packet.
func (f fill) packetBytes() int { return packetHeadBytes + len(f.bytes) }

// contentBytes returns the size without the padding behind the last event.
func (f fill) contentBytes() int { return packetHeadBytes + f.events*eventBytes }

// begin and end return the time span of packet seq, in ns.
func (f fill) begin(seq uint64) uint64 { return (seq + 1) << 32 }

func (f fill) end(seq uint64) uint64 {
	return f.begin(seq) + uint64(max(0, f.events-1)*eventStep)
}

// packetWriter makes the packets of one session: the header of the data
// connection and the head of the packet, rewritten in place, in front of the
// shared fill.
type packetWriter struct {
	fill fill
	head [lttng.DataHeaderLen + packetHeadBytes]byte
}

// newPacketWriter returns a writer for the trace uuid.
func newPacketWriter(uuid [16]byte, f fill) *packetWriter {
	w := &packetWriter{fill: f}
	p, le := w.head[lttng.DataHeaderLen:], binary.LittleEndian
	le.PutUint32(p, packetMagic)
	copy(p[offUUID:], uuid[:])
	le.PutUint64(p[offContent:], uint64(f.contentBytes())*8)
	le.PutUint64(p[offPacket:], uint64(f.packetBytes())*8)
	return w
}

// next rewrites the head for packet seq of a stream and returns what to send
// before the fill. The bytes hold until the next call.
func (w *packetWriter) next(stream lttng.StreamID, cpu int, seq uint64) []byte {
	lttng.DataHeader{
		Stream:    stream,
		NetSeqNum: seq,
		DataSize:  uint32(w.fill.packetBytes()),
	}.Append(w.head[:0])
	p, le := w.head[lttng.DataHeaderLen:], binary.LittleEndian
	le.PutUint64(p[offInstance:], uint64(cpu))
	le.PutUint64(p[offBegin:], w.fill.begin(seq))
	le.PutUint64(p[offEnd:], w.fill.end(seq))
	le.PutUint64(p[offSeq:], seq)
	le.PutUint32(p[offCPU:], uint32(cpu))
	return w.head[:]
}

// index returns the index that belongs to packet seq of a stream.
func (f fill) index(stream lttng.StreamID, cpu int, seq uint64) lttng.Index {
	return lttng.Index{
		Stream:         stream,
		NetSeqNum:      seq,
		PacketSize:     uint64(f.packetBytes()) * 8,
		ContentSize:    uint64(f.contentBytes()) * 8,
		TimestampBegin: f.begin(seq),
		TimestampEnd:   f.end(seq),
		InstanceID:     uint64(cpu),
		PacketSeqNum:   seq,
	}
}

// check compares the first bytes of a stored packet, at least its head, with
// those of packet seq of a trace's stream.
func (f fill) check(b []byte, uuid [16]byte, cpu int, seq uint64) error {
	if len(b) < packetHeadBytes {
		return fmt.Errorf("packet %d of stream %d: got %d bytes, want at least %d", seq, cpu, len(b), packetHeadBytes)
	}
	le := binary.LittleEndian
	if got := [16]byte(b[offUUID:]); got != uuid {
		return fmt.Errorf("packet %d of stream %d: uuid at offset %d: got %x, want %x", seq, cpu, offUUID, got, uuid)
	}
	for _, field := range []struct {
		name      string
		got, want uint64
		offset    int
	}{
		{"magic", uint64(le.Uint32(b)), packetMagic, 0},
		{"stream_instance_id", le.Uint64(b[offInstance:]), uint64(cpu), offInstance},
		{"timestamp_begin", le.Uint64(b[offBegin:]), f.begin(seq), offBegin},
		{"timestamp_end", le.Uint64(b[offEnd:]), f.end(seq), offEnd},
		{"content_size", le.Uint64(b[offContent:]), uint64(f.contentBytes()) * 8, offContent},
		{"packet_size", le.Uint64(b[offPacket:]), uint64(f.packetBytes()) * 8, offPacket},
		{"packet_seq_num", le.Uint64(b[offSeq:]), seq, offSeq},
		{"events_discarded", le.Uint64(b[offDiscarded:]), 0, offDiscarded},
		{"cpu_id", uint64(le.Uint32(b[offCPU:])), uint64(cpu), offCPU},
	} {
		if field.got != field.want {
			return fmt.Errorf("packet %d of stream %d: %s at offset %d: got %#x, want %#x",
				seq, cpu, field.name, field.offset, field.got, field.want)
		}
	}
	return nil
}
