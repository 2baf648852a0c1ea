// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

func TestTextHeader(t *testing.T) {
	const scopes = "{ cpu_id = 3 }, { vpid = 77, vtid = 78, procname = \"prog\" }, { n = 5 }\n"
	named := "stream.packet.context = { 3 }, stream.event.context = { 77, 78, \"prog\" }, event.fields = { 5 }\n"
	tests := []struct {
		name   string
		change func(*sample, *TextOptions)
		want   string
	}{
		{"default", func(*sample, *TextOptions) {}, "[12:26:41.123456789] (+?.?????????) hst:prc:(4242) p:ev: " + scopes},
		{
			"all fields", func(_ *sample, o *TextOptions) { o.Fields = AllFields },
			"[12:26:41.123456789] (+?.?????????) hst/usthst:ust:prc:(4242):TRACE_WARNING (4):http://u p:ev: " + scopes,
		},
		{
			"trace alone", func(_ *sample, o *TextOptions) { o.Fields = FieldTrace },
			"[12:26:41.123456789] (+?.?????????) hst/ustp:ev: " + scopes,
		},
		{"no fields, no delta", func(_ *sample, o *TextOptions) { o.Fields, o.NoDelta = 0, true }, "[12:26:41.123456789] p:ev: " + scopes},
		{
			"level alone", func(_ *sample, o *TextOptions) { o.Fields = FieldLogLevel },
			"[12:26:41.123456789] (+?.?????????) TRACE_WARNING (4) p:ev: " + scopes,
		},
		{
			"header and scope names", func(_ *sample, o *TextOptions) { o.Names, o.Fields = NameHeader|NameScope, AllFields },
			"timestamp = 12:26:41.123456789, delta = +?.?????????, trace = hst/ust, , trace:hostname = hst, trace:domain = ust, " +
				"trace:procname = prc, trace:vpid = (4242), loglevel = TRACE_WARNING (4), model.emf.uri = http://u, name = p:ev, " + named,
		},
		{"names without clock", func(s *sample, o *TextOptions) {
			o.Names, o.Fields, s.stream.Clock = NameHeader|NameScope, AllFields, nil
		}, "trace = hst/ust, trace:hostname = hsttrace:domain = usttrace:procname = prctrace:vpid = (4242)" +
			"loglevel = TRACE_WARNING (4)model.emf.uri = http://uname = p:ev, " + named},
		{"no clock", func(s *sample, _ *TextOptions) { s.stream.Clock = nil }, "hst:prc:(4242) p:ev: " + scopes},
		{"no time", func(s *sample, _ *TextOptions) { s.event.HasTime = false }, "[??:??:??.?????????] (+?.?????????) hst:prc:(4242) p:ev: " + scopes},
		{
			"no time, cycles", func(s *sample, o *TextOptions) { s.event.HasTime, o.Cycles = false, true },
			"[????????????????????] (+????????????) hst:prc:(4242) p:ev: " + scopes,
		},
		{"no environment, no level", func(s *sample, o *TextOptions) {
			s.trace.Env, s.class.LogLevel, s.class.EMFURI, o.Fields = nil, schema.NoLogLevel, "", AllFields&^FieldTrace
		}, "[12:26:41.123456789] (+?.?????????) p:ev: " + scopes},
		{
			"no name", func(s *sample, _ *TextOptions) { s.class.HasName = false },
			"[12:26:41.123456789] (+?.?????????) hst:prc:(4242) <unknown>: " + scopes,
		},
		{
			"context names", func(_ *sample, o *TextOptions) { o.Names = NameContext },
			"[12:26:41.123456789] (+?.?????????) hst:prc:(4242) p:ev: { cpu_id = 3 }, { vpid = 77, vtid = 78, procname = \"prog\" }, { 5 }\n",
		},
		{
			"payload names", func(_ *sample, o *TextOptions) { o.Names = NamePayload },
			"[12:26:41.123456789] (+?.?????????) hst:prc:(4242) p:ev: { 3 }, { 77, 78, \"prog\" }, { n = 5 }\n",
		},
		{
			"cycles", func(_ *sample, o *TextOptions) { o.Cycles = true },
			"[00000000000123456789] (+????????????) hst:prc:(4242) p:ev: " + scopes,
		},
		{
			"date", func(_ *sample, o *TextOptions) { o.Date = true },
			"[2026-11-20 12:26:41.123456789] (+?.?????????) hst:prc:(4242) p:ev: " + scopes,
		},
		{
			"seconds", func(_ *sample, o *TextOptions) { o.Seconds = true },
			"[1795177601.123456789] (+?.?????????) hst:prc:(4242) p:ev: " + scopes,
		},
		{
			"zone", func(_ *sample, o *TextOptions) { o.Location = time.FixedZone("", -90*60) },
			"[10:56:41.123456789] (+?.?????????) hst:prc:(4242) p:ev: " + scopes,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSample(t, structOf(member("n", uintOf(8))), fields{5})
			opts := DefaultTextOptions()
			tt.change(s, &opts)
			if got := s.line(opts); got != tt.want {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestTextScopes(t *testing.T) {
	size := uintOf(64)
	size.Role = schema.RolePacketSize
	counted := &schema.Array{Element: uintOf(8), LengthRef: &schema.Ref{Scope: schema.PacketContext, Path: []string{"packet_size"}}}
	clocked := uintOf(64)
	clocked.Clock = &schema.Clock{}
	tests := []struct {
		name             string
		packet, specific *schema.Struct
		payload          *schema.Struct
		values           [3]fields
		want             string
	}{
		{"no scopes", nil, nil, nil, [3]fields{}, "p:ev: \n"},
		{"all hidden", structOf(member("packet_size", size)), nil, structOf(member("a", uintOf(8))), [3]fields{{8}, nil, {1}}, "p:ev: { a = 1 }\n"},
		{"empty stays", structOf(), nil, structOf(), [3]fields{{}, nil, {}}, "p:ev: { }, { }\n"},
		{
			"referred to", structOf(member("packet_size", size)), nil, structOf(member("a", counted)),
			[3]fields{{8}, nil, {fields{1}}},
			"p:ev: { packet_size = 8 }, { a = [ [0] = 1 ] }\n",
		},
		{"specific", nil, structOf(member("c", uintOf(8))), structOf(member("a", uintOf(8))), [3]fields{nil, {2}, {1}}, "p:ev: { c = 2 }, { a = 1 }\n"},
		{
			"clock in payload", nil, nil, structOf(member("a", uintOf(8)), member("t", clocked), member("s", structOf(member("t", clocked)))),
			[3]fields{nil, nil, {1, 2, fields{3}}},
			"p:ev: { a = 1 }\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := &schema.Stream{Trace: new(schema.Trace), PacketContext: tt.packet}
			class := &schema.Event{Name: "p:ev", HasName: true, Context: tt.specific, Payload: tt.payload}
			st.AddEvent(class)
			present := slices.DeleteFunc(tt.values[1:], func(f fields) bool { return f == nil })
			s := &sample{event: &ctf.Event{
				Class:  class,
				Packet: &ctf.Packet{Class: st, Frame: frameOf(t, []*schema.Struct{tt.packet}, tt.values[0])},
				Frame:  frameOf(t, []*schema.Struct{tt.specific, tt.payload}, present...),
			}}
			if got := s.line(DefaultTextOptions()); got != tt.want {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestTextFields(t *testing.T) {
	inner := structOf(member("p", uintOf(8)), member("q", uintOf(8)))
	variant := &schema.Variant{Options: []schema.Option{{Name: "a", Class: uintOf(16)}, {Name: "b", Class: inner}, {Name: "c", Class: &schema.String{}}}}
	overlap := []schema.Mapping{label("D d", 10, 20), label("?", 15, 15), label("E", 12, 16), label("neg", -3, -1)}
	matrix := &schema.Array{Element: &schema.Array{Element: uintOf(8), Length: 2}, Length: 2}
	tests := []struct {
		name  string
		class schema.Class
		value any
		want  string
	}{
		{"unsigned", uintOf(64), uint64(math.MaxUint64), "18446744073709551615"},
		{"signed", intOf(64), math.MinInt64, "-9223372036854775808"},
		{"zero", uintOf(8), 0, "0"},
		{"hex", based(uintOf(32), 16), 0xabc, "0xABC"},
		{"hex zero", based(uintOf(32), 16), 0, "0x0"},
		{"hex signed 5 bits", based(intOf(5), 16), -3, "0xFD"},
		{"hex signed 8 bits", based(intOf(8), 16), -3, "0xFD"},
		{"hex signed 60 bits", based(intOf(60), 16), -3, "0xFFFFFFFFFFFFFFD"},
		{"hex signed 61 bits", based(intOf(61), 16), -3, "0x0"},
		{"hex signed 64 bits", based(intOf(64), 16), -3, "0xFFFFFFFFFFFFFFFD"},
		{"octal", based(uintOf(8), 8), 255, "0377"},
		{"octal zero", based(uintOf(8), 8), 0, "00"},
		{"octal signed 8 bits", based(intOf(8), 8), -2, "0776"},
		{"octal signed 62 bits", based(intOf(62), 8), -3, "0777777777777777777775"},
		{"binary", based(uintOf(5), 2), 5, "0b00101"},
		{"binary signed", based(intOf(3), 2), -2, "0b110"},
		{"double", floatOf(64), 1.5, "1.5"},
		{"single", floatOf(32), 0.1, "0.1"},
		{"string", &schema.String{Encoding: schema.UTF8}, "a\\b'c\"d?\a\b\x1b\f\n\r\t\v\x01\x1f\x7f\u00e9\xff", `"a\\b\'c\"d\?\a\b\e\f\n\r\t\v\x01\x1f\x7f` + "\u00e9\xff" + `"`},
		{"text", &schema.Text{Encoding: schema.UTF8, Length: 8}, "abc\x00def", `"abc"`},
		{"full text", &schema.Text{Encoding: schema.UTF8, Length: 3}, "abc", `"abc"`},
		{"UTF-16", &schema.Text{Encoding: schema.UTF16LE, Length: 10}, "a\x00?\x00\x3d\xd8\x00\xde\x00\x00", `"a\?` + "\U0001f600" + `"`},
		{"UTF-32", &schema.Text{Encoding: schema.UTF32BE, Length: 8}, "\x00\x00\x00a\x00\x11\x00\x00", "\"a\ufffd\""},
		{"enum", enumOf(uintOf(8), overlap...), 11, `( "D d" : container = 11 )`},
		{"enum overlap", enumOf(uintOf(8), overlap...), 15, `( "D d", "\?", "E" : container = 15 )`},
		{"enum unknown", enumOf(uintOf(8), overlap...), 9, `( <unknown> : container = 9 )`},
		{"enum beyond", enumOf(uintOf(8), overlap[:1]...), 21, `( <unknown> : container = 21 )`},
		{"enum signed hex", enumOf(based(intOf(8), 16), overlap...), -2, `( "neg" : container = 0xFE )`},
		{"enum without labels", enumOf(uintOf(8), []schema.Mapping{}...), 9, `( <unknown> : container = 9 )`},
		{"struct", inner, fields{1, 2}, "{ p = 1, q = 2 }"},
		{"empty struct", structOf(), fields{}, "{ }"},
		{"array", &schema.Array{Element: intOf(8)}, fields{1, -2}, "[ [0] = 1, [1] = -2 ]"},
		{"empty array", &schema.Array{Element: intOf(8)}, fields{}, "[ ]"},
		{"array of arrays", matrix, fields{fields{1, 2}, fields{3, 4}}, "[ [0] = [ [0] = 1, [1] = 2 ], [1] = [ [0] = 3, [1] = 4 ] ]"},
		{"array of structs", &schema.Array{Element: inner}, fields{fields{1, 2}, fields{3, 4}}, "[ [0] = { p = 1, q = 2 }, [1] = { p = 3, q = 4 } ]"},
		{"variant", variant, option{0, 513}, "{ 513 }"},
		{"variant of struct", variant, option{1, fields{7, 8}}, "{ { p = 7, q = 8 } }"},
		{"array of variants", &schema.Array{Element: variant}, fields{option{2, "x"}, option{0, 1}}, `[ [0] = { "x" }, [1] = { 1 } ]`},
		{"optional", &schema.Optional{Class: inner}, fields{7, 8}, "{ { p = 7, q = 8 } }"},
		{"absent", &schema.Optional{Class: inner}, absentField{}, "<none>"},
		{"bool", &schema.Bits{Bool: true}, true, "true"},
		{"bits", &schema.Bits{}, 0xabc, "0xABC"},
		{"bit map", &schema.Bits{Flags: []schema.Mapping{label("a", 0, 0), label("b", 1, 3), label("c", 4, 63)}}, 9, `( "a", "b" : container = 0x9 )`},
		{"bit map without", &schema.Bits{Flags: []schema.Mapping{label("a", 0, 0)}}, 2, `( <unknown> : container = 0x2 )`},
		{"blob", &schema.Blob{Length: 2}, "\x0a\xff", "0x0AFF"},
		{"variable length", &schema.Integer{Variable: true, Base: 2}, 5, "0b" + strings.Repeat("0", 61) + "101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSample(t, structOf(member("x", tt.class)), fields{tt.value}).without(t, fields{tt.value})
			want := "p:ev: { x = " + tt.want + " }\n"
			if got := s.line(DefaultTextOptions()); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
}

func TestTextWithoutNames(t *testing.T) {
	payload := structOf(member("a", &schema.Array{Element: structOf(member("p", uintOf(8)))}), member("e", enumOf(uintOf(8), label("L", 0, 9))))
	values := fields{fields{fields{1}, fields{2}}, 3}
	s := newSample(t, payload, values).without(t, values)
	want := "p:ev: { [ { 1 }, { 2 } ], ( \"L\" : container = 3 ) }\n"
	if got := s.line(TextOptions{}); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// Times and differences of consecutive lines.
func TestTextTimes(t *testing.T) {
	at := func(ns int64) Moment { return Moment{Clocked: true, HasTime: true, Time: ns, Cycles: uint64(ns)} }
	tests := []struct {
		name    string
		opts    TextOptions
		moments []Moment
		want    []string
		warning string
	}{
		{"deltas", TextOptions{}, []Moment{at(1), at(5), at(2_000_000_004), {}, at(62_000_000_000)}, []string{
			"[00:00:00.000000001] (+?.?????????) ", "[00:00:00.000000005] (+0.000000004) ",
			"[00:00:02.000000004] (+1.999999999) ", "", "[00:01:02.000000000] (+59.999999996) ",
		}, ""},
		{"backwards", TextOptions{}, []Moment{at(5), at(3)}, []string{
			"[00:00:00.000000005] (+?.?????????) ", "[00:00:00.000000003] (+18446744073.709551614) ",
		}, ""},
		{"cycles", TextOptions{Cycles: true}, []Moment{at(1001), at(5_000_000_000_000), at(1_000_000_000_000_000)}, []string{
			"[00000000000000001001] (+????????????) ", "[00000005000000000000] (+4999999998999) ", "[00001000000000000000] (+995000000000000) ",
		}, ""},
		{"negative", TextOptions{}, []Moment{at(-1_500_000_000), at(-1_250_000_000), at(1)}, []string{
			"[-1.500000000] (+?.?????????) ", "[00:00:01.250000000] (+0.250000000) ", "[00:00:00.000000001] (+1.250000001) ",
		}, "[warning] Fallback to [sec.ns] to print negative time value. Use --clock-seconds.\n"},
		{"negative seconds", TextOptions{Seconds: true}, []Moment{at(-2_000_000_000), at(-1), at(1)}, []string{
			"[-2.000000000] (+?.?????????) ", "[-0.000000001] (+1.999999999) ", "[0.000000001] (+1.999999999) ",
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var warnings strings.Builder
			tt.opts.Warnings = &warnings
			text := NewText(tt.opts)
			for i, m := range tt.moments {
				if got := string(text.AppendHead(nil, m, "")); got != tt.want[i] {
					t.Errorf("line %d: got %q, want %q", i, got, tt.want[i])
				}
			}
			if warnings.String() != tt.warning {
				t.Errorf("warnings %q, want %q", warnings.String(), tt.warning)
			}
		})
	}
}

func TestTextColours(t *testing.T) {
	env := func(vars ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(vars); i += 2 {
				if vars[i] == name {
					return vars[i+1]
				}
			}
			return ""
		}
	}
	always := env("BABELTRACE_TERM_COLOR", "Always")
	s := newSample(t, structOf(member("e", enumOf(uintOf(8), label("L", 1, 1))), member("s", &schema.String{})), fields{2, "x"})
	opts := DefaultTextOptions()
	opts.Names |= NameHeader | NameScope
	opts.Palette = Terminal{Getenv: always}.Palette(ColorAlways)
	want := "^[1mtimestamp^[0m = ^[1m^[1m^[33m12:26:41.123456789^[0m, ^[1mdelta^[0m = +?.?????????, ^[1mtrace:hostname^[0m = hst, " +
		"^[1mtrace:procname^[0m = prc, ^[1mtrace:vpid^[0m = (4242), ^[1mname^[0m = ^[1m^[1m^[35mp:ev^[0m, " +
		"^[1mstream.packet.context^[0m = { ^[36mcpu_id^[0m = ^[1m3^[0m }, " +
		"^[1mstream.event.context^[0m = { ^[36mvpid^[0m = ^[1m77^[0m, ^[36mvtid^[0m = ^[1m78^[0m, ^[36mprocname^[0m = ^[1m\"prog\"^[0m }, " +
		"^[1mevent.fields^[0m = { ^[36me^[0m = ( ^[1m^[1m^[31m<unknown>^[0m : container = ^[1m2^[0m ), ^[36ms^[0m = ^[1m\"x\"^[0m }\n"
	if got := strings.ReplaceAll(s.line(opts), "\x1b[", "^["); got != want {
		t.Errorf("got  %swant %s", got, want)
	}

	tests := []struct {
		name     string
		terminal Terminal
		mode     ColorMode
		time     string // of the palette
	}{
		{"never", Terminal{Getenv: always, TTY: true, Stdout: true}, ColorNever, ""},
		{"auto, environment", Terminal{Getenv: always, Stdout: true}, ColorAuto, "\x1b[1m\x1b[1m\x1b[33m"},
		{"auto to a file", Terminal{Getenv: always}, ColorAuto, ""},
		{"auto, terminal", Terminal{Getenv: env("TERM", "xterm-256color"), TTY: true, Stdout: true}, ColorAuto, "\x1b[1m\x1b[1m\x1b[33m"},
		{"auto, no terminal", Terminal{Getenv: env("TERM", "xterm"), Stdout: true}, ColorAuto, ""},
		{"unknown terminal", Terminal{Getenv: env("TERM", "vt100"), TTY: true, Stdout: true}, ColorAuto, ""},
		{"always, no colours", Terminal{Getenv: env("TERM", "dumb"), TTY: true, Stdout: true}, ColorAlways, ""},
		{"environment says never", Terminal{Getenv: env("BABELTRACE_TERM_COLOR", "NEVER", "TERM", "xterm"), TTY: true}, ColorAlways, ""},
		{"bright is no bold", Terminal{Getenv: env("BABELTRACE_TERM_COLOR", "always", "BABELTRACE_TERM_COLOR_BRIGHT_MEANS_BOLD", "0")}, ColorAlways, "\x1b[1m\x1b[93m"},
		{"kitty", Terminal{Getenv: env("BABELTRACE_TERM_COLOR", "always", "TERM", "xterm-kitty")}, ColorAlways, "\x1b[1m\x1b[93m"},
		{"kitty, bold asked for", Terminal{Getenv: env("BABELTRACE_TERM_COLOR", "always", "TERM", "xterm-kitty", "BABELTRACE_TERM_COLOR_BRIGHT_MEANS_BOLD", "1")}, ColorAlways, "\x1b[1m\x1b[1m\x1b[33m"},
	}
	for _, tt := range tests {
		if got := tt.terminal.Palette(tt.mode).time; got != tt.time {
			t.Errorf("%s: colour of times %q, want %q", tt.name, got, tt.time)
		}
	}
}

func BenchmarkTextLine(b *testing.B) {
	s := newSample(b, structOf(member("intfield", intOf(32)), member("stringfield", &schema.String{})), fields{123456, "hello, world"})
	text := NewText(DefaultTextOptions())
	m := MomentOf(s.event)
	line := text.AppendRest(text.AppendHead(nil, m, ""), s.event)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		m.Time += 1234567
		line = text.AppendRest(text.AppendHead(line[:0], m, ""), s.event)
	}
}

func BenchmarkTextHead(b *testing.B) {
	text := NewText(DefaultTextOptions())
	m := Moment{Clocked: true, HasTime: true, Time: 1795177601123456789}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		m.Time += 1234567
		line = text.AppendHead(line[:0], m, "")
	}
}
