// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// writeTestTrace writes a trace of one stream with some packets and returns its
// directory and lines as readBack gives them.
func writeTestTrace(t *testing.T, version schema.Version, packetized bool) (dir string, lines []string) {
	t.Helper()
	b := NewBuilder(BuilderOptions{UUID: testUUID()})
	b.Trace().Version = version
	s, err := b.Stream(CompactHeader, Text("procname", 8))
	check(t, err)
	ev, err := s.Event("app:ev", schema.NoLogLevel, Uint("u3", 3), Uint("n", 8), Sequence("seq", "n", Int("", 16)), Str("s"))
	check(t, err)
	dir = filepath.Join(t.TempDir(), "trace")
	w, err := CreateTrace(dir, b.Trace(), TraceOptions{Packetized: packetized, Stream: StreamOptions{PacketBytes: 256, PadBytes: 32}})
	check(t, err)
	sw, err := w.Stream(s.Class(), "chan", 1)
	check(t, err)
	for i := range 25 {
		v := tree{kids: []tree{{word: uint64(i % 8)}, {word: uint64(i % 3)}, {}, {text: []byte(strings.Repeat("a", i%4))}}}
		for j := range i % 3 {
			v.kids[2].kids = append(v.kids[2].kids, tree{word: uint64(-int64(j))})
		}
		common := tree{kids: []tree{{text: []byte("process\x00")}}}
		e := sw.Event(ev, uint64(1000*i))
		feed(e, s.Class().EventContext, common)
		feed(e, ev.Payload, v)
		check(t, e.End())
		lines = append(lines, fmt.Sprintf("%d app:ev %v %v", 1000*i, common, v))
	}
	check(t, w.Close())
	return dir, lines
}

func TestReaderReadsTheTrace(t *testing.T) {
	for _, version := range []schema.Version{schema.CTF1, schema.CTF2} {
		for _, packetized := range []bool{false, true} {
			t.Run(fmt.Sprint(version, packetized), func(t *testing.T) {
				dir, want := writeTestTrace(t, version, packetized)
				got, err := readBack(dir)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("reader finds\n%s\nwant\n%s, %v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
				}
			})
		}
	}
}

func TestTraceDirectory(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	var names []string
	check(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	}))
	if got, want := fmt.Sprint(names), "[chan_1 index/chan_1.idx metadata]"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	data, index := readFile(t, dir, "chan_1"), readFile(t, dir, "index/chan_1.idx")
	h, err := ParseIndexHeader(index)
	check(t, err)
	var at uint64
	for index = index[IndexHeaderLen:]; len(index) > 0; index = index[h.RecordLen:] {
		e, err := ParseIndexEntry(index, h.RecordLen)
		check(t, err)
		if e.Offset != at || e.InstanceID != 1 || e.ContentSize > e.PacketSize || e.PacketSize%256 != 0 {
			t.Errorf("index record %+v at byte %d", e, at)
		}
		at += e.PacketSize / 8
	}
	if at != uint64(len(data)) {
		t.Errorf("the index tells of %d bytes, want %d", at, len(data))
	}
	if _, err := CreateTrace(dir, &schema.Trace{}, TraceOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("CreateTrace over a trace = %v, want os.ErrExist", err)
	}
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	check(t, err)
	return b
}

// A writer that ends at any byte leaves the packets before it readable: files
// are cut where the writes, in their order, were.
func TestTraceCutAtEveryByte(t *testing.T) {
	dir, lines := writeTestTrace(t, schema.CTF1, false)
	data, index := readFile(t, dir, "chan_1"), readFile(t, dir, "index/chan_1.idx")
	ends, counts := packetEnds(t, dir, index)
	for cut := 0; cut <= len(data); cut++ {
		whole := 0 // packets
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		records := IndexHeaderLen + IndexRecordLenMinor*whole
		if whole == 0 {
			records = 0
		}
		check(t, os.WriteFile(filepath.Join(dir, "chan_1"), data[:cut], 0o666))
		check(t, os.WriteFile(filepath.Join(dir, "index/chan_1.idx"), index[:records], 0o666))
		want := lines[:counts[whole]]
		got, err := readBack(dir)
		if !slices.Equal(got, want) {
			t.Fatalf("cut at byte %d: the reader finds %d events, want %d: %v", cut, len(got), len(want), err)
		}
		if torn, err := RepairTrace(dir); err != nil || torn[filepath.Join(dir, "chan_1")] != int64(cut-endOf(ends, whole)) {
			t.Fatalf("cut at byte %d: RepairTrace = %v, %v, want %d bytes", cut, torn, err, cut-endOf(ends, whole))
		}
		if got, err := readBack(dir); err != nil || !slices.Equal(got, want) {
			t.Fatalf("cut at byte %d and repaired: the reader finds %d events, want %d: %v", cut, len(got), len(want), err)
		}
		if atEnd := cut == 0 || whole > 0 && ends[whole-1] == cut; atEnd && err != nil {
			t.Fatalf("cut at byte %d behind a packet: %v", cut, err)
		}
	}
	// The index record is torn, or missing, behind a whole packet.
	check(t, os.WriteFile(filepath.Join(dir, "chan_1"), data, 0o666))
	for cut := range len(index) {
		check(t, os.WriteFile(filepath.Join(dir, "index/chan_1.idx"), index[:cut], 0o666))
		if got, err := readBack(dir); err != nil || !slices.Equal(got, lines) {
			t.Fatalf("index cut at byte %d: the reader finds %d events, want %d: %v", cut, len(got), len(lines), err)
		}
	}
}

// endOf is where the n-th packet ends, 0 before the first.
func endOf(ends []int, n int) int {
	if n == 0 {
		return 0
	}
	return ends[n-1]
}

func TestRepairLeavesAloneWhatItDoesNotKnow(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	data := readFile(t, dir, "chan_1")
	odd := append(bytes.Clone(data), "something else, longer than the header and context of a packet, which are 84 bytes"...)
	check(t, os.WriteFile(filepath.Join(dir, "chan_1"), odd, 0o666))
	if cut, err := RepairTrace(dir); err == nil || len(cut) != 0 || !bytes.Equal(readFile(t, dir, "chan_1"), odd) {
		t.Errorf("RepairTrace = %v, %v, want an error and the file as it was", cut, err)
	}
}

// A packet whose content says less than it has is not torn, however much of it
// there is.
func TestRepairLeavesAloneShortContent(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	check(t, os.RemoveAll(filepath.Join(dir, "index")))
	tr, err := OpenTrace(dir, Options{})
	check(t, err)
	data := readFile(t, dir, "chan_1")
	var content uint64
	for _, s := range tr.Streams {
		if filepath.Base(s.Files[0]) == "chan_1" {
			content = s.Packets[0].ContentSize
		}
	}
	size := binary.LittleEndian.AppendUint64(nil, content)
	at := bytes.Index(data, size)
	if content == 0 || at < 0 {
		t.Fatalf("no content size of %d bits in the first packet", content)
	}
	binary.LittleEndian.PutUint64(data[at:], 8)
	check(t, os.WriteFile(filepath.Join(dir, "chan_1"), data, 0o666))
	cut, err := RepairTrace(dir)
	if err == nil || errors.Is(err, ErrTorn) || len(cut) != 0 {
		t.Errorf("RepairTrace = %v, %v, want an error that is not %v", cut, err, ErrTorn)
	}
}

// packetEnds returns where packets end, in bytes, and how many events there are
// before the first packet, the second and so on.
func packetEnds(t *testing.T, dir string, index []byte) (ends, counts []int) {
	t.Helper()
	for index = index[IndexHeaderLen:]; len(index) > 0; index = index[IndexRecordLenMinor:] {
		e, err := ParseIndexEntry(index, IndexRecordLenMinor)
		check(t, err)
		ends = append(ends, int(e.Offset+e.PacketSize/8))
	}
	set, err := Open(Options{}, dir)
	check(t, err)
	m := set.Merger()
	n := 0
	for {
		_, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			return ends, append(counts, n)
		}
		check(t, err)
		switch kind {
		case PacketBegin:
			counts = append(counts, n)
		case EventRecord:
			n++
		}
	}
}

func TestBabeltraceReadsWhatIsRepaired(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, true)
	data, index := readFile(t, dir, "chan_1"), readFile(t, dir, "index/chan_1.idx")
	ends, counts := packetEnds(t, dir, index)
	for i, end := range ends {
		check(t, os.WriteFile(filepath.Join(dir, "chan_1"), data[:max(end-7, 0)], 0o666))
		check(t, os.WriteFile(filepath.Join(dir, "index/chan_1.idx"), index[:IndexHeaderLen+IndexRecordLenMinor*i], 0o666))
		_, err := RepairTrace(dir)
		check(t, err)
		if got := strings.Count(babeltrace2(t, dir), "app:ev"); got != counts[i] {
			t.Errorf("%d packets and a torn one: babeltrace2 finds %d events, want %d", i, got, counts[i])
		}
		check(t, os.WriteFile(filepath.Join(dir, "chan_1"), data[:end], 0o666))
		for _, records := range []int{i, i + 1} { // without the last packet's, too
			check(t, os.WriteFile(filepath.Join(dir, "index/chan_1.idx"), index[:IndexHeaderLen+IndexRecordLenMinor*records], 0o666))
			if got := strings.Count(babeltrace2(t, dir), "app:ev"); got != counts[i+1] {
				t.Errorf("%d packets, %d records: babeltrace2 finds %d events, want %d", i+1, records, got, counts[i+1])
			}
		}
	}
}

// A trace that is read and written again, packet by packet, is the same to the
// byte.
func TestConversionIsExact(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	want := readFile(t, dir, "chan_1")
	set, err := Open(Options{}, dir)
	check(t, err)
	stream := set.Streams()[0]
	var got bytes.Buffer
	w, err := NewStreamWriter(stream.Class, PacketFunc(func(p []byte, _ PacketInfo) error {
		_, err := got.Write(p)
		return err
	}), StreamOptions{PacketBytes: 4096, PadBytes: 32, Instance: 1})
	check(t, err)
	c := NewCursor(stream, 1<<16)
	for {
		kind, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		switch kind {
		case PacketBegin:
			check(t, w.CopyMembers(c.Packet()))
			check(t, w.OpenPacket(c.Packet().Begin))
		case EventRecord:
			check(t, w.WriteFrame(c.Event().Class, c.Event().Cycles, &c.Event().Frame))
		case PacketEnd:
			check(t, w.ClosePacket(c.Packet().End))
		}
	}
	check(t, w.Close())
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes differ from the %d that were read", got.Len(), len(want))
	}
}

// CTF 2's variable-length integers in a packet's context take their full length,
// as they are written twice.
func TestVariableLengthSizes(t *testing.T) {
	leb := func(name string, role schema.Role) schema.Member {
		return schema.Member{Name: name, Class: &schema.Integer{BitLayout: schema.BitLayout{Align: 8}, Variable: true, Base: 10, Role: role}}
	}
	id := testUUID()
	trace := &schema.Trace{Version: schema.CTF2, UUID: &id, PacketHeader: &schema.Struct{Members: []schema.Member{
		{Name: "uuid", Class: &schema.Blob{Length: 16, Role: schema.RoleUUID}},
	}}}
	s := &schema.Stream{Trace: trace}
	trace.Streams = []*schema.Stream{s}
	s.PacketContext = &schema.Struct{Members: []schema.Member{
		leb("total", schema.RolePacketSize), leb("content", schema.RoleContentSize), leb("n", schema.RolePacketNumber),
	}}
	s.EventHeader = &schema.Struct{Members: []schema.Member{leb("id", schema.RoleEventClassID)}}
	ev := &schema.Event{ID: 300, Name: "e", HasName: true, LogLevel: schema.NoLogLevel, Payload: &schema.Struct{Members: []schema.Member{leb("v", 0)}}}
	s.AddEvent(ev)
	dir := filepath.Join(t.TempDir(), "trace")
	w, err := CreateTrace(dir, trace, TraceOptions{Stream: StreamOptions{PacketBytes: 64, PadBytes: 8}})
	check(t, err)
	sw, err := w.Stream(s, "chan", 0)
	check(t, err)
	var want []string
	for i := range 20 {
		v := uint64(1) << (3 * i)
		check(t, put(sw, ev, 0, v))
		want = append(want, fmt.Sprintf("0 e %v", tree{kids: []tree{{word: v}}}))
	}
	check(t, w.Close())
	got, err := readBack(dir)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("reader finds\n%s\nwant\n%s, %v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index/chan_0.idx")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an index of packets without time: %v", err)
	}
}

func TestFileSinkTakesBackWhatItCouldNotFinish(t *testing.T) {
	dir := t.TempDir()
	s, err := CreateFileSink(dir, "chan_0")
	check(t, err)
	info := PacketInfo{Has: HasBegin | HasEnd, Size: 64, ContentSize: 64}
	check(t, s.WritePacket([]byte("packet 1"), info))
	check(t, s.index.Close()) // the next record cannot be written
	if err := s.WritePacket([]byte("packet 2"), info); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("WritePacket = %v, want os.ErrClosed", err)
	}
	if got := readFile(t, dir, "chan_0"); string(got) != "packet 1" {
		t.Errorf("data file %q, want the first packet", got)
	}
	if got := readFile(t, dir, "index/chan_0.idx"); len(got) != IndexHeaderLen+IndexRecordLenMinor {
		t.Errorf("index of %d bytes, want one record", len(got))
	}
}

func TestMetadataPackets(t *testing.T) {
	id := testUUID()
	for _, trace := range []*schema.Trace{
		{Version: schema.CTF1, ByteOrder: schema.LittleEndian, UUID: &id},
		{Version: schema.CTF1, ByteOrder: schema.BigEndian, UUID: &id},
	} {
		for _, n := range []int{0, 1, 4096 - 37, 4096 - 36, 3 << 20} {
			text := bytes.Repeat([]byte("x"), n)
			b := AppendMetadataPacket([]byte{}, trace, text)
			if got, err := MetadataText(b); err != nil || !bytes.Equal(got, text) || len(b)%4096 != 0 {
				t.Errorf("%d bytes in packets of %d: %d bytes of text, %v", n, len(b), len(got), err)
			}
		}
	}
}

// The table of a packet in docs/format/ctf-writer.md is what is written.
func TestWriterPage(t *testing.T) {
	page := string(readFile(t, "../docs/format", "ctf-writer.md"))
	b := NewBuilder(BuilderOptions{})
	s, err := b.Stream(LargeHeader)
	check(t, err)
	at := 0
	for _, m := range append(slices.Clone(b.Trace().PacketHeader.Members), s.Class().PacketContext.Members...) {
		size := 16 // the uuid
		if i, ok := m.Class.(*schema.Integer); ok {
			size = int(i.Size) / 8
		}
		if row := fmt.Sprintf("\n| %d | %d | %s | ", at, size, m.Name); !strings.Contains(page, row) {
			t.Errorf("the page lacks the row %q", row)
		}
		at += size
	}
	if row := fmt.Sprintf("\n| %d | | events | |\n", at); !strings.Contains(page, row) {
		t.Errorf("the page lacks the row %q", row)
	}
}
