// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// packetized puts text in metadata packets of at most size bytes, as consumers
// before LTTng 2.14 do.
func packetized(order binary.AppendByteOrder, text string, size int) []byte {
	var b []byte
	for len(text) > 0 {
		n := min(len(text), size-ctf.MetadataHeaderLen)
		b = order.AppendUint32(b, ctf.MetadataMagic)
		b = append(b, bytes.Repeat([]byte{0xab}, 16)...)
		b = order.AppendUint32(b, 0)
		b = order.AppendUint32(b, uint32(n+ctf.MetadataHeaderLen)*8)
		b = order.AppendUint32(b, uint32(size)*8)
		b = append(b, 0, 0, 0, 1, 8)
		b = append(b, text[:n]...)
		b = append(b, make([]byte, size-ctf.MetadataHeaderLen-n)...)
		text = text[n:]
	}
	return b
}

// textOf joins the text of metadata packets, or returns b as it is.
func textOf(t *testing.T, b []byte) (text string, uuids []string) {
	t.Helper()
	var all []byte
	for len(b) > 0 {
		if binary.LittleEndian.Uint32(b) != ctf.MetadataMagic {
			t.Fatalf("no packet begins with %x", b[:min(len(b), 16)])
		}
		content := binary.LittleEndian.Uint32(b[24:]) / 8
		size := binary.LittleEndian.Uint32(b[28:]) / 8
		if !bytes.Equal(b[32:37], []byte{0, 0, 0, 1, 8}) {
			t.Errorf("end of packet header = %x", b[32:37])
		}
		uuids = append(uuids, hex.EncodeToString(b[4:20]))
		all = append(all, b[ctf.MetadataHeaderLen:content]...)
		b = b[size:]
	}
	return string(all), uuids
}

const (
	uuidText = `e187d056-a181-47b4-b338-b17d6e1e318f`
	uuidHex  = `e187d056a18147b4b338b17d6e1e318f`
	traceTSD = "typealias integer { size = 8; } := uint8_t;\n\ntrace {\n\tmajor = 1;\n\tuuid = \"" + uuidText + "\";\n};\n\n"
	envTSDL  = "env {\n\thostname = \"a;b}\";\n};\n"
)

// Each step sends text as the producer and reads as the viewer.
func TestPlainTextMetadata(t *testing.T) {
	for _, tt := range []struct {
		name  string
		minor uint32
		sent  []string
		want  []string // text of the packets; of the whole answer from minor 15 on
		uuid  string
	}{
		{
			name: "signature missing", minor: 4,
			sent: []string{traceTSD, envTSDL},
			want: []string{metadata.Signature + "\n" + traceTSD, envTSDL},
			uuid: uuidHex,
		},
		{
			name: "signature there", minor: 14,
			sent: []string{metadata.Signature + "\n\n" + traceTSD, envTSDL},
			want: []string{metadata.Signature + "\n\n" + traceTSD, envTSDL},
			uuid: uuidHex,
		},
		{
			name: "no UUID", minor: 4,
			sent: []string{"/* CTF 1.8 */\n\ntrace { major = 1; };", envTSDL},
			want: []string{"/* CTF 1.8 */\n\ntrace { major = 1; };", envTSDL},
			uuid: strings.Repeat("00", 16),
		},
		{
			name: "UUID of a clock only", minor: 4,
			sent: []string{"/* CTF 1.8 */ trace { major = 1; }; clock { uuid = \"" + uuidText + "\"; };"},
			want: []string{"/* CTF 1.8 */ trace { major = 1; }; clock { uuid = \"" + uuidText + "\"; };"},
			uuid: strings.Repeat("00", 16),
		},
		{
			name: "minor 15 gets what was sent", minor: 15,
			sent: []string{traceTSD, envTSDL},
			want: []string{traceTSD, envTSDL},
		},
		{
			name: "declaration in two parts", minor: 15,
			sent: []string{traceTSD + "event {\n", "id = 1;\n", "};\n" + envTSDL},
			want: []string{traceTSD, "", "event {\nid = 1;\n};\n" + envTSDL},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			p := newProducer(t, b.store, "s")
			meta, _ := p.trace(tracePath, "", "ch_0")
			c := b.connect(tt.minor)
			c.attach(p.ss.ID(), lttng.SeekLast)
			for i, part := range tt.sent {
				p.metadata(meta, []byte(part))
				st, got := c.metadata(meta.ID())
				if tt.want[i] == "" {
					if st != lttng.MetadataNone {
						t.Errorf("part %d: %v %q, want NO_NEW", i, st, got)
					}
					continue
				}
				text := string(got)
				if tt.minor < 15 {
					var uuids []string
					text, uuids = textOf(t, got)
					if len(uuids) != 1 || uuids[0] != tt.uuid {
						t.Errorf("part %d: packets with UUIDs %v, want one with %s", i, uuids, tt.uuid)
					}
				}
				if st != lttng.MetadataOK || text != tt.want[i] {
					t.Errorf("part %d: %v %q, want %q", i, st, text, tt.want[i])
				}
				if st, got := c.metadata(meta.ID()); st != lttng.MetadataNone || len(got) != 0 {
					t.Errorf("after part %d: %v %q, want NO_NEW", i, st, got)
				}
			}
		})
	}
}

// Packets go out as they came, in either byte order, at the end of a
// declaration.
func TestPacketizedMetadata(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		b := newBench(t, nil)
		p := newProducer(t, b.store, "s")
		meta, data := p.trace(tracePath, "", "ch_0")
		c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
		whole := packetized(order, "/* CTF 1.8 */\n"+traceTSD+envTSDL, 128)
		cut := len(whole) / 128 / 2 * 128 // in the middle of a declaration
		p.metadata(meta, whole[:cut])
		if st, _ := c.metadata(meta.ID()); st != lttng.MetadataNone {
			t.Errorf("%v: half of the packets = %v, want NO_NEW", order, st)
		}
		c.wantIndex("half of the packets", data[0].ID(), answer{lttng.IndexRetry, 0, 0})
		p.metadata(meta, whole[cut:])
		c.wantIndex("all packets", data[0].ID(), answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
		if st, got := c.metadata(meta.ID()); st != lttng.MetadataOK || !bytes.Equal(got, whole) {
			t.Errorf("%v: metadata = %v of %d bytes, want %d", order, st, len(got), len(whole))
		}
	}
}

// A declaration that never ends is sent after a while, or at the stream's end:
// the viewer can tell what is wrong with it.
func TestIncompleteMetadataIsNotKept(t *testing.T) {
	for _, ended := range []bool{false, true} {
		hold := 50 * time.Millisecond
		if ended {
			hold = time.Hour
		}
		b := newBench(t, func(o *Options) { o.HoldNew = hold })
		p := newProducer(t, b.store, "s")
		meta, _ := p.trace(tracePath, "trace { major = 1; }", "ch_0")
		c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
		start := time.Now()
		if st, _ := c.metadata(meta.ID()); st != lttng.MetadataNone {
			t.Errorf("incomplete declaration = %v, want NO_NEW", st)
		}
		if ended {
			p.end(meta)
		}
		for {
			st, _ := c.metadata(meta.ID())
			if st == lttng.MetadataOK {
				break
			}
			if st != lttng.MetadataNone {
				t.Fatalf("metadata = %v", st)
			}
		}
		if d := time.Since(start); !ended && d < hold {
			t.Errorf("sent after %v, want %v", d, hold)
		}
	}
}

// A viewer that never had metadata learns that there is none: it would ask
// without end.
func TestNoMetadataAtAll(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, _ := p.trace(tracePath, "", "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	p.ss.Close()
	for i, want := range []lttng.MetadataStatus{lttng.MetadataNone, lttng.MetadataError, lttng.MetadataError} {
		if st, _ := c.metadata(meta.ID()); st != want {
			t.Errorf("answer %d = %v, want %v", i, st, want)
		}
	}
}

// A viewer that slept until nothing was kept any longer is told so.
func TestMetadataExpired(t *testing.T) {
	now := time.Now()
	store := tracestore.New(tracestore.Options{
		Output: t.TempDir(), RetainClosed: time.Minute, Now: func() time.Time { return now },
		Files: fdpool.New(16), Log: slog.New(slog.DiscardHandler),
	})
	b := newBench(t, func(o *Options) { o.Store = store })
	p := newProducer(t, store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	p.packet(data[0], 1, 2, 64)
	p.ss.Close()
	now = now.Add(time.Hour)
	store.Expire()
	for i, want := range []lttng.MetadataStatus{lttng.MetadataNone, lttng.MetadataError} {
		if st, _ := c.metadata(meta.ID()); st != want {
			t.Errorf("answer %d = %v, want %v", i, st, want)
		}
	}
	c.wantIndex("expired", data[0].ID(), answer{lttng.IndexHangup, 0, 0})
	if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsHangup {
		t.Errorf("new streams = %v, want HUP", r.Status)
	}
}

// CTF 2 metadata is JSON: whole fragments are passed on.
func TestJSONMetadata(t *testing.T) {
	const whole, rest = "\x1e{\"type\": \"preamble\"}\n", "\x1e{\"type\":"
	b := newBench(t, nil)
	p := newProducerOf(t, b.store, lttng.CreateSession{Name: "s", Hostname: "vm", LiveTimer: 1, TraceFormat: lttng.FormatCTF2})
	meta, _ := p.trace(tracePath, whole+rest, "ch_0")
	c := b.connect(15)
	c.attach(p.ss.ID(), lttng.SeekLast)
	if st, got := c.metadata(meta.ID()); st != lttng.MetadataOK || string(got) != whole {
		t.Errorf("metadata = %v %q, want %q", st, got, whole)
	}
	p.metadata(meta, []byte(" 7}"))
	if st, got := c.metadata(meta.ID()); st != lttng.MetadataOK || string(got) != rest+" 7}" {
		t.Errorf("metadata = %v %q, want %q", st, got, rest+" 7}")
	}
}

// Metadata larger than a reply buffer goes out of its file, behind its header.
func TestLargeMetadata(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	text := traceTSD + strings.Repeat("event { id = 1; name = \"some event\"; };\n", 20_000)
	meta, _ := p.trace(tracePath, text, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	st, got := c.metadata(meta.ID())
	if st != lttng.MetadataOK {
		t.Fatalf("metadata = %v", st)
	}
	if joined, _ := textOf(t, got); joined != metadata.Signature+"\n"+text {
		t.Errorf("text of %d bytes, want %d", len(joined), len(text)+len(metadata.Signature)+1)
	}
}
