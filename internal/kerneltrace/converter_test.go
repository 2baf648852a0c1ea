// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// format is a declaration: a line for each field, "DECL offset size signed".
func format(t testing.TB, system, name string, id int, fields ...string) *ftrace.Format {
	t.Helper()
	print := `""`
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nID: %d\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n", name, id)
	for _, f := range fields {
		if p, ok := strings.CutPrefix(f, "print "); ok {
			print = p
			continue
		}
		w := strings.Fields(f)
		n := len(w) - 3
		fmt.Fprintf(&b, "\tfield:%s;\toffset:%s;\tsize:%s;\tsigned:%s;\n", strings.Join(w[:n], " "), w[n], w[n+1], w[n+2])
	}
	fmt.Fprintf(&b, "\nprint fmt: %s\n", print)
	f, err := ftrace.ParseFormat(system, []byte(b.String()))
	check(t, err)
	return f
}

// pageBytes writes a page: times and records in turn.
type pageBytes struct {
	b    []byte
	time uint64
}

func newPage(time uint64) *pageBytes {
	return &pageBytes{binary.NativeEndian.AppendUint64(nil, time)[:8:8], time}
}

// add adds a record of an event by a thread, with flags and counts.
func (p *pageBytes) add(time uint64, id, flags, count int, tid int32, payload []byte) *pageBytes {
	e := binary.LittleEndian
	if len(p.b) == 8 {
		p.b = e.AppendUint64(p.b, 0)
	}
	if delta := time - p.time; delta>>27 != 0 {
		p.b = e.AppendUint32(p.b, 31|uint32(time&(1<<27-1))<<5)
		p.b = e.AppendUint32(p.b, uint32(time>>27))
		p.time = time
	}
	record := binary.NativeEndian.AppendUint16(nil, uint16(id))
	record = append(record, byte(flags), byte(count))
	record = append(binary.NativeEndian.AppendUint32(record, uint32(tid)), payload...)
	for len(record)%4 != 0 {
		record = append(record, 0xee) // bytes that no field covers
	}
	head := uint32(time-p.time) << 5
	if len(record) <= 28*4 {
		p.b = e.AppendUint32(p.b, head|uint32(len(record)/4))
	} else {
		p.b = e.AppendUint32(e.AppendUint32(p.b, head), uint32(len(record)+4))
	}
	p.b = append(p.b, record...)
	p.time = time
	return p
}

// bytes ends the page; lost events are told in it.
func (p *pageBytes) bytes(lost uint64) []byte {
	if len(p.b) == 8 {
		p.b = binary.LittleEndian.AppendUint64(p.b, 0)
	}
	commit := uint64(len(p.b) - 16)
	b := bytes.Clone(p.b)
	if lost > 0 {
		commit |= 0xffffffffc0000000
		b = binary.NativeEndian.AppendUint64(b, lost)
	}
	binary.NativeEndian.PutUint64(b[8:], commit)
	return append(b, make([]byte, max(0, 4096-len(b)))...)
}

// words are 32-bit integers and texts, as they lie in a record.
func words(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.NativeEndian.AppendUint32(b, uint32(v))
		case uint64:
			b = binary.NativeEndian.AppendUint64(b, v)
		case string:
			b = append(b, v...)
		}
	}
	return b
}

// packets collects what a converter writes.
type packets struct {
	all   [][]byte
	infos []ctf.PacketInfo
	fail  error
}

func (p *packets) WritePacket(packet []byte, info ctf.PacketInfo) error {
	if p.fail != nil {
		return p.fail
	}
	p.all = append(p.all, bytes.Clone(packet))
	p.infos = append(p.infos, info)
	return nil
}

// text is what babeltrace2 prints of the packets, without times.
func (p *packets) text(t testing.TB, table *Table) []string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "metadata"), table.FullMetadata(nil), 0o666))
	check(t, os.WriteFile(filepath.Join(dir, "c_0"), bytes.Join(p.all, nil), 0o666))
	return strings.Split(strings.TrimSuffix(babeltrace2(t, "--clock-cycles", "--no-delta", dir), "\n"), "\n")
}

const intEvent = 300

func intFormat(t testing.TB) *ftrace.Format {
	return format(t, "sys", "number", intEvent, "int v 8 4 1")
}

func intTable(t testing.TB, o Options) *Table {
	t.Helper()
	table := newTable(t, o)
	_, err := table.Declare(intFormat(t))
	check(t, err)
	return table
}

// Every byte of a packet is where LTTng has it.
func TestPacketLayout(t *testing.T) {
	var p packets
	c := NewConverter(intTable(t, Options{StreamID: 2}), ConverterOptions{CPU: 3, FirstPacket: 9, Discarded: 5}, &p)
	check(t, c.Page(newPage(0x1_0000_0010).
		add(0x1_0000_0010, intEvent, 0x11, 0x02, 77, words(-2)).
		add(0x3_0000_0000, intEvent, 0, 0, 78, words(5)).bytes(4)))
	check(t, c.Close(0x3_0000_0001, 6))
	want := strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(`
		c1 1f fc c1  d1 52 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  02 00 00 00  03 00 00 00 00 00 00 00
		10 00 00 00 01 00 00 00  01 00 00 00 03 00 00 00  e0 03 00 00 00 00 00 00  e0 03 00 00 00 00 00 00
		09 00 00 00 00 00 00 00  09 00 00 00 00 00 00 00  03 00 00 00
		00 00 10 00 00 00  4d 00 00 00 11 02  fe ff ff ff
		ff ff 00 00 00 00 00 00 00 00 03 00 00 00  4e 00 00 00 00 00  05 00 00 00`)
	if len(p.all) != 1 || hex.EncodeToString(p.all[0]) != want {
		t.Fatalf("packets\n%x, want\n%s", p.all, want)
	}
	size := uint64(len(p.all[0]) * 8)
	info := ctf.PacketInfo{
		Size: size, ContentSize: size, Has: 0x3f, Begin: 0x1_0000_0010, End: 0x3_0000_0001, Discarded: 9, Sequence: 9, ClassID: 2, InstanceID: 3,
	}
	if p.infos[0] != info {
		t.Errorf("info %+v, want %+v", p.infos[0], info)
	}
}

// The long header is used from a gap of 2^32 on, and readers get every time.
func TestTimeHeaders(t *testing.T) {
	times := []uint64{1 << 33, 1<<33 + 1<<32 - 1, 1<<33 + 2<<32 - 1, 1<<33 + 2<<32 - 1, 1 << 40, 1<<40 + 1<<32, 1<<40 + 1<<33 - 1}
	table := intTable(t, Options{})
	var p packets
	c := NewConverter(table, ConverterOptions{}, &p)
	page := newPage(times[0])
	size := packetStart
	last := times[0]
	for i, time := range times {
		page.add(time, intEvent, 0, 0, 1, words(i))
		size += shortHead + streamHead + 4
		if time-last >= 1<<32 {
			size += longHead - shortHead
		}
		last = time
	}
	check(t, c.Page(page.bytes(0)))
	check(t, c.Close(0, 0))
	if got := len(p.all[0]); got != size {
		t.Errorf("packet of %d bytes, want %d", got, size)
	}
	for i, line := range p.text(t, table) {
		if want := fmt.Sprintf("[%020d]", times[i]); !strings.HasPrefix(line, want) {
			t.Errorf("event %d: %s, want %s", i, line, want)
		}
	}
}

// Time never goes back: in a page, between pages, before the last packet's end or
// what a viewer was told.
func TestTimesAreClamped(t *testing.T) {
	var p packets
	table := intTable(t, Options{})
	c := NewConverter(table, ConverterOptions{NotBefore: 50}, &p)
	check(t, c.Page(newPage(40).add(40, intEvent, 0, 0, 1, words(0)).add(60, intEvent, 0, 0, 1, words(1)).bytes(0)))
	check(t, c.Page(newPage(59).add(59, intEvent, 0, 0, 1, words(2)).bytes(0)))
	check(t, c.Close(70, 0))
	check(t, c.Page(newPage(65).add(65, intEvent, 0, 0, 1, words(3)).bytes(0)))
	check(t, c.Close(0, 0))
	c.NotBefore(100)
	check(t, c.Page(newPage(90).add(90, intEvent, 0, 0, 1, words(4)).bytes(0)))
	check(t, c.Close(95, 0))
	var got []string
	for _, line := range p.text(t, table) {
		got = append(got, line[1:21])
	}
	if want := []string{"00000000000000000050", "00000000000000000060", "00000000000000000060", "00000000000000000070", "00000000000000000100"}; !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
	if n := c.Counts(); n.Clamped != 4 || n.Events != 5 || n.Packets != 3 {
		t.Errorf("counts %+v, want 4 clamped of 5 in 3 packets", n)
	}
	for i, want := range [][2]uint64{{50, 70}, {70, 70}, {100, 100}} {
		if got := [2]uint64{p.infos[i].Begin, p.infos[i].End}; got != want {
			t.Errorf("packet %d lasts %v, want %v", i, got, want)
		}
	}
}

func TestLossIsTold(t *testing.T) {
	var p packets
	c := NewConverter(intTable(t, Options{}), ConverterOptions{Discarded: 10}, &p)
	one := func(lost uint64) {
		check(t, c.Page(newPage(1).add(1, intEvent, 0, 0, 1, words(0)).bytes(lost)))
	}
	check(t, c.Close(1, 10)) // nothing new: no packet
	one(3)
	check(t, c.Close(2, 0)) // 13 by the page
	one(0)
	check(t, c.Close(3, 20)) // by the ring's counters
	check(t, c.Close(4, 20)) // nothing new
	check(t, c.Close(5, 21)) // lost, and no event since
	var got []uint64
	for _, i := range p.infos {
		got = append(got, i.Discarded)
	}
	if want := []uint64{13, 20, 21}; !slices.Equal(got, want) {
		t.Errorf("packets tell %d lost, want %d", got, want)
	}
	if got := len(p.all[2]); got != packetStart {
		t.Errorf("the last packet has %d bytes, want %d", got, packetStart)
	}
}

// A stream whose first packet tells of losses has one before it that tells of
// none, to be compared with.
func TestLossAtTheBeginIsTold(t *testing.T) {
	for _, events := range []int{0, 1} {
		var p packets
		c := NewConverter(intTable(t, Options{}), ConverterOptions{}, &p)
		for range events {
			check(t, c.Page(newPage(7).add(7, intEvent, 0, 0, 1, words(0)).bytes(0)))
		}
		check(t, c.Close(7, 5))
		check(t, c.Close(8, 6))
		var got [][2]uint64
		for _, i := range p.infos {
			got = append(got, [2]uint64{i.Sequence, i.Discarded})
		}
		if want := [][2]uint64{{0, 0}, {1, 5}, {2, 6}}; !slices.Equal(got, want) || len(p.all[0]) != packetStart {
			t.Errorf("%d events: packets %d, the first of %d bytes; want %d, of %d", events, got, len(p.all[0]), want, packetStart)
		}
	}
}

// A converter that goes on behind another one tells no less than that has told.
func TestLossGoesOn(t *testing.T) {
	var p packets
	c := NewConverter(intTable(t, Options{}), ConverterOptions{FirstPacket: 3, Discarded: 40, PacketBytes: 4096}, &p)
	c.Lose(2)
	for i := range 400 { // packets that end because they are full
		check(t, c.Page(newPage(uint64(7+i)).add(uint64(7+i), intEvent, 0, 0, 1, words(0)).bytes(0)))
	}
	check(t, c.Close(1000, 42))
	if len(p.infos) < 2 {
		t.Fatalf("%d packets, want several", len(p.infos))
	}
	for _, i := range p.infos {
		if i.Discarded != 42 || i.Sequence < 3 {
			t.Errorf("packet %d tells %d, want 42", i.Sequence, i.Discarded)
		}
	}
}

// Packets end before they grow above their size; a larger event has one for
// itself.
func TestPacketsAreFull(t *testing.T) {
	table := newTable(t, Options{})
	_, err := table.Declare(format(t, "ftrace", "print", 5, "unsigned long ip 8 8 0", "char buf[] 16 0 0"))
	check(t, err)
	var p packets
	c := NewConverter(table, ConverterOptions{PacketBytes: 4096}, &p)
	time := uint64(0)
	var want []int
	for _, n := range []int{100, 3900, 100, 60000, 1, 2000, 2500} {
		time++
		want = append(want, n)
		check(t, c.Page(newPage(time).add(time, 5, 0, 0, 1, words(uint64(1), strings.Repeat("x", n)+"\x00")).bytes(0)))
	}
	check(t, c.Close(0, 0))
	var got []int
	for _, line := range p.text(t, table) {
		got = append(got, strings.Count(line, "x")-1) // 0x1
	}
	if !slices.Equal(got, want) {
		t.Errorf("texts of %d bytes, want %d", got, want)
	}
	for i, b := range p.all {
		if len(b) > 4096 && p.infos[i].Begin != 4 || p.infos[i].Sequence != uint64(i) {
			t.Errorf("packet %d: number %d, %d bytes from %d", i, p.infos[i].Sequence, len(b), p.infos[i].Begin)
		}
	}
	if len(c.buf) != c.limit {
		t.Errorf("the buffer keeps %d bytes, want %d", len(c.buf), c.limit)
	}
}

func TestWhatIsNotConverted(t *testing.T) {
	table := intTable(t, Options{})
	var p packets
	c := NewConverter(table, ConverterOptions{}, &p)
	g, ok := table.Getter(0, "v")
	if !ok {
		t.Fatal("no field v")
	}
	c.Filter(0, func(record []byte) bool {
		v, ok := g.Integer(record)
		return ok && int64(v) >= 0
	})
	page := newPage(1).
		add(1, intEvent, 0, 0, 1, words(7)).
		add(2, intEvent+1, 0, 0, 1, words(7)). // unknown
		add(3, 9999, 0, 0, 1, words(7)).       // unknown
		add(4, intEvent, 0, 0, 1, nil).        // too short
		add(5, intEvent, 0, 0, 1, words(-7)).  // filtered
		add(6, intEvent, 0, 0, 1, words(8))
	high := newPage(1<<62).add(1<<62, intEvent, 0, 0, 1, words(9)) // no clock's time
	check(t, c.Page(page.bytes(0)))
	check(t, c.Page(high.bytes(0)))
	check(t, c.Close(0, 0))
	if n, want := c.Counts(), (Counts{Pages: 2, Events: 2, UnknownEvents: 2, BadRecords: 2, Filtered: 1, Packets: 1}); n != want {
		t.Errorf("counts %+v, want %+v", n, want)
	}
	if got := len(p.text(t, table)); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
	if err := c.Page(make([]byte, 8)); err == nil {
		t.Error("a page of 8 bytes gives no error")
	}
}

// The sink's error comes back, its packet is missed by number, and conversion
// goes on.
func TestSinkFails(t *testing.T) {
	table := intTable(t, Options{})
	p := packets{fail: errors.New("disk full")}
	c := NewConverter(table, ConverterOptions{}, &p)
	one := func() error {
		check(t, c.Page(newPage(1).add(1, intEvent, 0, 0, 1, words(0)).bytes(0)))
		return c.Close(1, 0)
	}
	if err := one(); !errors.Is(err, p.fail) {
		t.Errorf("Close() = %v, want %v", err, p.fail)
	}
	p.fail = nil
	check(t, one())
	if i := p.infos[0]; i.Sequence != 1 || i.Number != 0 || i.Offset != 0 {
		t.Errorf("info %+v, want sequence 1 of the first packet", i)
	}
	if n := c.Counts(); n.Packets != 1 || n.LostPackets != 1 {
		t.Errorf("counts %+v", n)
	}
}

func TestConversionDoesNotAllocate(t *testing.T) {
	table := newTable(t, Options{Contexts: []Context{ContextPID, ContextProcname}})
	_, err := table.Declare(intFormat(t))
	check(t, err)
	c := NewConverter(table, ConverterOptions{PacketBytes: 4096, Tasks: new(Tasks)}, ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return nil }))
	page := newPage(1)
	for i := range 100 {
		page.add(uint64(i), intEvent, 0, 0, int32(i), words(i))
	}
	b := page.bytes(0)
	if n := testing.AllocsPerRun(100, func() { _ = c.Page(b) }); n != 0 {
		t.Errorf("a page takes %v allocations", n)
	}
}
