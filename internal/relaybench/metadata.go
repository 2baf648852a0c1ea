// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Metadata packet header of CTF 1.8, 37 bytes, in the byte order of the trace.
const (
	metadataMagic        = 0x75D11D57
	metadataHeaderBytes  = 37
	metadataSubbufBytes  = 4096 // producers send whole sub-buffers of this size
	metadataMajor        = 1
	metadataMinor        = 8
	metadataContentBytes = metadataSubbufBytes - metadataHeaderBytes
)

// metadataText returns the trace description of a session's streams in TSDL,
// laid out as LTTng-UST writes it. The layout of [packetHeadBytes] and
// [eventBytes] is stated here and nowhere else.
func metadataText(uuid [16]byte, session string) string {
	return fmt.Sprintf(metadataTemplate, formatUUID(uuid), session, formatUUID(uuid), eventFillBytes)
}

func formatUUID(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// metadataPacket is one packet of a metadata stream. Padding bytes follow it in
// the file; the receiver adds them itself.
type metadataPacket struct {
	content []byte // header and text
	padding uint32 // bytes
}

// packetizeMetadata cuts a description into packets of one sub-buffer each.
func packetizeMetadata(uuid [16]byte, text string) []metadataPacket {
	var packets []metadataPacket
	for len(text) > 0 {
		n := min(len(text), metadataContentBytes)
		le := binary.LittleEndian
		b := make([]byte, 0, metadataHeaderBytes+n)
		b = le.AppendUint32(b, metadataMagic)
		b = append(b, uuid[:]...)
		b = le.AppendUint32(b, 0) // checksum: none
		b = le.AppendUint32(b, uint32(metadataHeaderBytes+n)*8)
		b = le.AppendUint32(b, metadataSubbufBytes*8)
		b = append(b, 0, 0, 0, metadataMajor, metadataMinor) // schemes: none
		b = append(b, text[:n]...)
		packets = append(packets, metadataPacket{b, uint32(metadataSubbufBytes - len(b))})
		text = text[n:]
	}
	return packets
}

const metadataTemplate = `/* CTF 1.8 */

typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = false; } := unsigned long;

trace {
	major = 1;
	minor = 8;
	uuid = "%s";
	byte_order = le;
	packet.header := struct {
		uint32_t magic;
		uint8_t  uuid[16];
		uint32_t stream_id;
		uint64_t stream_instance_id;
	};
};

env {
	domain = "ust";
	tracer_name = "lttng-ust";
	tracer_major = 2;
	tracer_minor = 13;
	tracer_buffering_scheme = "uid";
	tracer_buffering_id = 0;
	architecture_bit_width = 64;
	trace_name = "%s";
	hostname = "bench";
};

clock {
	name = "monotonic";
	uuid = "%s";
	description = "Monotonic Clock";
	freq = 1000000000; /* Frequency, in Hz */
	offset = 0;
};

typealias integer {
	size = 32; align = 8; signed = false;
	map = clock.monotonic.value;
} := uint32_clock_monotonic_t;

typealias integer {
	size = 64; align = 8; signed = false;
	map = clock.monotonic.value;
} := uint64_clock_monotonic_t;

struct packet_context {
	uint64_clock_monotonic_t timestamp_begin;
	uint64_clock_monotonic_t timestamp_end;
	uint64_t content_size;
	uint64_t packet_size;
	uint64_t packet_seq_num;
	unsigned long events_discarded;
	uint32_t cpu_id;
};

struct event_header_large {
	enum : uint16_t { compact = 0 ... 65534, extended = 65535 } id;
	variant <id> {
		struct {
			uint32_clock_monotonic_t timestamp;
		} compact;
		struct {
			uint32_t id;
			uint64_clock_monotonic_t timestamp;
		} extended;
	} v;
} align(8);

stream {
	id = 0;
	event.header := struct event_header_large;
	packet.context := struct packet_context;
};

event {
	name = "bench:fill";
	id = 0;
	stream_id = 0;
	loglevel = 13;
	fields := struct {
		uint32_t _n;
		uint8_t _fill[%d];
	};
};

`
