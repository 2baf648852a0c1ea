// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// memberStream is a stream of CTF 2 whose packet context has members of all
// kinds that a caller can give.
func memberStream() (*schema.Trace, *schema.Stream) {
	layout := func(size uint8) schema.BitLayout {
		return schema.BitLayout{Size: size, Align: 8, Order: schema.LittleEndian}
	}
	integer := func(size uint8, role schema.Role) *schema.Integer {
		return &schema.Integer{BitLayout: layout(size), Base: 10, Role: role}
	}
	trace := &schema.Trace{Version: schema.CTF2}
	s := &schema.Stream{Trace: trace}
	trace.Streams = []*schema.Stream{s}
	s.PacketContext = &schema.Struct{Members: []schema.Member{
		{Name: "size", Class: integer(32, schema.RolePacketSize)},
		{Name: "content", Class: integer(32, schema.RoleContentSize)},
		{Name: "u", Class: integer(64, 0)},
		{Name: "i", Class: &schema.Integer{BitLayout: layout(32), Signed: true, Base: 10}},
		{Name: "f", Class: &schema.Float{BitLayout: layout(32)}},
		{Name: "d", Class: &schema.Float{BitLayout: layout(64)}},
		{Name: "s", Class: &schema.String{Encoding: schema.UTF8}},
		{Name: "t", Class: &schema.Text{Encoding: schema.UTF8, Length: 4}},
		{Name: "b", Class: &schema.Blob{Length: 2}},
		{Name: "in", Class: &schema.Struct{Members: []schema.Member{{Name: "x", Class: integer(8, 0)}}}},
	}}
	return trace, s
}

func TestMembersOfEveryKind(t *testing.T) {
	trace, s := memberStream()
	s.AddEvent(&schema.Event{Name: "e", HasName: true, LogLevel: schema.NoLogLevel, Payload: &schema.Struct{Members: []schema.Member{
		{Name: "s", Class: &schema.String{Encoding: schema.UTF8}},
	}}})
	dir := filepath.Join(t.TempDir(), "trace")
	w, err := CreateTrace(dir, trace, TraceOptions{})
	check(t, err)
	sw, err := w.Stream(s, "chan", 0)
	check(t, err)
	var want []string
	for i, text := range []string{"first", "a longer one", ""} {
		for name, value := range map[string]any{
			"u": uint64(1<<63 + uint64(i)), "i": -i, "f": 0.5, "d": -2.25, "s": text, "t": []byte("ab"), "b": []byte{1, byte(i)}, "in.x": uint8(7),
		} {
			check(t, sw.SetMember(name, value))
		}
		e := sw.Event(s.Events[0], 0)
		e.String("x")
		check(t, e.End())
		check(t, sw.ClosePacket(0))
		want = append(want, fmt.Sprint([]tree{
			{word: 1<<63 + uint64(i)},
			{word: uint64(-i)},
			{word: floatWord(0.5, 32)},
			{word: floatWord(-2.25, 64)},
			{text: []byte(text)},
			{text: []byte("ab\x00\x00")},
			{text: []byte{1, byte(i)}},
			{kids: []tree{{word: 7}}},
		}))
	}
	check(t, w.Close())
	set, err := Open(Options{}, dir)
	check(t, err)
	var got []string
	c := NewCursor(set.Streams()[0], 1<<12)
	for {
		kind, err := c.Next()
		check(t, err)
		if kind == StreamEnd {
			break
		}
		if kind == PacketBegin {
			v, _ := c.Packet().Scope(schema.PacketContext)
			got = append(got, fmt.Sprint(treeOf(v).kids[2:]))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("members\n%v\nwant\n%v", got, want)
	}
}

func TestMembersThatAreRefused(t *testing.T) {
	_, s := memberStream()
	for _, test := range []struct {
		name  string
		value any
	}{
		{"none", 1},
		{"u", -1},
		{"u", "1"},
		{"u", 1.0},
		{"i", uint64(1 << 63)},
		{"f", 1},
		{"s", 1},
		{"b", "ab"},
		{"in", 1},
	} {
		w, err := NewStreamWriter(s, &packets{}, StreamOptions{})
		check(t, err)
		if err := w.SetMember(test.name, test.value); !errors.Is(err, ErrFields) {
			t.Errorf("SetMember(%q, %v) = %v, want ErrFields", test.name, test.value, err)
		}
	}
	w, err := NewStreamWriter(s, &packets{}, StreamOptions{})
	check(t, err)
	check(t, w.SetMember("i", 1<<40)) // does not fit, which the packet says
	if err := w.OpenPacket(0); !errors.Is(err, ErrValue) {
		t.Errorf("OpenPacket with a member that does not fit = %v, want ErrValue", err)
	}
	check(t, w.SetMember("i", 1))
	check(t, w.OpenPacket(0))
	if err := w.SetMember("i", 1); !errors.Is(err, ErrFields) {
		t.Errorf("SetMember within a packet = %v, want ErrFields", err)
	}
}

// An event header with a tag that is no id, a field of each kind that nobody
// gives, and an optional time.
func TestAnyEventHeader(t *testing.T) {
	trace, s := memberStream()
	clock := &schema.Clock{Name: "c", Frequency: nsPerSecond}
	trace.Clocks, s.Clock = []*schema.Clock{clock}, clock
	layout := func(size uint8) schema.BitLayout {
		return schema.BitLayout{Size: size, Align: 8, Order: schema.BigEndian}
	}
	integer := func(size uint8, role schema.Role, clock *schema.Clock) *schema.Integer {
		return &schema.Integer{BitLayout: layout(size), Base: 10, Role: role, Clock: clock}
	}
	ref := func(path ...string) *schema.Ref { return &schema.Ref{Scope: schema.EventHeader, Path: path} }
	s.EventHeader = &schema.Struct{Members: []schema.Member{
		{Name: "blob", Class: &schema.Blob{Length: 3}},
		{Name: "array", Class: &schema.Array{Element: integer(8, 0, nil), Length: 2}},
		{Name: "n", Class: integer(8, 0, nil)},
		{Name: "seq", Class: &schema.Array{Element: integer(8, 0, nil), LengthRef: ref("n")}},
		{Name: "tag", Class: integer(8, 0, nil)},
		{Name: "v", Class: &schema.Variant{Tag: ref("tag"), Options: []schema.Option{
			{Name: "small", Ranges: []schema.Range{{Low: 5, High: 9}}, Class: integer(8, schema.RoleEventClassID, nil)},
			{Name: "large", Ranges: []schema.Range{{Low: 11, High: 12}}, Class: integer(64, schema.RoleEventClassID, nil)},
		}}},
		{Name: "timed", Class: integer(8, 0, nil)},
		{Name: "time", Class: &schema.Optional{Selector: ref("timed"), Ranges: []schema.Range{{Low: 3, High: 3}}, Class: integer(64, schema.RoleTimestamp, clock)}},
	}}
	want := []string{}
	dir := filepath.Join(t.TempDir(), "trace")
	for _, id := range []uint64{0, 255, 256, 1 << 40} {
		s.AddEvent(&schema.Event{ID: id, Name: fmt.Sprint("e", id), HasName: true, LogLevel: schema.NoLogLevel})
	}
	w, err := CreateTrace(dir, trace, TraceOptions{})
	check(t, err)
	sw, err := w.Stream(s, "chan", 0)
	check(t, err)
	for i, ev := range s.Events {
		for _, cycles := range []uint64{uint64(10 * i), uint64(10 * i)} { // the second needs no time
			check(t, sw.Event(ev, cycles).End())
			want = append(want, fmt.Sprintf("%d %s", cycles, ev.Name))
		}
	}
	check(t, w.Close())
	got, err := readBack(dir)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("reader finds %q, want %q, %v", got, want, err)
	}
	if data := readFile(t, dir, "chan_0"); len(data)%DefaultPadBytes != 0 {
		t.Errorf("%d bytes, want a multiple of %d", len(data), DefaultPadBytes)
	}
}
