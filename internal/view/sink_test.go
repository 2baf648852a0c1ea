// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// streamOf gives the sample's event a stream.
func (s *sample) streamOf() *ctf.Stream {
	return &ctf.Stream{Trace: &ctf.Trace{Name: "hst/ust", Schema: s.trace}, Class: s.stream, ID: 3, Name: "/t/channel_3"}
}

// documented returns the code block of docs/format/view-json.md that follows a
// heading.
func documented(t *testing.T, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/format/view-json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	_, block, ok2 := strings.Cut(section, "```json\n")
	block, _, ok3 := strings.Cut(block, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("docs/format/view-json.md has no example under %q", heading)
	}
	return block
}

// collect runs events and a loss of the sample through a sink.
func collect(t *testing.T, s *sample, loss *ctf.Loss, sink func(*Output) Sink) string {
	t.Helper()
	var buf bytes.Buffer
	out := NewOutput(&buf)
	k := sink(out)
	st := s.streamOf()
	for range 2 {
		if err := k.Event(st, s.event); err != nil {
			t.Fatal(err)
		}
		s.event.Time += 1500
	}
	if loss != nil {
		if err := k.Loss(st, loss); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func newJSONSink(o *Output) Sink { return NewJSONLines(o) }

// The example of the document is what is printed.
func TestJSONLinesDocumented(t *testing.T) {
	s := newSample(t, structOf(
		member("n", uintOf(64)), member("state", enumOf(uintOf(8), label("RUN", 0, 5), label("LOW", 0, 1))), member("msg", &schema.String{}),
	), fields{uint64(math.MaxUint64), 1, "hi \"there\"\n"})
	got := collect(t, s, &ctf.Loss{Count: 17, Counted: true, From: 1795177601000000000, To: 1795177602000000000, HasRange: true}, newJSONSink)
	sameLines(t, got, documented(t, "Events"))
}

func TestJSONFields(t *testing.T) {
	inner := structOf(member("p", uintOf(8)))
	tests := []struct {
		name  string
		class schema.Class
		value any
		want  string
	}{
		{"signed", intOf(64), math.MinInt64, "-9223372036854775808"},
		{"base is for people", based(uintOf(8), 16), 255, "255"},
		{"float", floatOf(64), 0.1, "0.1"},
		{"single float", floatOf(32), 0.1, "0.1"},
		{"large float", floatOf(64), 1e300, "1e+300"},
		{"infinite", floatOf(64), math.Inf(-1), `"-inf"`},
		{"not a number", floatOf(64), math.NaN(), `"nan"`},
		{"string", &schema.String{}, "a\x01\t\r\n\"\\\u00e9\xff", `"a\u0001\t\r\n\"\\` + "\u00e9\ufffd" + `"`},
		{"text", &schema.Text{Length: 5}, "ab\x00\x00\x00", `"ab"`},
		{"UTF-16", &schema.Text{Encoding: schema.UTF16BE, Length: 4}, "\x00a\x00\"", `"a\""`},
		{"enum without label", enumOf(intOf(8), label("A", 1, 1)), -7, `{"value":-7,"labels":[]}`},
		{"array", &schema.Array{Element: uintOf(8)}, fields{1, 2}, "[1,2]"},
		{"empty array", &schema.Array{Element: uintOf(8)}, fields{}, "[]"},
		{"struct", inner, fields{1}, `{"p":1}`},
		{"variant", &schema.Variant{Options: []schema.Option{{Name: "a", Class: uintOf(8)}, {Name: "b", Class: inner}}}, option{1, fields{7}}, `{"b":{"p":7}}`},
		{"optional", &schema.Optional{Class: inner}, fields{7}, `{"p":7}`},
		{"absent", &schema.Optional{Class: inner}, absentField{}, "null"},
		{"bool", &schema.Bits{Bool: true}, 0, "false"},
		{"bits", &schema.Bits{}, 5, "5"},
		{"bit map", &schema.Bits{Flags: []schema.Mapping{label("a", 0, 0), label("b", 2, 2)}}, 5, `{"value":5,"flags":["a","b"]}`},
		{"blob", &schema.Blob{}, "\x00\x01\xff", `"AAH/"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSample(t, structOf(member("x", tt.class)), fields{tt.value}).without(t, fields{tt.value})
			s.event.HasTime, s.class.LogLevel = false, schema.NoLogLevel
			want := `{"trace":"hst/ust","stream":{"class":0,"id":3},"name":"p:ev","payload":{"x":` + tt.want + "}}"
			got, _, _ := strings.Cut(collect(t, s, nil, newJSONSink), "\n")
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

// All that a packet's context has beside the CPU, and times of a clock whose
// origin nobody knows.
func TestJSONPacketAndClock(t *testing.T) {
	s := newSample(t, structOf(), fields{})
	s.trace.Clocks[0].Absolute = false
	s.stream.PacketContext.Members = append(s.stream.PacketContext.Members, member("node", uintOf(8)))
	s.event.Packet.Words = append(s.event.Packet.Words, 9)
	got, _, _ := strings.Cut(collect(t, s, nil, newJSONSink), "\n")
	want := `{"ns":1795177601123456789,"host":"hst","trace":"hst/ust","stream":{"class":0,"id":3},"cpu":3,"packet":{"node":9},` +
		`"name":"p:ev","loglevel":"TRACE_WARNING","context":{"vpid":77,"vtid":78,"procname":"prog"},"payload":{}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCSV(t *testing.T) {
	payload := structOf(
		member("name", &schema.String{}), member("e", enumOf(intOf(8), label("A", 0, 1), label("B", 1, 1))),
		member("s", structOf(member("in", uintOf(8)))), member("list", &schema.Array{Element: uintOf(8)}), member("vpid", uintOf(8)),
	)
	values := fields{"x, \"y\"", 1, fields{5}, fields{1, 2}, 9}
	tests := []struct{ columns, want string }{
		{"time,ns,delta", "2026-11-20T12:26:41.123456789Z,1795177601123456789,\n2026-11-20T12:26:41.123458289Z,1795177601123458289,1500\n"},
		{"host,trace,stream,cpu,name,loglevel", "hst,hst/ust,0/3,3,p:ev,TRACE_WARNING\n"},
		{"payload.name,e,s.in,s,list", "\"x, \"\"y\"\"\",A|B,5,\"{\"\"in\"\":5}\",\"[1,2]\"\n"},
		{"vpid,context.vpid,packet.cpu_id,procname", "9,77,3,prog\n"},
		{"nothing,context.nothing,s.nothing,e.nothing,name", ",,,,p:ev\n"},
	}
	for _, tt := range tests {
		s := newSample(t, payload, values)
		got := collect(t, s, new(ctf.Loss), func(o *Output) Sink {
			c, err := NewCSV(o, strings.Split(tt.columns, ","))
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
		want := tt.want
		if strings.Count(want, "\n") == 1 {
			want += want
		}
		sameLines(t, got, tt.columns+"\n"+want)
	}
	for _, columns := range [][]string{nil, {"a", ""}} {
		if _, err := NewCSV(NewOutput(new(bytes.Buffer)), columns); err == nil {
			t.Errorf("NewCSV took the columns %q", columns)
		}
	}
	s := newSample(t, structOf(member("e", enumOf(intOf(8), label("A", 0, 1)))), fields{-4})
	got := collect(t, s, nil, func(o *Output) Sink { c, _ := NewCSV(o, []string{"e"}); return c })
	sameLines(t, got, "e\n-4\n-4\n")
}

func TestSummaryDocumented(t *testing.T) {
	for heading, form := range map[string]SummaryForm{"Summary": SummaryJSON, "Count": CountJSON} {
		s := newSample(t, structOf(), fields{})
		s.event.Time = 1795177601000000000
		got := collect(t, s, &ctf.Loss{Count: 17, Counted: true}, func(o *Output) Sink { return NewSummary(o, form) })
		sameLines(t, got, documented(t, heading))
	}
}

func TestSummaryTable(t *testing.T) {
	s := newSample(t, structOf(), fields{})
	s.event.Time = 1795177601000000000
	got := collect(t, s, new(ctf.Loss), func(o *Output) Sink { return NewSummary(o, SummaryTable) })
	sameLines(t, got, `TRACE    STREAM  EVENT  COUNT  PER SECOND  FIRST                           LAST
hst/ust  0/3     p:ev   2      1333333.3   2026-11-20T12:26:41.000000000Z  2026-11-20T12:26:41.000001500Z

TRACE    STREAM  EVENTS  DISCARDED  PACKETS LOST  FIRST                           LAST
hst/ust  0/3     2       0+         0             2026-11-20T12:26:41.000000000Z  2026-11-20T12:26:41.000001500Z
total            2       0+         0             2026-11-20T12:26:41.000000000Z  2026-11-20T12:26:41.000001500Z
`)
	s.event.HasTime = false
	got = collect(t, s, &ctf.Loss{Packets: true, Counted: true, Count: 4}, func(o *Output) Sink { return NewSummary(o, CountLines) })
	sameLines(t, got, `TRACE    STREAM  EVENT  COUNT
hst/ust  0/3     p:ev   2

TRACE    STREAM  EVENTS  DISCARDED  PACKETS LOST
hst/ust  0/3     2       0          4
total            2       0          4
`)
}

// Counts tell apart classes and streams, whatever their order, and are the same
// when classes take turns, or share an id.
func TestCountByClassAndStream(t *testing.T) {
	var out bytes.Buffer
	sink := NewSummary(NewOutput(&out), CountLines)
	var samples []*sample
	for i, name := range []string{"few", "many", "other"} {
		s := newSample(t, structOf(), fields{})
		s.class.Name, s.class.ID = name, uint64(i/2*maxTallyID)
		samples = append(samples, s)
	}
	ours, theirs := samples[0].streamOf(), samples[0].streamOf()
	theirs.ID = 1
	for n := range 9 {
		for i, st := range []*ctf.Stream{ours, ours, theirs} {
			if i == 0 && n%3 != 0 {
				continue
			}
			if err := sink.Event(st, samples[i].event); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	sameLines(t, out.String(), `TRACE    STREAM  EVENT  COUNT
hst/ust  0/1     other  9
hst/ust  0/3     many   9
hst/ust  0/3     few    3

TRACE    STREAM  EVENTS  DISCARDED  PACKETS LOST
hst/ust  0/1     9       0          0
hst/ust  0/3     12      0          0
total            21      0          0
`)
}

// Steady work allocates nothing.
func TestNoAllocations(t *testing.T) {
	s := newSample(t, structOf(
		member("f", floatOf(64)), member("e", enumOf(uintOf(8), label("A", 0, 1))), member("list", &schema.Array{Element: uintOf(8)}),
		member("s", &schema.String{}), member("m", &schema.Bits{Flags: []schema.Mapping{label("a", 0, 0)}}),
	), fields{1.25, 1, fields{1, 2}, "text?", 1})
	st := s.streamOf()
	csv, err := NewCSV(NewOutput(io.Discard), []string{"time", "e", "s", "list"})
	if err != nil {
		t.Fatal(err)
	}
	sinks := map[string]Sink{
		"text": NewTextSink(NewText(DefaultTextOptions()), NewOutput(io.Discard), io.Discard, Palette{}), "JSON": NewJSONLines(NewOutput(io.Discard)),
		"CSV": csv, "timeline": NewTimeline(NewOutput(io.Discard)), "summary": NewSummary(NewOutput(io.Discard), SummaryTable),
	}
	for name, k := range sinks {
		n := testing.AllocsPerRun(1000, func() {
			s.event.Time += 1000
			if err := k.Event(st, s.event); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations an event", name, n)
		}
	}
}

// A writer that fails stops the sink.
func TestSinkWriteError(t *testing.T) {
	s := newSample(t, structOf(member("s", &schema.String{})), fields{strings.Repeat("x", outputBytes)})
	want := errors.New("no space")
	k := NewTextSink(NewText(DefaultTextOptions()), NewOutput(failing{want}), io.Discard, Palette{})
	if err := k.Event(s.streamOf(), s.event); !errors.Is(err, want) {
		t.Errorf("Event = %v, want %v", err, want)
	}
	text := NewText(DefaultTextOptions())
	w := NewWarner(k, text, failing{want}, Palette{})
	if err := w.Loss(s.streamOf(), new(ctf.Loss)); !errors.Is(err, want) {
		t.Errorf("Loss = %v, want %v", err, want)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func BenchmarkJSONLine(b *testing.B) {
	s := newSample(b, structOf(member("intfield", intOf(32)), member("stringfield", &schema.String{})), fields{123456, "hello, world"})
	k, st := NewJSONLines(NewOutput(io.Discard)), s.streamOf()
	b.ReportAllocs()
	for b.Loop() {
		s.event.Time += 1234567
		k.Event(st, s.event)
	}
}

// Lanes, which print ahead of the order, print the same.
func TestLanesPrintTheSame(t *testing.T) {
	dir := t.TempDir()
	writeComparedTrace(t, dir)
	sinks := map[string]func(*Output) Sink{
		"text": func(o *Output) Sink { return NewTextSink(NewText(DefaultTextOptions()), o, io.Discard, Palette{}) },
		"JSON": newJSONSink,
	}
	for name, sink := range sinks {
		var got [2]bytes.Buffer
		for i := range got {
			set, err := ctf.Open(ctf.Options{}, dir)
			if err != nil {
				t.Fatal(err)
			}
			r := &Run{Set: set, Select: Selection{Window: All}, Sink: sink(NewOutput(&got[i])), Jobs: 1 + i}
			if err := errors.Join(r.Run(t.Context()), r.Sink.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if got[0].Len() == 0 {
			t.Errorf("%s: nothing printed", name)
		}
		sameLines(t, got[1].String(), got[0].String())
	}
}

// An event that comes too late for its place is marked.
func TestLateMark(t *testing.T) {
	dir := t.TempDir()
	writeComparedTrace(t, dir)
	for name, test := range map[string]struct {
		sink func(*Output) Sink
		mark string
	}{
		"text": {func(o *Output) Sink { return NewTextSink(NewText(DefaultTextOptions()), o, io.Discard, Palette{}) }, "(late) "},
		"JSON": {newJSONSink, `"late":true,`},
		"warned": {func(o *Output) Sink {
			return NewWarner(NewJSONLines(o), NewText(DefaultTextOptions()), io.Discard, Palette{})
		}, `"late":true,`},
	} {
		set, err := ctf.Open(ctf.Options{}, dir)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		sink, m := test.sink(NewOutput(&out)), set.Merger()
		for n := 0; n < 3; {
			c, kind, err := m.Next()
			if err != nil {
				t.Fatal(err)
			}
			if kind == ctf.EventRecord {
				if err := showLate(sink, c.Stream(), c.Event(), n == 1); err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			if got := strings.Contains(line, test.mark); got != (i == 1) {
				t.Errorf("%s: line %d marked: %v\n%s", name, i, got, line)
			}
		}
	}
}
