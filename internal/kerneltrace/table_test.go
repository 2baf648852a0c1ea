// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

func TestDeclareAgain(t *testing.T) {
	table := newTable(t, Options{})
	declare := func(system, name string, id int, field string) uint32 {
		t.Helper()
		got, err := table.Declare(format(t, system, name, id, field))
		check(t, err)
		return got
	}
	for _, tt := range []struct {
		got, want uint32
		what      string
	}{
		{declare("sys", "a", 1, "int v 8 4 1"), 0, "first"},
		{declare("sys", "b", 2, "int v 8 4 1"), 1, "second"},
		{declare("sys", "a", 1, "int v 8 4 1"), 0, "again"},
		{declare("sys", "a", 9, "int v 8 4 1"), 0, "with another id of the kernel"},
		{declare("sys", "b", 2, "int w 8 4 1"), 2, "with other fields"},
		{declare("sys", "b", 2, "int w 8 4 1"), 2, "with other fields again"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: id %d, want %d", tt.what, tt.got, tt.want)
		}
	}
	if table.Len() != 3 {
		t.Errorf("%d events, want 3", table.Len())
	}
	if f, ok := table.Format(2); !ok || f.Fields[0].Name != "w" {
		t.Errorf("Format(2) = %v, %v", f, ok)
	}
	if _, ok := table.Format(3); ok {
		t.Error("Format(3) is there")
	}
	var p packets
	c := NewConverter(table, ConverterOptions{}, &p)
	check(t, c.Page(newPage(1).add(1, 1, 0, 0, 1, words(1)).add(1, 9, 0, 0, 1, words(2)).add(1, 2, 0, 0, 1, words(3)).bytes(0)))
	check(t, c.Close(1, 0))
	got := lines(t, &p, table)
	for i, want := range []string{"{ v = 1 }", "{ v = 2 }", "{ w = 3 }"} {
		if !strings.HasSuffix(got[i], want) {
			t.Errorf("event %d: %s, want %s", i, got[i], want)
		}
	}
}

// Metadata come in pieces; a second channel of the trace leaves out what the
// first has declared.
func TestMetadataGrow(t *testing.T) {
	first := intTable(t, Options{Env: []schema.EnvEntry{{Name: "hostname", String: "h"}, {Name: "tracer_minor", IsInt: true, Int: 14}}})
	second := newTable(t, Options{StreamID: 1, StreamOnly: true})
	parser := tsdl.NewParser(tsdl.Config{})
	check(t, parser.Parse(first.Metadata()))
	check(t, parser.Parse(second.Metadata()))
	if b := first.Metadata(); len(b) > 0 {
		t.Errorf("metadata again: %s", b)
	}
	_, err := second.Declare(intFormat(t))
	check(t, err)
	check(t, parser.Parse(second.Metadata()))
	trace := parser.Trace()
	if len(trace.Streams) != 2 || len(trace.Streams[0].Events) != 1 || len(trace.Streams[1].Events) != 1 {
		t.Errorf("trace %+v, want two streams of an event each", trace)
	}
	if s, _ := trace.EnvString("tracer_name"); s != "lttng-modules" {
		t.Errorf("tracer_name %q", s)
	}
	if v, _ := trace.EnvInt("tracer_minor"); v != 14 {
		t.Errorf("tracer_minor %d, want the caller's", v)
	}
	if w := parser.Warnings(); len(w) > 0 {
		t.Errorf("warnings %v", w)
	}
	clock := ctf.MonotonicClock(schema.UUID{1}, 5_000_000_007)
	again, err := tsdl.Parse(first.FullMetadata(clock))
	check(t, err)
	if c := again.Clocks[0]; c.OffsetSeconds*1e9+int64(c.OffsetCycles) != 5_000_000_007 {
		t.Errorf("clock %+v, want the new offset", c)
	}
}

func TestMarshal(t *testing.T) {
	table := newTable(t, Options{
		StreamID: 4, Naming: Tracefs, Contexts: []Context{ContextProcname}, Hostname: "h", StateDump: true, PointerKey: &[16]byte{1},
	})
	formats := corpus(t)
	for _, f := range formats {
		_, err := table.Declare(f)
		check(t, err)
	}
	b, err := table.MarshalBinary()
	check(t, err)
	var other Table
	check(t, other.UnmarshalBinary(b))
	if !bytes.Equal(other.Metadata(), table.Metadata()) {
		t.Error("the table's metadata differ from those of the one it was made of")
	}
	page := newPage(1)
	for _, f := range formats {
		page.add(1, int(f.ID), 0, 0, 1, bytes.Repeat([]byte{1}, 92))
	}
	var out [2]packets
	for i, table := range []*Table{table, &other} {
		c := NewConverter(table, ConverterOptions{}, &out[i])
		check(t, c.Page(page.bytes(0)))
		check(t, c.Close(1, 0))
	}
	if !slices.EqualFunc(out[0].all, out[1].all, bytes.Equal) {
		t.Error("the tables convert a page differently")
	}
	for _, bad := range []string{"", "{}", `{"Version":2}`, `{"Version":1,"Formats":[null]}`, `{"Version":1,"Options":{"Naming":7}}`} {
		if err := new(Table).UnmarshalBinary([]byte(bad)); err == nil {
			t.Errorf("UnmarshalBinary(%q) has no error", bad)
		}
	}
}

// Events are declared while converters run.
func TestDeclareWhileConverting(t *testing.T) {
	table := intTable(t, Options{})
	b := newPage(1).add(1, intEvent, 0, 0, 1, words(1)).bytes(0)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			c := NewConverter(table, ConverterOptions{}, ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return nil }))
			for range 1000 {
				_ = c.Page(b)
			}
			if n := c.Counts(); n.Events != 1000 {
				t.Errorf("counts %+v, want 1000 events", n)
			}
		})
	}
	for _, f := range corpus(t) {
		_, err := table.Declare(f)
		check(t, err)
	}
	wg.Wait()
}

func TestGetters(t *testing.T) {
	table := newTable(t, Options{})
	fields := []string{
		"u8 a 8 1 0", "s16 b 10 2 1", "int c 12 4 1", "u64 d 16 8 0", "char e[4] 24 4 0", "__data_loc char[] f 28 4 0", "__rel_loc char[] g 32 4 0",
		"u32 h[2] 36 8 0", `print "%s", __print_symbolic(REC->c, { 1, "one" })`,
	}
	id, err := table.Declare(format(t, "sys", "e", 7, fields...))
	check(t, err)
	head := words(7|0x4<<16|3<<24, 42)
	record := append(head, words(5|0xfffe<<16, -3, ^uint64(0), "ab\x00x", loc(44, 3), loc(11, 4), 1, 2, "xy\x00rest")...)
	for name, want := range map[string]uint64{
		"a": 5, "b": ^uint64(1), "c": ^uint64(2), "d": ^uint64(0), "tid": 42, "common_flags": 4, "common_preempt_count": 3,
	} {
		g, ok := table.Getter(id, name)
		if !ok || g.IsText() {
			t.Errorf("Getter(%s) = %+v, %v", name, g, ok)
			continue
		}
		if v, ok := g.Integer(record); !ok || v != want {
			t.Errorf("%s = %#x, %v, want %#x", name, v, ok, want)
		}
		if _, ok := g.Integer(nil); ok {
			t.Errorf("%s is in an empty record", name)
		}
	}
	if g, _ := table.Getter(id, "c"); !g.Signed() || len(g.Labels()) != 1 || g.Labels()[0].Label != "one" {
		t.Errorf("Getter(c) = %+v, want signed with a label", g)
	}
	for name, want := range map[string]string{"e": "ab", "f": "xy", "g": "rest"} {
		g, ok := table.Getter(id, name)
		if !ok || !g.IsText() {
			t.Errorf("Getter(%s) = %+v, %v", name, g, ok)
			continue
		}
		if v, ok := g.Text(record); !ok || string(v) != want {
			t.Errorf("%s = %q, %v, want %q", name, v, ok, want)
		}
		if _, ok := g.Text(record[:20]); ok {
			t.Errorf("%s is in a record of 20 bytes", name)
		}
	}
	for _, name := range []string{"h", "z", ""} {
		if g, ok := table.Getter(id, name); ok {
			t.Errorf("Getter(%q) = %+v", name, g)
		}
	}
	if _, ok := table.Getter(id+1, "a"); ok {
		t.Error("an event that is not declared has fields")
	}
	// Names and values are those of the trace.
	id, err = table.Declare(format(t, "sched", "sched_waking", 8, "pid_t pid 8 4 1", "int prio 12 4 1"))
	check(t, err)
	record = append(words(8, 42), words(7, 120)...)
	for name, want := range map[string]uint64{"tid": 7, "prio": 20} {
		g, _ := table.Getter(id, name)
		if v, ok := g.Integer(record); !ok || v != want {
			t.Errorf("%s = %d, %v, want %d", name, v, ok, want)
		}
	}
	id, err = table.Declare(format(t, "syscalls", "sys_enter_openat", 9, "int dfd 8 8 0"))
	check(t, err)
	if g, _ := table.Getter(id, "dfd"); true {
		if v, ok := g.Integer(append(words(9, 42), words(uint64(0xffffff9c))...)); !ok || int64(v) != -100 {
			t.Errorf("dfd = %d, %v, want -100", int64(v), ok)
		}
	}
}
