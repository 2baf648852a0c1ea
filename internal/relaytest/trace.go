// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// Layout of the packets of [Packet]: little-endian, without holes. traceText
// describes it to readers.
const (
	packetMagic = 0xC1FC1FC1

	offUUID     = 4
	offBegin    = 24
	offEnd      = 32
	offContent  = 40
	offSize     = 48
	offNumber   = 56
	offCPU      = 72
	offTime     = 76
	offPayload  = 84
	contentSize = 92 // header, context and one event

	// MinPacket is the least size of a packet, in bytes.
	MinPacket = contentSize
)

// traceUUID is that of all traces made here.
var traceUUID = [16]byte{0x6b, 0x1d, 0x20, 0x9c, 1, 2, 0x43, 4, 0x85, 6, 7, 8, 9, 10, 11, 12}

// Metadata returns the description, in plain text, of traces with packets of
// [Packet].
func Metadata() []byte {
	u := traceUUID
	return fmt.Appendf(nil, traceText, fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
}

// Fragments returns the same description in CTF 2, with the packets' headers and
// contexts as LTTng declares them.
func Fragments() []byte {
	ids := make([]string, len(traceUUID))
	for i, b := range traceUUID {
		ids[i] = strconv.Itoa(int(b))
	}
	text := strings.ReplaceAll(fragmentsText, "UUID", strings.Join(ids, ", "))
	number := func(bits int, role string) string {
		s := fmt.Sprintf(`{"type": "fixed-length-unsigned-integer", "length": %d, "byte-order": "little-endian", "alignment": 8`, bits)
		if role != "" {
			s += fmt.Sprintf(`, "roles": [%q]`, role)
		}
		return s + "}"
	}
	for _, f := range []struct {
		mark, role string
		bits       int
	}{
		{"MAGIC", "packet-magic-number", 32},
		{"CLASS", "data-stream-class-id", 32},
		{"TIME", "default-clock-timestamp", 64},
		{"END", "packet-end-default-clock-timestamp", 64},
		{"CONTENT", "packet-content-length", 64},
		{"SIZE", "packet-total-length", 64},
		{"SEQ", "packet-sequence-number", 64},
		{"DISCARDED", "discarded-event-record-counter-snapshot", 64},
		{"U32", "", 32},
		{"U64", "", 64},
	} {
		text = strings.ReplaceAll(text, "<"+f.mark+">", number(f.bits, f.role))
	}
	return []byte(strings.ReplaceAll(text, "␞", "\x1e"))
}

// Packet returns a packet of the given size in bytes with one event. The number
// is both the packet's and what the event says; the time follows from it.
func Packet(cpu int, number uint64, size int) []byte {
	b := make([]byte, max(size, MinPacket))
	le := binary.LittleEndian
	le.PutUint32(b, packetMagic)
	copy(b[offUUID:], traceUUID[:])
	le.PutUint64(b[offBegin:], timeOf(number))
	le.PutUint64(b[offEnd:], timeOf(number))
	le.PutUint64(b[offContent:], contentSize*8)
	le.PutUint64(b[offSize:], uint64(len(b))*8)
	le.PutUint64(b[offNumber:], number)
	le.PutUint32(b[offCPU:], uint32(cpu))
	le.PutUint64(b[offTime:], timeOf(number))
	le.PutUint64(b[offPayload:], number)
	for i := contentSize; i < len(b); i++ {
		b[i] = byte(number) + byte(i)
	}
	return b
}

// timeOf is the time of the event in a packet, in ns.
func timeOf(number uint64) uint64 { return (number + 1) * 1000 }

// Index describes the packet that [Packet] returns. seq is its net_seq_num.
func Index(id lttng.StreamID, cpu int, seq, number uint64, size int) lttng.Index {
	return lttng.Index{
		Stream: id, NetSeqNum: seq,
		PacketSize: uint64(max(size, MinPacket)) * 8, ContentSize: contentSize * 8,
		TimestampBegin: timeOf(number), TimestampEnd: timeOf(number),
		InstanceID: uint64(cpu), PacketSeqNum: number,
	}
}

const traceText = `/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
trace {
	major = 1;
	minor = 8;
	uuid = "%s";
	byte_order = le;
	packet.header := struct {
		uint32_t magic;
		uint8_t uuid[16];
		uint32_t stream_id;
	};
};
env {
	domain = "ust";
	tracer_name = "lttng-ust";
	tracer_major = 2;
	tracer_minor = 13;
};
clock {
	name = "monotonic";
	freq = 1000000000;
	offset = 0;
};
typealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; } := time_t;
stream {
	id = 0;
	packet.context := struct {
		time_t timestamp_begin;
		time_t timestamp_end;
		uint64_t content_size;
		uint64_t packet_size;
		uint64_t packet_seq_num;
		uint64_t events_discarded;
		uint32_t cpu_id;
	};
	event.header := struct { time_t timestamp; };
};
event {
	name = "test:packet";
	stream_id = 0;
	fields := struct { uint64_t number; };
};
`

const fragmentsText = `␞{"type": "preamble", "version": 2, "uuid": [UUID]}
␞{"type": "trace-class", "namespace": "lttng.org,2009", "name": "", "environment":
	{"domain": "ust", "tracer_name": "lttng-ust", "tracer_major": 2, "tracer_minor": 15},
	"packet-header-field-class": {"type": "structure", "member-classes": [
		{"name": "magic", "field-class": <MAGIC>},
		{"name": "uuid", "field-class": {"type": "static-length-blob", "length": 16, "roles": ["metadata-stream-uuid"]}},
		{"name": "stream_id", "field-class": <CLASS>}]}}
␞{"type": "clock-class", "id": "monotonic", "name": "monotonic", "frequency": 1000000000, "origin": "unix-epoch"}
␞{"type": "data-stream-class", "id": 0, "default-clock-class-id": "monotonic",
	"packet-context-field-class": {"type": "structure", "member-classes": [
		{"name": "timestamp_begin", "field-class": <TIME>},
		{"name": "timestamp_end", "field-class": <END>},
		{"name": "content_size", "field-class": <CONTENT>},
		{"name": "packet_size", "field-class": <SIZE>},
		{"name": "packet_seq_num", "field-class": <SEQ>},
		{"name": "events_discarded", "field-class": <DISCARDED>},
		{"name": "cpu_id", "field-class": <U32>}]},
	"event-record-header-field-class": {"type": "structure", "member-classes": [{"name": "timestamp", "field-class": <TIME>}]}}
␞{"type": "event-record-class", "data-stream-class-id": 0, "name": "test:packet",
	"payload-field-class": {"type": "structure", "member-classes": [{"name": "number", "field-class": <U64>}]}}
`
