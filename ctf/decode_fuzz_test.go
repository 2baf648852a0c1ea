// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Metadata with most of what CTF 1.8 has, for packets of any bytes.
const fuzzMetadata = `$
clock { name = c; freq = 1000000000; };
typealias integer { size = 27; align = 1; map = clock.c.value; } := stamp27;
typealias integer { size = 64; align = 8; map = clock.c.value; } := stamp64;
stream {
	packet.context := struct { stamp64 timestamp_begin; u32 content_size; u32 packet_size; u8 len; };
	event.header := struct {
		enum : integer { size = 5; align = 1; } { compact = 0 ... 30, extended = 31 } id;
		variant <id> { struct { stamp27 timestamp; } compact; struct { u32 id; stamp64 timestamp; } extended; } v;
	} align(8);
	event.context := struct { u8 c[stream.packet.context.len]; };
};
event { name = "bits"; id = 0; fields := struct { u3 a; u1 b; integer { size = 60; align = 1; signed = true; } c; }; };
event { name = "nested"; id = 1; fields := struct { u16 n; struct { string s; u8 m; u3 in[m]; } v[n]; }; };
event { name = "choice"; id = 2; fields := struct { enum : u8 { x = 0 ... 9, y = 10 ... 99 } t; variant <t> { string x; struct { u64 p[2]; } y; } v; }; };
event { name = "empty"; id = 3; fields := struct { u64 n; struct { } v[n]; }; };
event { name = "align"; id = 4; fields := struct { u8 a; integer { size = 16; align = 64; } b; struct { } align(512) c; }; };
event { name = "text"; id = 5; fields := struct { u32 n; integer { size = 8; align = 8; encoding = UTF8; } s[n]; u64 deep[n]; }; };
`

// FuzzDecoder reads packets of any bytes, from memory and through a small
// window: both give the same, and nothing more than memory for one event.
func FuzzDecoder(f *testing.F) {
	for _, b := range fuzzPackets(f) {
		f.Add(false, b)
	}
	lttng, packets := realPackets(f)
	for _, b := range packets {
		f.Add(true, b)
	}
	own := newStreamPlan(testStream(f, fuzzMetadata))
	f.Fuzz(func(t *testing.T, fromLTTng bool, packet []byte) {
		plan := own
		if fromLTTng {
			plan = lttng
		}
		memory := newDecoder("s", plan, 0)
		memory.m.maxWords = 1 << 16 // as the limit is, but sooner
		want, wantErr := decodeAll(memory, rawPacket{bytes: packet, avail: int64(len(packet))})
		window := newDecoder("s", plan, 16)
		window.m.maxWords = 1 << 16
		got, err := decodeAll(window, rawPacket{data: newSlowReader(packet), avail: int64(len(packet))})
		if !slices.Equal(got, want) {
			t.Errorf("through a window:\n%q\nwant\n%q", got, want)
		}
		if (err == nil) != (wantErr == nil) {
			t.Errorf("through a window: error %v, want %v", err, wantErr)
		}
		checkPacketError(t, err, len(packet))
	})
}

// checkPacketError checks that an error is about a place in the packet.
func checkPacketError(t *testing.T, err error, size int) {
	t.Helper()
	if err == nil {
		return
	}
	var bad *PacketError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want a PacketError", err)
	}
	if bad.Bit > 8*uint64(size)+1024 {
		t.Errorf("error %v in a packet of %d bytes", err, size)
	}
}

// fuzzPackets are some packets of fuzzMetadata.
func fuzzPackets(f *testing.F) [][]byte {
	f.Helper()
	head := func(body []byte) []byte {
		n := uint32(8 * (4 + 17 + len(body)))
		return packetOf(uint64(1000), n, n, uint8(1), body)
	}
	short := func(id byte) []byte { return []byte{id | 0x40, 1, 2, 0, 7} }
	var all [][]byte
	for _, body := range [][]byte{
		nil,
		append(short(0), 1, 2, 3, 4, 5, 6, 7, 8),
		append(short(1), 2, 0, 'a', 0, 3, 0xaa, 0x55, 'b', 0, 0),
		append(short(2), 5, 'x', 0),
		append(short(2), append([]byte{50}, make([]byte, 16)...)...),
		append(short(3), 9, 0, 0, 0, 0, 0, 0, 0),
		append(short(4), make([]byte, 96)...),
		append(short(5), append([]byte{2, 0, 0, 0, 'h', 'i'}, make([]byte, 16)...)...),
		append([]byte{31, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8}, 3, 'y', 0),
	} {
		all = append(all, head(body))
	}
	return append(all, slices.Concat(all[1:4]...))
}

// FuzzIndexUse reads a data file beside an index of any bytes: the packets are
// those of the file, or an error says which of them is not as the index says; an
// index hides no bad packet.
func FuzzIndexUse(f *testing.F) {
	data := slices.Concat(fuzzPackets(f)[:4]...)
	index := AppendIndexHeader(nil, 1)
	var offset int
	for _, p := range fuzzPackets(f)[:4] {
		e := IndexEntry{Offset: uint64(offset), PacketSize: 8 * uint64(len(p)), ContentSize: 8 * uint64(len(p)), TimestampBegin: 1000}
		index = e.Append(index, IndexRecordLenMinor)
		offset += len(p)
	}
	f.Add(index, data)
	f.Add(index[:IndexHeaderLen+IndexRecordLenMinor], data)
	f.Add(index[:20], data)
	f.Add(index, data[:len(data)-3])
	f.Fuzz(func(t *testing.T, index, data []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "index"), 0o777); err != nil {
			t.Fatal(err)
		}
		class := testStream(t, fuzzMetadata)
		read := func() (events int, err error) {
			tr := newTrace(class.Trace, Options{Window: 16})
			file, err := tr.scanner().file(filepath.Join(dir, "s"))
			if err != nil {
				t.Fatal(err)
			}
			tr.files = []*dataFile{file}
			tr.group()
			c := NewCursor(tr.Streams[0], 16)
			defer c.Close()
			for {
				kind, err := c.Next()
				if err != nil {
					return events, err
				}
				if kind == EventRecord {
					events++
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "s"), data, 0o666); err != nil {
			t.Fatal(err)
		}
		want, wantErr := read()
		if err := os.WriteFile(filepath.Join(dir, "index", "s.idx"), index, 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := read()
		// An index of other times gives the packets another order, so that more
		// of them may come before a bad one.
		good, whole := errors.Is(wantErr, io.EOF), errors.Is(err, io.EOF)
		if good && (got > want || whole && got < want) || whole && !good {
			t.Errorf("%d events with the index (%v), %d without (%v)", got, err, want, wantErr)
		}
	})
}

// FuzzMetadataPackets takes metadata of any bytes apart.
func FuzzMetadataPackets(f *testing.F) {
	sch := testStream(f, fuzzMetadata).Trace
	packet := AppendMetadataPacket(nil, sch, []byte("/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = le; };\n"))
	f.Add(packet)
	f.Add(append(bytes.Clone(packet), AppendMetadataPacket(nil, sch, []byte("stream { };"))...))
	f.Add(packet[:len(packet)-9])
	f.Add([]byte("/* CTF 1.8 */ trace { };"))
	f.Add([]byte("\x1e{\"type\":\"preamble\",\"version\":2}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := MetadataText(b)
		if err == nil && len(text) > len(b) {
			t.Errorf("%d bytes of text in %d", len(text), len(b))
		}
		if n := wholeMetadata(b); n > len(b) {
			t.Errorf("whole packets of %d bytes in %d", n, len(b))
		} else if _, err := MetadataText(b[:n]); err == nil && n < len(b) {
			// What comes later goes on where this ends.
			var p MetadataParser
			_ = p.Parse(b[:n])
			_ = p.Parse(b[n:])
		}
		_, _, _ = ParseMetadata(b) // no panic, whatever it says
	})
}
