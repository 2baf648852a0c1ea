// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// slowReader gives less than it is asked for only at its end, as files do.
type slowReader struct{ *bytes.Reader }

func newSlowReader(b []byte) slowReader { return slowReader{bytes.NewReader(b)} }

// testStream parses metadata of CTF 1.8 and returns its only stream class. $
// stands for types and the trace block.
func testStream(t testing.TB, text string) *schema.Stream {
	t.Helper()
	const common = `/* CTF 1.8 */
typealias integer { size = 1; align = 1; } := u1;
typealias integer { size = 3; align = 1; } := u3;
typealias integer { size = 8; align = 8; } := u8;
typealias integer { size = 16; align = 8; } := u16;
typealias integer { size = 32; align = 8; } := u32;
typealias integer { size = 64; align = 8; } := u64;
trace { major = 1; minor = 8; byte_order = le; packet.header := struct { u32 magic; }; };
`
	sch, _, err := ParseMetadata([]byte(strings.Replace(text, "$", common, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return sch.Streams[0]
}

// packetOf writes a magic, then values by their size.
func packetOf(values ...any) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = append(append(b, v...), 0)
		case []byte:
			b = append(b, v...)
		default:
			b, _ = binary.Append(b, binary.LittleEndian, v)
		}
	}
	return b
}

// Each thing that can be wrong with a packet is told with its place.
func TestPacketErrors(t *testing.T) {
	sized := "$ stream { packet.context := struct { u32 content_size; u32 packet_size; }; event.header := struct { u8 id; }; };" +
		"event { name = e; id = 3; fields := struct { u8 a; u16 b; string s; }; };"
	plain := func(header, fields string) string {
		return fmt.Sprintf("$ stream { event.header := struct { u8 id; %s }; }; event { name = e; id = 3; fields := struct { %s }; };", header, fields)
	}
	tests := []struct {
		name   string
		text   string
		packet []byte
		want   string
	}{
		{"magic", sized, []byte{1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0}, "bit 0, field magic: got 0x4030201, want 0xc1fc1fc1"},
		{"odd size", sized, packetOf(uint32(96), uint32(97)), "bit 0, field packet_size: got 97 bits, want a multiple of 8"},
		{"content too large", sized, packetOf(uint32(104), uint32(96)), "bit 0, field content_size: got 104 bits, want at most packet_size 96"},
		{"packet too large", sized, packetOf(uint32(96), uint32(1<<30)), "bit 0, field packet_size: got 1073741824 bits, want at most the 96 that there are"},
		{"content too small", sized, packetOf(uint32(88), uint32(96)), "bit 0, field content_size: got 88 bits, want at least the 96 of header and context"},
		{"header cut", sized, packetOf(uint32(96), uint16(0)), "bit 64, field packet_size: got the end of the packet's content, want 32 bits more"},
		{"event id", sized, packetOf(uint32(104), uint32(104), uint8(9)), "bit 96, field id: got 9, want the id of an event class of the stream"},
		{"cut in a run", sized, packetOf(uint32(120), uint32(128), uint8(3), uint8(1), uint16(2)), "bit 112, event e, field b: got the end of the packet's content, want 16 bits more"},
		{"string without end", sized, packetOf(uint32(144), uint32(144), uint8(3), uint8(1), uint16(2), []byte("xy")), "bit 128, event e, field s: got the end of the packet's content, want 24 bits more"},
		{"event across the end", plain("", "u3 a;"), packetOf(uint8(3), uint8(0), uint8(3)), "bit 56, event e, field a: got the end of the packet's content, want 3 bits more"},
		{"variant", plain("", "enum : u8 { x = 1 } t; variant <t> { u8 x; } v;"), packetOf(uint8(3), uint8(7), uint8(0)), "bit 48, event e, field v: got 7, want a tag that chooses an option"},
		{"byte orders", plain("", "u3 a; integer { size = 3; align = 1; byte_order = be; } b;"), packetOf(uint8(3), uint8(0)), "bit 43, event e, field b: got another byte order, want that of the bits before in the same byte"},
		{"inner member", plain("", "struct { u8 x; struct { u64 y; } in; } out;"), packetOf(uint8(3), uint8(0), uint8(0)), "bit 48, event e, field out.in.y: got the end of the packet's content, want 64 bits more"},
		{"event of no bits", "$ stream { }; event { name = e; fields := struct { }; };", packetOf(uint8(0)), "bit 32, event e: got an event of no bits before the end of the content, want one that takes some"},
		{"alignment across the end", plain("", "u8 a;") + " event { name = f; id = 4; context := struct { } align(64); };", packetOf(uint8(3), uint8(0), uint8(4)), "bit 64, event f: got an event that ends here, want the end of the content at bit 56"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := newStreamPlan(testStream(t, tt.text))
			for _, window := range []int{0, 8, 16, 1 << 10} {
				raw := rawPacket{bytes: tt.packet, avail: int64(len(tt.packet))}
				where := "stream s: packet 5, "
				if window > 0 {
					raw.data, raw.bytes, raw.offset = newSlowReader(append(make([]byte, 24), tt.packet...)), nil, 24
					where = "stream s: packet 5 at byte 24, "
				}
				d := newDecoder("s", plan, window)
				d.packet.Number = 5
				_, err := decodeAll(d, raw)
				if err == nil || err.Error() != where+tt.want {
					t.Errorf("window %d:\ngot  %v\nwant %s", window, err, where+tt.want)
				}
			}
		})
	}
}

// A length that no packet can have is an error at once, whatever its elements.
func TestEnormousLengths(t *testing.T) {
	for _, fields := range []string{
		"u8 v[n];", "u1 v[n];", "string v[n];", "struct { u64 a; string b; } v[n];", "struct { } v[n];",
		"struct { struct { } a[4]; } v[n];", "u8 v[n][n];", "struct { u8 a[n]; } v[n];",
		"integer { size = 8; encoding = UTF8; } v[n];",
	} {
		class := testStream(t, "$ stream { event.header := struct { u8 id; }; }; event { name = e; id = 3; fields := struct { u64 n; "+fields+" }; };")
		plan := newStreamPlan(class)
		for _, n := range []uint64{math.MaxUint64, math.MaxUint64 - 7, 1 << 63, 1<<63 - 1, 1 << 61, 1<<61 + 1, 1 << 32, 1<<32 - 1, 1 << 29, maxEventWords + 1} {
			packet := packetOf(uint8(3), n, make([]byte, 40))
			for _, window := range []int{0, 16} {
				raw := rawPacket{bytes: packet, avail: int64(len(packet))}
				if window > 0 {
					raw.data, raw.bytes = newSlowReader(packet), nil
				}
				d := newDecoder("s", plan, window)
				before := allocated()
				_, err := decodeAll(d, raw)
				var bad *PacketError
				if !errors.As(err, &bad) || bad.Bit < 104 || !strings.HasPrefix(bad.Field, "v") {
					t.Errorf("%s with %d elements, window %d: %v", fields, n, window, err)
				}
				if used := allocated() - before; used > 1<<20 {
					t.Errorf("%s with %d elements, window %d: %d bytes allocated", fields, n, window, used)
				}
			}
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Elements without bits cost memory only as far as an event may have values.
func TestElementsWithoutBits(t *testing.T) {
	class := testStream(t, "$ stream { event.header := struct { u8 id; }; };"+
		"event { name = e; id = 3; fields := struct { u8 none; u64 n; u8 v[n][none]; }; };")
	packet := packetOf(uint8(3), uint8(0), uint64(maxEventWords-3))
	d := newDecoder("s", newStreamPlan(class), 64)
	if err := d.open(rawPacket{bytes: packet, avail: int64(len(packet))}); err != nil {
		t.Fatal(err)
	}
	before := allocated()
	if ok, err := d.next(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if used := allocated() - before; used > 20*maxEventWords {
		t.Errorf("%d bytes allocated, want at most %d", used, 20*maxEventWords)
	}
	v, _ := d.event.Field("v")
	if v.Len() != maxEventWords-3 || v.Index(v.Len()-1).Len() != 0 {
		t.Errorf("%d elements, want %d empty ones", v.Len(), maxEventWords-3)
	}
}

// endless is a file full of x.
type endless struct{}

func (endless) ReadAt(b []byte, _ int64) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestEventsOfMoreThanTheLimitAreRefused(t *testing.T) {
	class := &schema.Stream{Trace: &schema.Trace{}}
	class.AddEvent(&schema.Event{Name: "e", Payload: &schema.Struct{Members: []schema.Member{{Name: "s", Class: &schema.String{}}}}})
	d := newDecoder("s", newStreamPlan(class), 1<<20)
	before := allocated()
	_, err := decodeAll(d, rawPacket{data: endless{}, avail: 1 << 40})
	var bad *PacketError
	if !errors.As(err, &bad) || bad.Got != fmt.Sprintf("an event of more than %d bytes", maxEventBytes) || bad.Bit != 0 {
		t.Errorf("error %v, want one about the size of the event at bit 0", err)
	}
	if used := allocated() - before; used > 4*maxEventBytes {
		t.Errorf("%d bytes allocated, want at most %d", used, 4*maxEventBytes)
	}
}

// A file that ends earlier than its size said is no panic and no end.
func TestFileThatShrinks(t *testing.T) {
	class := testStream(t, "$ stream { event.header := struct { u8 id; }; }; event { name = e; id = 3; fields := struct { u8 a; }; };")
	packet := packetOf(bytes.Repeat([]byte{3, 9}, 40))
	for n := range packet {
		d := newDecoder("s", newStreamPlan(class), 16)
		_, err := decodeAll(d, rawPacket{data: newSlowReader(packet[:n]), avail: int64(len(packet))})
		var bad *PacketError
		if !errors.As(err, &bad) || !errors.Is(err, io.ErrUnexpectedEOF) || bad.Bit != 8*uint64(n) {
			t.Errorf("with %d bytes: %v, want an unexpected end at bit %d", n, err, 8*n)
		}
	}
}

// Decoding events allocates nothing once it is under way.
func TestDecodingDoesNotAllocate(t *testing.T) {
	clock := &schema.Clock{Frequency: nsPerSecond}
	class := lttngStream(lttngHeader(16, 32, schema.LittleEndian, false, clock), clock)
	class.Event(1).Payload = testStream(t, "$ stream { }; event { name = e; fields := struct { u8 n; u16 v[n]; string s; u3 b; "+
		"enum : u8 { x = 2 } t; variant <t> { struct { u8 p[2]; } x; } o; }; };").Events[0].Payload
	var packet []byte
	for range 2000 {
		packet = append(packet, 1, 0, 5, 0, 0, 0, 2, 1, 0, 2, 0, 'a', 'b', 0, 1, 2, 8, 9)
	}
	d := newDecoder("s", newStreamPlan(class), 256)
	if err := d.open(rawPacket{data: newSlowReader(packet), avail: int64(len(packet))}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1500, func() {
		if ok, err := d.next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an event, want none", n)
	}
}
