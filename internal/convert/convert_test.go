// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/view"
	"pgregory.net/rapid"
)

// specs are traces of all kinds.
func specs() map[string]traceSpec {
	return map[string]traceSpec{
		"compact":     {style: ctf.CompactHeader, host: "hst"},
		"large":       {style: ctf.LargeHeader, pad: 4096},
		"large gaps":  {style: ctf.LargeHeader, gap: 20e9},
		"big-endian":  {style: ctf.CompactHeader, order: schema.BigEndian},
		"CTF 2":       {version: schema.CTF2, style: ctf.LargeHeader, host: "hst"},
		"bits":        {style: ctf.CompactHeader, parts: []part{uintPart("a", 3, ctf.Uint), stringPart("s"), intPart("b", 13), arrayPart("c", 5, 7)}},
		"bits at end": {order: schema.BigEndian, parts: []part{uintPart("a", 3, ctf.Uint), intPart("b", 50)}},
		"aligned":     {style: ctf.LargeHeader, parts: []part{uintPart("a", 16, ctf.Uint), uintPart("b", 64, ctf.Uint)}, change: alignAll},
		"many bytes":  {style: ctf.LargeHeader, parts: []part{textPart("t", 3000)}, packets: 12},
		"one header":  {change: plainHeader},
		"short time":  {change: shortHeader, gap: 1e9},
		"no time":     {change: noTime},
		"open end":    {style: ctf.LargeHeader, change: noPacketTime},
		"short begin": {style: ctf.CompactHeader, change: shortBegin, base: 1},
	}
}

// alignAll aligns integers to their size.
func alignAll(t *schema.Trace) {
	for _, e := range t.Streams[0].Events {
		for i := range e.Payload.Members {
			if c, ok := e.Payload.Members[i].Class.(*schema.Integer); ok {
				c.Align = uint32(c.Size)
			}
		}
	}
}

func integer(t *schema.Trace, name string, size uint8, role schema.Role) schema.Member {
	c := &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: t.ByteOrder}, Base: 10, Role: role}
	if role == schema.RoleTimestamp {
		c.Clock = t.Clocks[0]
	}
	return schema.Member{Name: name, Class: c}
}

// plainHeader makes event headers of a number and a whole time.
func plainHeader(t *schema.Trace) {
	t.Streams[0].EventHeader = &schema.Struct{Members: []schema.Member{
		integer(t, "id", 8, schema.RoleEventClassID), integer(t, "timestamp", 64, schema.RoleTimestamp),
	}}
}

// shortHeader makes event headers of a number and a part of the time.
func shortHeader(t *schema.Trace) {
	t.Streams[0].EventHeader = &schema.Struct{Members: []schema.Member{
		integer(t, "id", 8, schema.RoleEventClassID), integer(t, "timestamp", 32, schema.RoleTimestamp),
	}}
}

// noTime makes event headers without a time.
func noTime(t *schema.Trace) {
	t.Streams[0].EventHeader = &schema.Struct{Members: []schema.Member{integer(t, "id", 16, schema.RoleEventClassID)}}
}

// noPacketTime makes packets that do not say when they begin and end.
func noPacketTime(t *schema.Trace) {
	c := t.Streams[0].PacketContext
	c.Members = slices.DeleteFunc(c.Members, func(m schema.Member) bool { return strings.HasPrefix(m.Name, "timestamp") })
}

// shortBegin makes packets that say a part of the time of begin and end.
func shortBegin(t *schema.Trace) {
	t.Clocks[0].OffsetSeconds = origin / 1e9
	for _, m := range t.Streams[0].PacketContext.Members {
		if strings.HasPrefix(m.Name, "timestamp") {
			m.Class.(*schema.Integer).Size = 32
		}
	}
}

func TestThereAndBack(t *testing.T) {
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			in := newDir(t)
			spec.write(t, in)
			first, there, back := max(spec.version, schema.CTF1), schema.CTF2, schema.CTF1
			if first == schema.CTF2 {
				there, back = back, there
			}
			other, r := converted(t, Job{Format: there}, in)
			again, _ := converted(t, Job{Format: back}, other)
			want := show(t, nil, in)
			equal(t, "other format", show(t, nil, other), want)
			equal(t, "and back", show(t, nil, again), want)
			sameFiles(t, in, other)
			sameFiles(t, in, again)
			if r.EventsWritten == 0 || r.EventsWritten != r.EventsRead || r.Traces[0].Format != fmt.Sprintf("ctf%d", there) {
				t.Errorf("result %+v", r)
			}
			if first == schema.CTF2 {
				return
			}
			if want := babeltrace2(t, in); want.err == nil {
				equal(t, "babeltrace2", babeltrace2(t, again), want)
			}
		})
	}
}

// sameFiles compares data and index files to the byte.
func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{"chan_0", "chan_1", "index/chan_0.idx", "index/chan_1.idx"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if _, missing := os.Lstat(filepath.Join(b, name)); errors.Is(err, os.ErrNotExist) && errors.Is(missing, os.ErrNotExist) {
			continue // packets that have no time, or none of them in it
		}
		check(t, err)
		y, err := os.ReadFile(filepath.Join(b, name))
		check(t, err)
		if !bytes.Equal(x, y) {
			t.Errorf("%s: %d bytes, want the same %d", name, len(y), len(x))
		}
	}
}

func TestFilter(t *testing.T) {
	const filter = "n < 40"
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			in := newDir(t)
			spec.packets, spec.gap = 40, spec.gap/10
			spec.write(t, in)
			want := show(t, func(j *view.Job) { j.Where = filter }, in)
			for _, format := range []schema.Version{0, schema.CTF1, schema.CTF2} {
				out, r := converted(t, Job{Format: format, Select: where(t, filter)}, in)
				equal(t, "weir view", show(t, nil, out), want)
				if r.EventsWritten == r.EventsRead || r.EventsWritten == 0 || int(r.EventsWritten) != strings.Count(want.text, "\n") {
					t.Errorf("%d of %d events, want %d", r.EventsWritten, r.EventsRead, strings.Count(want.text, "\n"))
				}
				if r.Traces[0].Format == "ctf1" && spec.version != schema.CTF2 && babeltrace2(t, in).err == nil {
					equal(t, "babeltrace2", babeltrace2(t, out), want)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	in := newDir(t)
	traceSpec{}.write(t, in)
	tests := []struct {
		name   string
		choose Selection
		filter string
	}{
		{"event", Selection{Events: []string{"app:t*", "other"}}, `$event.name == "app:tick"`},
		{"exclude", Selection{Exclude: []string{"*:tick"}}, `$event.name != "app:tick"`},
		{"both", Selection{Events: []string{"app:*"}, Exclude: []string{"*ll"}}, `$event.name == "app:tick"`},
		{"none", Selection{Events: []string{"app"}}, `$event.name == "app"`},
		{"stream", Selection{Streams: []string{"chan_1"}}, "cpu_id == 1"},
		{"channel", Selection{Streams: []string{"ch*n"}}, "cpu_id >= 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, r := converted(t, Job{Select: tt.choose}, in)
			got, want := show(t, nil, out), show(t, func(j *view.Job) { j.Where = tt.filter }, in)
			if tt.name == "stream" {
				got.losses, want.losses = "", "" // those of one stream
			}
			equal(t, "weir view", got, want)
			if tt.name != "channel" && r.Traces[0].UUID == "01020300-0000-0000-0000-000000000009" {
				t.Error("a part of a trace has the uuid of the whole")
			}
		})
	}
}

// Every window, from and to any packet, shows what it shows of the input.
func TestWindows(t *testing.T) {
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			in := newDir(t)
			spec.write(t, in)
			set, err := ctf.Open(ctf.Options{}, in)
			check(t, err)
			first, ok := set.Begin()
			if !ok {
				first = origin
			}
			for begin := first - 2e9; begin < first+20e9; begin += 2_900_000_000 {
				for _, length := range []int64{0, 3e9, 40e9} {
					end := begin + length
					out, _ := converted(t, Job{Select: between(begin, end)}, in)
					edges := func(j *view.Job) { j.Begin, j.End = timeArg(t, begin), timeArg(t, end) }
					got, want := show(t, nil, out), show(t, edges, in)
					got.losses = show(t, edges, out).losses
					if name == "open end" { // where losses without a time belong, nobody knows
						got.losses, want.losses = "", ""
					}
					equal(t, fmt.Sprintf("from %d to %d", begin-first, end-first), got, want)
				}
			}
		})
	}
}

// Properties hold for any fields, gaps, losses and choices.
func TestAnyTrace(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		in, out := filepath.Join(root, fmt.Sprint("in", n)), filepath.Join(root, fmt.Sprint("out", n))
		defer os.RemoveAll(in)
		defer os.RemoveAll(out)
		spec := drawSpec(rt)
		spec.write(t, in)
		begin := origin + rapid.Int64Range(0, 30e9).Draw(rt, "begin")
		end := begin + rapid.Int64Range(0, 60e9).Draw(rt, "length")
		job := Job{Inputs: []string{in}, Output: out, Jobs: 1, Format: schema.Version(rapid.IntRange(0, 2).Draw(rt, "format"))}
		filter := rapid.SampledFrom([]string{"", "n < 50", "vpid == 7", `$event.name == "app:tick"`, "n == 200"}).Draw(rt, "filter")
		if filter != "" {
			job.Select = where(t, filter)
		}
		timed := rapid.Bool().Draw(rt, "timed")
		if timed {
			job.Select.Window = between(begin, end).Window
		}
		if rapid.IntRange(0, 3).Draw(rt, "intersection") == 0 {
			job.Select.Intersection = true
		}
		viewed := func(j *view.Job) {
			j.Where, j.Intersection = filter, job.Select.Intersection
			if timed {
				j.Begin, j.End = timeArg(t, begin), timeArg(t, end)
			}
		}
		r, err := job.Run(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		got, want := show(t, nil, out), show(t, viewed, in)
		// Viewers cut losses at the edges of the time that they show.
		edges, ok := windowed(t, in, job.Select)
		got.losses = show(t, edges, out).losses
		if !ok {
			got.losses, want.losses = "", ""
		}
		if got.text != want.text {
			rt.Fatalf("events %s", firstDifference(got.text, want.text))
		}
		if got.losses != want.losses {
			rt.Fatalf("losses %s\nall:\n%s\nwant\n%s", firstDifference(got.losses, want.losses), got.losses, want.losses)
		}
		if events := strings.Count(want.text, "\n"); r.EventsWritten != int64(events) {
			rt.Fatalf("%d events by the result, want %d", r.EventsWritten, events)
		}
	})
}

// windowed returns what makes viewers show the time that a choice keeps of a
// trace; ok is false when there is none.
func windowed(t testing.TB, dir string, s Selection) (change func(*view.Job), ok bool) {
	t.Helper()
	set, err := ctf.Open(ctf.Options{}, dir)
	check(t, err)
	c, err := newChoice(s, set)
	check(t, err)
	w := c.windowOf(set.Traces[0])
	return func(j *view.Job) {
		if w.begin != always.begin {
			j.Begin = timeArg(t, w.begin)
		}
		if w.end != always.end {
			j.End = timeArg(t, w.end)
		}
		if w.begin > w.end {
			j.Begin, j.End = view.TimeArg{}, view.TimeArg{}
		}
	}, w.begin <= w.end
}

func timeArg(t testing.TB, ns int64) view.TimeArg {
	t.Helper()
	a, err := view.ParseTime(fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9), time.UTC)
	check(t, err)
	return a
}

// drawSpec draws a trace.
func drawSpec(rt *rapid.T) traceSpec {
	spec := traceSpec{
		version: schema.Version(rapid.IntRange(1, 2).Draw(rt, "version")),
		order:   schema.ByteOrder(rapid.IntRange(1, 2).Draw(rt, "order")),
		style:   ctf.HeaderStyle(rapid.IntRange(0, 1).Draw(rt, "style")),
		cpus:    rapid.IntRange(1, 3).Draw(rt, "cpus"),
		packets: rapid.IntRange(1, 8).Draw(rt, "packets"),
		gap:     rapid.SampledFrom([]uint64{1e6, 1e9, 12e9}).Draw(rt, "gap"),
		pad:     rapid.SampledFrom([]int{8, 100, 4096}).Draw(rt, "pad"),
		seed:    rapid.Uint64().Draw(rt, "seed"),
		parts:   []part{},
	}
	for i := range rapid.IntRange(0, 6).Draw(rt, "parts") {
		name := fmt.Sprint("f", i)
		bits := rapid.Uint8Range(1, 64).Draw(rt, "bits")
		spec.parts = append(spec.parts, rapid.SampledFrom([]part{
			uintPart(name, 32, ctf.Uint), uintPart(name, bits, ctf.Hex), intPart(name, bits), uintPart(name, 16, ctf.Network),
			floatPart(name, 64), floatPart(name, 32), stringPart(name), textPart(name, 9), textSequencePart(name),
			arrayPart(name, 3, bits), sequencePart(name, bits), variantPart(name),
		}).Draw(rt, "part"))
	}
	if rapid.IntRange(0, 4).Draw(rt, "aligned") == 0 {
		spec.change = alignWhole
	}
	return spec
}

// alignWhole aligns integers of 16 bits and more.
func alignWhole(t *schema.Trace) {
	for _, e := range t.Streams[0].Events {
		for i := range e.Payload.Members {
			if c, ok := e.Payload.Members[i].Class.(*schema.Integer); ok && c.Size >= 16 {
				c.Align = 16
			}
		}
	}
}
