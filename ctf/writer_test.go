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
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// packets collects what a stream writer hands out.
type packets struct {
	bytes [][]byte
	info  []PacketInfo
	fail  error // of the next packet
}

func (p *packets) WritePacket(b []byte, info PacketInfo) error {
	if err := p.fail; err != nil {
		p.fail = nil
		return err
	}
	p.bytes, p.info = append(p.bytes, bytes.Clone(b)), append(p.info, info)
	return nil
}

// newTestStream is a stream with events of the fields, and its writer.
func newTestStream(t *testing.T, style HeaderStyle, o StreamOptions, fields ...Field) (*StreamWriter, *schema.Event, *packets) {
	t.Helper()
	b := NewBuilder(BuilderOptions{UUID: testUUID()})
	s, err := b.Stream(style)
	check(t, err)
	ev, err := s.Event("ev", schema.NoLogLevel, fields...)
	check(t, err)
	sink := &packets{}
	w, err := NewStreamWriter(s.Class(), sink, o)
	check(t, err)
	return w, ev, sink
}

func put(w *StreamWriter, ev *schema.Event, cycles, v uint64) error {
	e := w.Event(ev, cycles)
	e.Uint(v)
	return e.End()
}

func TestPacketsSayWhatTheyAre(t *testing.T) {
	o := StreamOptions{PacketBytes: 256, PadBytes: 64, Instance: 7, FirstPacket: 5, Discarded: 3}
	w, ev, sink := newTestStream(t, LargeHeader, o, Uint("n", 64))
	check(t, w.SetMember("cpu_id", 9))
	for i := range uint64(30) {
		if i == 20 {
			w.Discard(4)
			w.SkipPackets(2)
		}
		check(t, put(w, ev, 1000+i, i))
	}
	w.Discard(1)
	check(t, w.Close())
	check(t, w.Close())
	const perPacket = (256 - 84) / 14
	if got, want := len(sink.info), (30+perPacket-1)/perPacket; got != want {
		t.Fatalf("%d packets, want %d", got, want)
	}
	at := int64(0)
	for i, p := range sink.info {
		first, last := uint64(i*perPacket), min(uint64((i+1)*perPacket), 30)-1
		want := PacketInfo{
			Offset: at, Number: uint64(i), Size: 256 * 8, ContentSize: 8 * (84 + 14*(last-first+1)),
			Has:   HasBegin | HasEnd | HasDiscarded | HasSequence | HasClassID | HasInstanceID,
			Begin: 1000 + first, End: 1000 + last, Discarded: 3, Sequence: 5 + uint64(i), InstanceID: 7,
		}
		if i >= 1 { // events 20 and later are in the second packet's time
			want.Discarded, want.Sequence = 7, 5+uint64(i)+2
		}
		if i == 2 {
			want.Discarded, want.Size = 8, 8*192
		}
		if p != want {
			t.Errorf("packet %d:\n%+v\nwant\n%+v", i, p, want)
		}
		checkPacket(t, sink.bytes[i], p, 9)
		at += int64(p.Size / 8)
	}
}

// checkPacket compares a packet's header and context with what the sink is told.
func checkPacket(t *testing.T, b []byte, p PacketInfo, cpu uint32) {
	t.Helper()
	le := binary.LittleEndian
	id := testUUID()
	want := le.AppendUint32(nil, 0xC1FC1FC1)
	want = append(want, id[:]...)
	want = le.AppendUint32(want, 0)
	for _, v := range []uint64{p.InstanceID, p.Begin, p.End, p.ContentSize, p.Size, p.Sequence, p.Discarded} {
		want = le.AppendUint64(want, v)
	}
	want = le.AppendUint32(want, cpu)
	if !bytes.Equal(b[:84], want) {
		t.Errorf("header and context % x\nwant % x", b[:84], want)
	}
	if pad := b[p.ContentSize/8:]; uint64(len(b)) != p.Size/8 || !bytes.Equal(pad, make([]byte, len(pad))) {
		t.Errorf("%d bytes, want %d with zeros behind the content", len(b), p.Size/8)
	}
}

func TestEventHeaders(t *testing.T) {
	le := binary.LittleEndian
	compact := func(id, low uint32) []byte { return le.AppendUint32(nil, low<<5|id) }
	compactLong := func(id uint32, v uint64) []byte {
		return le.AppendUint64(le.AppendUint32([]byte{31}, id), v)
	}
	large := func(id uint16, low uint32) []byte { return le.AppendUint32(le.AppendUint16(nil, id), low) }
	largeLong := func(id uint32, v uint64) []byte {
		return le.AppendUint64(le.AppendUint32(le.AppendUint16(nil, 65535), id), v)
	}
	const begin = 1<<40 + 5
	for _, test := range []struct {
		name   string
		style  HeaderStyle
		id     uint64
		cycles uint64
		want   []byte
	}{
		{"compact", CompactHeader, 30, begin, compact(30, 5)},
		{"compact, just fits", CompactHeader, 0, begin + 1<<27 - 1, compact(0, 4)},
		{"compact, too late", CompactHeader, 0, begin + 1<<27, compactLong(0, begin+1<<27)},
		{"compact, id 31", CompactHeader, 31, begin, compactLong(31, begin)},
		{"compact, id 70000", CompactHeader, 70000, begin, compactLong(70000, begin)},
		{"large", LargeHeader, 65534, begin, large(65534, 5)},
		{"large, just fits", LargeHeader, 1, begin + 1<<32 - 1, large(1, 4)},
		{"large, too late", LargeHeader, 1, begin + 1<<32, largeLong(1, begin+1<<32)},
		{"large, id 65535", LargeHeader, 65535, begin, largeLong(65535, begin)},
	} {
		for _, shape := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, by shape %v", test.name, shape), func(t *testing.T) {
				w, first, sink := newTestStream(t, test.style, StreamOptions{})
				ev := &schema.Event{ID: test.id, Name: "x", HasName: true, Payload: &schema.Struct{}}
				if test.id == first.ID {
					ev = first
				} else {
					w.class.AddEvent(ev)
				}
				if !shape {
					w.shape = generalHeader
				}
				check(t, w.OpenPacket(begin))
				check(t, w.Event(ev, test.cycles).End())
				check(t, w.Close())
				if got := sink.bytes[0][84 : sink.info[0].ContentSize/8]; !bytes.Equal(got, test.want) {
					t.Errorf("header % x, want % x", got, test.want)
				}
			})
		}
	}
}

func TestTimeOnlyGoesForward(t *testing.T) {
	w, ev, _ := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	check(t, put(w, ev, 100, 1))
	check(t, put(w, ev, 100, 1))
	if err := put(w, ev, 99, 1); !errors.Is(err, ErrTime) {
		t.Errorf("event at 99 = %v, want ErrTime", err)
	}
	if err := w.ClosePacket(99); !errors.Is(err, ErrTime) {
		t.Errorf("packet end at 99 = %v, want ErrTime", err)
	}
	check(t, w.ClosePacket(200))
	for _, f := range []func() error{
		func() error { return put(w, ev, 150, 1) },
		func() error { return w.OpenPacket(150) },
	} {
		if err := f(); !errors.Is(err, ErrTime) {
			t.Errorf("at 150 after a packet's end at 200 = %v, want ErrTime", err)
		}
	}
	check(t, put(w, ev, 200, 1))
	check(t, w.Close())
	if err := put(w, ev, 300, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("event after Close = %v, want ErrClosed", err)
	}
}

// A header whose time has 32 bits only: a later event goes to a new packet, whose
// begin has 64.
func TestTimeBeyondTheHeaderBeginsAPacket(t *testing.T) {
	w, ev, sink := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	v := w.class.EventHeader.Members[1].Class.(*schema.Variant)
	ts := v.Options[0].Class.(*schema.Struct).Members[0]
	w.class.EventHeader = &schema.Struct{Members: []schema.Member{ts}}
	w, err := NewStreamWriter(w.class, sink, StreamOptions{})
	check(t, err)
	times := []uint64{1, 2, 2 + 1<<32 - 1, 2 + 1<<33, math.MaxUint64}
	for _, at := range times {
		check(t, put(w, ev, at, 1))
	}
	check(t, w.Close())
	var begins []uint64
	for _, p := range sink.info {
		begins = append(begins, p.Begin)
	}
	if got, want := fmt.Sprint(begins), fmt.Sprint([]uint64{1, 2 + 1<<33, math.MaxUint64}); got != want {
		t.Errorf("packets begin at %s, want %s", got, want)
	}
}

func TestLargeEvents(t *testing.T) {
	w, ev, sink := newTestStream(t, LargeHeader, StreamOptions{PacketBytes: 512, PadBytes: 256, MaxPacketBytes: 2048}, Str("s"))
	put := func(n int) error {
		e := w.Event(ev, 1)
		e.String(strings.Repeat("x", n))
		return e.End()
	}
	check(t, put(10))
	check(t, put(1000))
	if err := put(2048 - 84 - 6); !errors.Is(err, ErrTooLarge) {
		t.Errorf("event of a packet and a byte = %v, want ErrTooLarge", err)
	}
	check(t, put(2048-84-6-1))
	check(t, put(10))
	check(t, w.Close())
	var sizes []uint64
	for _, p := range sink.info {
		sizes = append(sizes, p.Size/8)
	}
	if got, want := fmt.Sprint(sizes), "[256 1280 2048 256]"; got != want {
		t.Errorf("packets of %s bytes, want %s", got, want)
	}
}

func TestALostPacketIsCounted(t *testing.T) {
	w, ev, sink := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	full := errors.New("no space")
	check(t, put(w, ev, 1, 1))
	check(t, put(w, ev, 2, 1))
	sink.fail = full
	if err := w.ClosePacket(2); !errors.Is(err, full) {
		t.Fatalf("ClosePacket = %v, want %v", err, full)
	}
	check(t, put(w, ev, 3, 1))
	check(t, w.Close())
	if p := sink.info[0]; len(sink.info) != 1 || p.Discarded != 2 || p.Sequence != 1 || p.Offset != 0 || p.Number != 0 {
		t.Errorf("the packet after it: %+v, want 2 events discarded and number 1", p)
	}
}

func TestDiscardedEventsAreToldAtTheEnd(t *testing.T) {
	w, ev, sink := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	check(t, put(w, ev, 1, 1))
	check(t, w.ClosePacket(5))
	w.Discard(9)
	check(t, w.Close())
	if p := sink.info[1]; p.Discarded != 9 || p.ContentSize != 84*8 || p.Begin != 5 || p.End != 5 {
		t.Errorf("last packet %+v, want an empty one at 5 with 9 events discarded", p)
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	fields := []Field{
		Uint("n", 8), Sequence("seq", "n", Uint("", 16)), Int("i", 5), Text("t", 4), Str("s"),
		Enum("tag", 8, Label("a", 1), Label("b", 2)), Variant("v", "tag", Uint("a", 8), Str("b")), Float("f", 64),
	}
	good := func(e *EventWriter, until int) {
		for _, f := range []func(){
			func() { e.Uint(2) },
			func() { e.Array(2) }, func() { e.Uint(1) }, func() { e.Uint(2) },
			func() { e.Int(-16) }, func() { e.String("abc") }, func() { e.String("s") },
			func() { e.Uint(2) }, func() { e.Option(1) }, func() { e.String("y") }, func() { e.Float(1) },
		}[:until] {
			f()
		}
	}
	for _, test := range []struct {
		name  string
		write func(e *EventWriter)
		field string
		err   error
		text  string
	}{
		{"nothing", func(*EventWriter) {}, "n", ErrFields, "got the end of the event, want Uint"},
		{"too few", func(e *EventWriter) { good(e, 10) }, "f", ErrFields, "want Float"},
		{"within an array", func(e *EventWriter) { good(e, 3) }, "seq", ErrFields, "got the end of the event"},
		{"too many", func(e *EventWriter) { good(e, 11); e.Uint(1) }, "", ErrFields, "got one more value (Uint)"},
		{"kind", func(e *EventWriter) { good(e, 4); e.Uint(1) }, "i", ErrFields, "got Uint, want Int"},
		{"first error counts", func(e *EventWriter) { e.Int(1); e.String(""); e.Array(1) }, "n", ErrFields, "got Int, want Uint"},
		{"range", func(e *EventWriter) { e.Uint(256); good2(e) }, "n", ErrValue, "got 256, want an integer of 8 bits"},
		{"signed range", func(e *EventWriter) { writeAll(e, 2, 2, 16, "t", "s", 2, 1) }, "i", ErrValue, "got 16, want a signed integer of 5 bits"},
		{"length", func(e *EventWriter) { writeAll(e, 3, 2, 1, "t", "s", 2, 1) }, "seq", ErrValue, "a length of 2, want 3 as event.fields._n says"},
		{"text too long", func(e *EventWriter) { writeAll(e, 2, 2, 1, "abcde", "s", 2, 1) }, "t", ErrValue, "a length of 5, want 4"},
		{"zero in a string", func(e *EventWriter) { writeAll(e, 2, 2, 1, "t", "a\x00", 2, 1) }, "s", ErrValue, "code unit of zero"},
		{"option", func(e *EventWriter) { writeAll(e, 2, 2, 1, "t", "s", 1, 1) }, "v", ErrValue, "got option b, want the option for 1 (a) as event.fields._tag says"},
		{"no option", func(e *EventWriter) { writeAll(e, 2, 2, 1, "t", "s", 7, 1) }, "v", ErrValue, "want the option for 7 (none)"},
		{"no such option", func(e *EventWriter) { good(e, 8); e.Option(2) }, "v", ErrFields, "want Option"},
		{"negative array", func(e *EventWriter) { e.Uint(2); e.Array(-1) }, "seq", ErrFields, "want Array"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, ev, sink := newTestStream(t, CompactHeader, StreamOptions{}, fields...)
			e := w.Event(ev, 1)
			good(e, 11)
			check(t, e.End())
			e = w.Event(ev, 2)
			test.write(e)
			err := e.End()
			var we *WriteError
			if !errors.As(err, &we) || !errors.Is(err, test.err) || we.Field != test.field || we.Event != "ev" || !strings.Contains(err.Error(), test.text) {
				t.Errorf("End() = %v, want %v of field %q with %q", err, test.err, test.field, test.text)
			}
			e = w.Event(ev, 3)
			good(e, 11)
			check(t, e.End())
			check(t, w.Close())
			checkTwoEvents(t, sink)
		})
	}
}

// checkTwoEvents checks that a refused event between two left no trace.
func checkTwoEvents(t *testing.T, sink *packets) {
	t.Helper()
	events := sink.bytes[0][84 : sink.info[0].ContentSize/8]
	n := len(events) / 2
	if len(events)%2 != 0 || !bytes.Equal(events[4:n], events[n+4:]) {
		t.Errorf("the packet holds % x, want the same event twice", events)
	}
}

func good2(e *EventWriter) {
	e.Array(0)
	e.Int(1)
	e.String("")
	e.String("")
	e.Uint(1)
	e.Option(0)
	e.Uint(1)
	e.Float(1)
}

func writeAll(e *EventWriter, n, elements, i int, text, s string, tag uint64, option int) {
	e.Uint(uint64(n))
	e.Array(elements)
	for range elements {
		e.Uint(1)
	}
	e.Int(int64(i))
	e.String(text)
	e.String(s)
	e.Uint(tag)
	e.Option(option)
	if option == 1 {
		e.String("y")
	} else {
		e.Uint(1)
	}
	e.Float(1)
}

func TestFramesThatLeadNowhereAreRefused(t *testing.T) {
	w, ev, _ := newTestStream(t, CompactHeader, StreamOptions{}, Uint("n", 8), Sequence("seq", "n", Uint("", 16)), Str("s"))
	for _, f := range []*Frame{
		{},
		{Words: []uint64{1, extent(3, 1), 0}},
		{Words: []uint64{1, extent(math.MaxUint32, math.MaxUint32), 0}},
		{Words: []uint64{0, extent(3, 0), extent(0, 1)}},
		{Words: []uint64{0, extent(3, 0), extent(math.MaxUint32, 1)}, Data: []byte("x")},
	} {
		if err := w.WriteFrame(ev, 1, f); err == nil {
			t.Errorf("WriteFrame(%v) succeeded", f)
		}
	}
}

func TestClassesThatCannotBeWritten(t *testing.T) {
	w, ev, sink := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	_, other, _ := newTestStream(t, LargeHeader, StreamOptions{}, Uint("n", 8))
	if err := put(w, other, 1, 1); !errors.Is(err, ErrClass) {
		t.Errorf("event of another stream class = %v, want ErrClass", err)
	}
	w.class.EventHeader = &schema.Struct{Members: []schema.Member{{Name: "id", Class: &schema.Integer{
		BitLayout: schema.BitLayout{Size: 3, Align: 1, Order: schema.LittleEndian}, Role: schema.RoleEventClassID,
	}}}}
	high := &schema.Event{ID: 8, Name: "high"}
	w.class.AddEvent(high)
	w, err := NewStreamWriter(w.class, sink, StreamOptions{})
	check(t, err)
	if err := w.Event(high, 1).End(); !errors.Is(err, ErrClass) {
		t.Errorf("event 8 with an id of 3 bits = %v, want ErrClass", err)
	}
	w.class.EventHeader, ev.Payload = nil, &schema.Struct{}
	if w, err = NewStreamWriter(w.class, sink, StreamOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Event(ev, 1).End(); !errors.Is(err, ErrClass) {
		t.Errorf("event without a bit = %v, want ErrClass", err)
	}
	ev2 := &schema.Event{ID: 9, Name: "ref", Payload: &schema.Struct{Members: []schema.Member{
		{Name: "a", Class: &schema.Array{Element: &schema.String{}, LengthRef: &schema.Ref{Scope: schema.EventPayload, Path: []string{"n"}}}},
	}}}
	w.class.AddEvent(ev2)
	if err := w.Event(ev2, 1).End(); !errors.Is(err, ErrClass) {
		t.Errorf("event with a length that is not there = %v, want ErrClass", err)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	w, ev, _ := newTestStream(t, LargeHeader, StreamOptions{PacketBytes: 1 << 20}, Uint("u3", 3), Uint("n", 8), Sequence("seq", "n", Uint("", 16)), Str("s"))
	w.sink = PacketFunc(func([]byte, PacketInfo) error { return nil })
	cycles := uint64(0)
	write := func() {
		cycles++
		e := w.Event(ev, cycles)
		e.Uint(5)
		e.Uint(2)
		e.Array(2)
		e.Uint(1)
		e.Uint(2)
		e.String("hello")
		check(t, e.End())
	}
	write()
	if n := testing.AllocsPerRun(10_000, write); n != 0 {
		t.Errorf("%v allocations an event, want none", n)
	}
}

// readBack returns the values that weir's reader finds in a trace, a line for
// each event, and the error that ends it.
func readBack(dir string) (lines []string, err error) {
	set, err := Open(Options{}, dir)
	if err != nil {
		return nil, err
	}
	m := set.Merger()
	for {
		c, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		if kind != EventRecord {
			continue
		}
		line := fmt.Sprintf("%d %s", c.Event().Cycles, c.Event().Class.Name)
		for _, s := range bodyScopes {
			if v, ok := c.Event().Scope(s); ok {
				line += " " + treeOf(v).String()
			}
		}
		lines = append(lines, line)
	}
}
