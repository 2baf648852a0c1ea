// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// slowly makes a converter take the way of records that are not quick for all: it
// is the model that quick is compared with.
func slowly(c *Converter) {
	for id := range c.table.Len() {
		c.Filter(uint32(c.table.own+id), func([]byte) bool { return true })
	}
}

// sameAsSlowly converts pages quickly and slowly, and compares all that comes out.
// Rooms are how many bytes there are behind the pages.
func sameAsSlowly(t testing.TB, table *Table, o ConverterOptions, pages [][]byte, rooms ...int) {
	t.Helper()
	tasks := o.Tasks != nil
	convert := func(prepare func(*Converter), room int) (*packets, Counts) {
		if tasks {
			o.Tasks = someTasks()
		}
		p := new(packets)
		c := NewConverter(table, o, p)
		prepare(c)
		for _, page := range pages {
			_ = c.Page(append(make([]byte, 0, len(page)+room), page...))
		}
		check(t, c.Close(c.Last(), 0))
		return p, c.Counts()
	}
	want, wantCounts := convert(slowly, 0)
	for _, room := range rooms {
		got, counts := convert(func(*Converter) {}, room)
		if counts != wantCounts {
			t.Errorf("counts %+v, want %+v", counts, wantCounts)
		}
		if len(got.all) != len(want.all) {
			t.Fatalf("%d packets, want %d", len(got.all), len(want.all))
		}
		for i := range got.all {
			if !bytes.Equal(got.all[i], want.all[i]) || got.infos[i] != want.infos[i] {
				t.Fatalf("packet %d: %+v\n%x\nwant %+v\n%x", i, got.infos[i], got.all[i], want.infos[i], want.all[i])
			}
		}
	}
}

// someTasks knows of threads, of which some become others meanwhile.
func someTasks() *Tasks {
	tasks := new(Tasks)
	tasks.SetSource(func() {})
	tasks.upTo.Store(1 << 40)
	for tid := range int32(60) {
		if tid%3 == 0 {
			for time := range uint64(10) {
				tasks.Set(tid, Task{PID: tid + 1000*int32(time)}, time<<26)
			}
		}
		tasks.Set(tid, Task{PID: tid / 2, PPID: 1, VPID: 7, VTID: tid, VPPID: -1, Name: [16]byte{'t', byte(tid)}}, 0)
	}
	return tasks
}

// quickTables are tables with contexts of all sorts.
func quickTables(t testing.TB, declare ...*ftrace.Format) []*Table {
	all := everyContext()
	exact := slices.DeleteFunc(slices.Clone(all), func(c Context) bool { return c == ContextCallstackKernel || c == ContextCallstackUser })
	var tables []*Table
	for _, o := range []Options{
		{},
		{Naming: Tracefs, StateDump: true},
		{Contexts: []Context{ContextCPU}},
		{Contexts: []Context{ContextInterruptible, ContextPreemptible, ContextNeedReschedule, ContextMigratable}},
		{Contexts: []Context{ContextPID, ContextProcname, ContextPreemptible}},
		{Contexts: exact, Hostname: "host"},
		{Contexts: exact, Hostname: strings.Repeat("h", 100)},
		{Contexts: all, PointerKey: new([16]byte)},
	} {
		table := newTable(t, o)
		for _, f := range declare {
			_, err := table.Declare(f)
			check(t, err)
		}
		tables = append(tables, table)
	}
	return tables
}

// Records with anything in them, of all shapes that the corpus has.
func TestQuickIsAsSlowly(t *testing.T) {
	formats := corpus(t)
	tables := quickTables(t, formats...)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 10 {
		var pages [][]byte
		time := uint64(1000)
		for range 5 {
			page := newPage(time)
			for len(page.b) < 3600 {
				f := formats[random.IntN(len(formats))]
				time += uint64(random.IntN(4)) << random.IntN(30)
				page.add(time, int(f.ID), random.IntN(256), random.IntN(256), int32(random.IntN(120)), randomPayload(random, f))
			}
			pages = append(pages, page.bytes(uint64(random.IntN(2))))
			if random.IntN(4) == 0 {
				time -= 1 << 20 // goes back
			}
		}
		for i, table := range tables {
			t.Run(fmt.Sprint(round, " table ", i), func(t *testing.T) {
				sameAsSlowly(t, table, ConverterOptions{PacketBytes: 4096}, pages, 0, spare)
				sameAsSlowly(t, table, ConverterOptions{Tasks: new(Tasks), PacketBytes: 1 << 14}, pages, 8)
			})
		}
	}
}

// randomPayload is a payload with few zeros, whose dynamic fields are mostly where
// they may be.
func randomPayload(r *rand.Rand, f *ftrace.Format) []byte {
	fixed := 0
	for _, field := range f.Fields {
		fixed = max(fixed, field.End()-recordHead)
	}
	b := make([]byte, max(0, fixed+r.IntN(60)-r.IntN(4)))
	for i := range b {
		if r.IntN(10) > 0 {
			b[i] = byte(r.IntN(4)) | byte(r.IntN(256))&0x81
		}
	}
	for _, field := range f.Fields {
		at := field.Offset - recordHead
		if (field.Kind != ftrace.DataLoc && field.Kind != ftrace.RelLoc) || at+4 > len(b) || r.IntN(10) == 0 {
			continue
		}
		from := recordHead + fixed + r.IntN(8)
		if field.Kind == ftrace.RelLoc {
			from -= field.End()
		}
		binary.NativeEndian.PutUint32(b[at:], uint32(loc(from, r.IntN(40))))
	}
	return b
}

// Pages of this kernel.
func TestQuickIsAsSlowlyOnTheKernel(t *testing.T) {
	i := newInstance(t)
	i.record([]string{"sched", "syscalls", "irq", "timer", "kmem", "task", "raw_syscalls"}, commands(t))
	var pages [][]byte
	for _, ring := range i.allPages() {
		pages = append(pages, ring[:min(len(ring), 200)]...)
	}
	all := formats(t, "sched/*", "syscalls/*", "irq/*", "timer/*", "kmem/*", "task/*", "raw_syscalls/*")
	for _, table := range quickTables(t, all...) {
		sameAsSlowly(t, table, ConverterOptions{}, pages, 0)
		sameAsSlowly(t, table, ConverterOptions{Tasks: new(Tasks), PacketBytes: 1 << 14}, pages, spare)
	}
}

// A page that is cut at any byte, with and without memory behind it.
func TestQuickOnCutPages(t *testing.T) {
	formats := corpus(t)
	random := rand.New(rand.NewPCG(3, 4))
	page := newPage(7)
	for _, f := range formats {
		page.add(8, int(f.ID), 0, 0, 1, randomPayload(random, f))
	}
	b, table := page.bytes(0), quickTables(t, formats...)[0]
	for n := 16; n < len(page.b); n++ {
		cut := slices.Clone(b[:n])
		binary.NativeEndian.PutUint64(cut[8:], uint64(n-16))
		sameAsSlowly(t, table, ConverterOptions{PacketBytes: 4096}, [][]byte{page.bytes(0), cut}, 0)
	}
}

// Texts of 16 bytes with their end at each place, first, behind numbers, and two
// of them, with numbers that are corrected and without.
func TestTextsEndAnywhere(t *testing.T) {
	const plain, waking, both = 7, 8, 9
	formats := []*ftrace.Format{
		format(t, "sys", "plain", plain, "char comm[16] 8 16 0"),
		format(t, "sched", "sched_waking", waking, "char comm[16] 8 16 0", "pid_t pid 24 4 1", "int prio 28 4 1"),
		format(t, "sched", "sched_switch", both, "char prev_comm[16] 8 16 0", "pid_t prev_pid 24 4 1", "int prev_prio 28 4 1", "long prev_state 32 8 1",
			"char next_comm[16] 40 16 0", "pid_t next_pid 56 4 1", "int next_prio 60 4 1"),
	}
	for i, want := range []shape{shapeText, shapeText, shapeTexts} {
		if got := quickTables(t, formats...)[0].planFor(formats[i], 0).quick.shape; got != want {
			t.Errorf("%s has shape %d, want %d", formats[i].Name, got, want)
		}
	}
	text := func(end int, rest byte) (raw, clean string) {
		b := []byte("abcdefghijklmnop")
		for i := end; i < 16; i++ {
			b[i] = rest
		}
		if end < 16 {
			b[end] = 0
		}
		name, _, _ := bytes.Cut(b, []byte{0})
		return string(b), string(append(slices.Clone(name), make([]byte, 16-len(name))...))
	}
	table := newTable(t, Options{})
	for _, f := range formats {
		_, err := table.Declare(f)
		check(t, err)
	}
	for _, rest := range []byte{0, 1, 0x80, 0xff} {
		for end := range 17 {
			raw, clean := text(end, rest)
			raw2, clean2 := text(16-end, rest)
			page, want := newPage(1), []byte{}
			for range 3 { // the first opens the packet
				page.add(1, plain, 0, 0, 1, words(raw)).add(1, waking, 0, 0, 1, words(raw, 2, 120)).
					add(1, both, 0, 0, 1, words(raw, 3, 130, uint64(1), raw2, 4, 99))
				for id, payload := range [][]byte{words(clean), words(clean, 2, 20), words(clean, 3, 30, uint64(1), clean2, 4, -1)} {
					want = append(want, byte(id), 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0)
					want = append(want, payload...)
				}
			}
			var p packets
			c := NewConverter(table, ConverterOptions{}, &p)
			check(t, c.Page(page.bytes(0)))
			check(t, c.Close(1, 0))
			if got := p.all[0][packetStart:]; !bytes.Equal(got, want) {
				t.Errorf("end at %d, then %#x:\n%x, want\n%x", end, rest, got, want)
			}
		}
	}
}

// Strings of all lengths, with an end and without, and up to the record's end.
func TestStringsOfAnyLength(t *testing.T) {
	f := format(t, "sys", "string", 7, "__data_loc char[] s 8 4 0", "int v 12 4 1")
	table := newTable(t, Options{})
	_, err := table.Declare(f)
	check(t, err)
	if got := table.planFor(f, 0).quick.shape; got != shapeString {
		t.Errorf("shape %d, want %d", got, shapeString)
	}
	for n := range 80 {
		for _, end := range []string{"", "\x00", "\x00rest"} {
			s := strings.Repeat("s", n)
			page, want := newPage(1), []byte{}
			for range 3 {
				page.add(1, 7, 0, 0, 1, words(loc(16, n+len(end)), 5, s+end))
				want = append(want, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0)
				want = append(want, words(s+"\x00", 5)...)
			}
			var p packets
			c := NewConverter(table, ConverterOptions{}, &p)
			check(t, c.Page(page.bytes(0)))
			check(t, c.Close(1, 0))
			if got := p.all[0][packetStart:]; !bytes.Equal(got, want) {
				t.Errorf("%d bytes and %q:\n%x, want\n%x", n, end, got, want)
			}
		}
	}
}

// What is told of a thread between two of its events is in the second one.
func TestQuickContextsAreFresh(t *testing.T) {
	table := intTable(t, Options{Contexts: []Context{ContextPID}})
	var p packets
	tasks := new(Tasks)
	c := NewConverter(table, ConverterOptions{Tasks: tasks}, &p)
	page := newPage(1).add(1, intEvent, 0, 0, 5, words(0)).add(1, intEvent, 0, 0, 5+256, words(0)).bytes(0)
	var want []int32
	for pid := range int32(3) {
		check(t, c.Page(page))
		want = append(want, pid-1, -1)
		tasks.Set(5, Task{PID: pid}, 0)
	}
	tasks.forget(5, 0)
	check(t, c.Page(page))
	want = append(want, -1, -1)
	check(t, c.Close(1, 0))
	var got []int32
	for b := p.all[0][packetStart:]; len(b) > 0; b = b[quickHead+8:] {
		got = append(got, int32(binary.NativeEndian.Uint32(b[quickHead:])))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("processes %d, want %d", got, want)
	}
}

// A full page is moved unless it is in a buffer that was made for pages.
func TestPageBufferIsNotMoved(t *testing.T) {
	f := format(t, "demo", "full", 7, "int a 8 4 1")
	table := newTable(t, Options{})
	_, err := table.Declare(f)
	check(t, err)
	page := newPage(1000)
	for len(page.b) < 4096-16 {
		page.add(page.time+1, 7, 0, 0, 1, words(1))
	}
	full := page.bytes(0)
	for _, tt := range []struct {
		name   string
		buffer []byte
		moved  bool
	}{
		{"page buffer", PageBuffer(len(full)), false},
		{"other", make([]byte, len(full)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewConverter(table, ConverterOptions{}, new(packets))
			copy(tt.buffer, full)
			check(t, c.Page(tt.buffer))
			if moved := c.wide != nil; moved != tt.moved {
				t.Errorf("moved: %v, want %v", moved, tt.moved)
			}
		})
	}
}
