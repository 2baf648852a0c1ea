// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weir-io/weir/lttng"
)

func TestFillLayout(t *testing.T) {
	for _, size := range []int{256, 4096, 65536, 1 << 20} {
		f := newFill(size, 0)
		if f.packetBytes() != size || f.contentBytes() > size || size-f.contentBytes() >= eventBytes {
			t.Errorf("fill of %d: packet %d, content %d", size, f.packetBytes(), f.contentBytes())
		}
		for i := range f.events {
			e := f.bytes[i*eventBytes:]
			if id, at := binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint32(e[2:]); id != 0 || at != uint32(i*eventStep) {
				t.Fatalf("event %d of fill %d: id %d at %d", i, size, id, at)
			}
		}
		if f.end(3) >= f.begin(4) || f.begin(0) == 0 {
			t.Errorf("fill of %d: packet 0 begins at %d, packet 3 ends at %d, packet 4 begins at %d", size, f.begin(0), f.end(3), f.begin(4))
		}
	}
}

func TestPacketWriter(t *testing.T) {
	f := newFill(4096, 0)
	uuid := newUUID()
	w := newPacketWriter(uuid, f)
	w.next(1, 0, 9) // what it leaves behind must not show
	head := w.next(77, 5, 3)
	h, err := lttng.ParseDataHeader(head)
	if err != nil {
		t.Fatal(err)
	}
	if want := (lttng.DataHeader{Stream: 77, NetSeqNum: 3, DataSize: 4096}); h != want {
		t.Errorf("data header %+v, want %+v", h, want)
	}
	packet := append(bytes.Clone(head[lttng.DataHeaderLen:]), f.bytes...)
	if len(packet) != 4096 {
		t.Fatalf("packet has %d bytes, want 4096", len(packet))
	}
	if err := f.check(packet, uuid, 5, 3); err != nil {
		t.Error(err)
	}
	for i := range packetHeadBytes {
		packet[i] ^= 1
		err := f.check(packet, uuid, 5, 3)
		if fixed := i >= 20 && i < 24; (err == nil) != fixed { // stream_id, always 0, is not checked
			t.Errorf("byte %d changed: error %v", i, err)
		}
		packet[i] ^= 1
	}
	if err := f.check(packet[:packetHeadBytes-1], uuid, 5, 3); err == nil {
		t.Error("a short head passes")
	}
	x := f.index(77, 5, 3)
	if x.PacketSize != 4096*8 || x.ContentSize != uint64(f.contentBytes())*8 || x.NetSeqNum != 3 || x.PacketSeqNum != 3 || x.InstanceID != 5 {
		t.Errorf("index %+v", x)
	}
}

func TestAppendIndex(t *testing.T) {
	b := appendIndex(nil, lttng.Index{Stream: 7, NetSeqNum: 8, PacketSize: 9, PacketSeqNum: 10}, lttng.MinorVersion)
	h, err := lttng.ParseControlHeader(b)
	if err != nil || h.Cmd != lttng.CmdSendIndex || int(h.DataSize) != len(b)-lttng.ControlHeaderLen || len(b) != indexBytes {
		t.Fatalf("header %+v, %v, of %d bytes", h, err, len(b))
	}
	x, err := lttng.ParseIndex(b[lttng.ControlHeaderLen:], lttng.MinorVersion)
	if want := (lttng.Index{Stream: 7, NetSeqNum: 8, PacketSize: 9, PacketSeqNum: 10}); err != nil || x != want {
		t.Errorf("index %+v, %v, want %+v", x, err, want)
	}
}

func TestPacketizeMetadata(t *testing.T) {
	uuid := newUUID()
	for _, n := range []int{1, metadataContentBytes, metadataContentBytes + 1, 3 * metadataContentBytes} {
		text := strings.Repeat("x", n)
		packets := packetizeMetadata(uuid, text)
		if want := (n + metadataContentBytes - 1) / metadataContentBytes; len(packets) != want {
			t.Fatalf("%d bytes: %d packets, want %d", n, len(packets), want)
		}
		joined := ""
		for _, p := range packets {
			if len(p.content)+int(p.padding) != metadataSubbufBytes {
				t.Errorf("%d bytes: packet of %d and %d padding", n, len(p.content), p.padding)
			}
			if bits := binary.LittleEndian.Uint32(p.content[24:]); int(bits) != len(p.content)*8 {
				t.Errorf("%d bytes: content_size %d bits, want %d", n, bits, len(p.content)*8)
			}
			joined += string(p.content[metadataHeaderBytes:])
		}
		if joined != text {
			t.Errorf("%d bytes: the text changed", n)
		}
	}
	if text := metadataText(uuid, "session0"); !strings.HasPrefix(text, "/* CTF 1.8 */") || !strings.Contains(text, formatUUID(uuid)) {
		t.Errorf("metadata %q", text)
	}
}
