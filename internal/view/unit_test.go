// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

func TestDecimals(t *testing.T) {
	numbers := []uint64{0, math.MaxUint64, math.MaxInt64, 1 << 63}
	for p := uint64(1); p <= 1e19/10; p *= 10 {
		numbers = append(numbers, p-1, p, p+1, 9*p, 10*p-1)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		numbers = append(numbers, r.Uint64()>>r.IntN(64))
	}
	for _, v := range numbers {
		ns := uint32(v % nsPerSecond)
		got := []string{
			string(appendUint(nil, v)), string(appendInt(nil, int64(v))), string(appendPadded(nil, v, 12)), string(appendPadded(nil, v, 20)),
			string(appendNanos(nil, ns)), string(appendHex(nil, v)), string(appendOctal(nil, v)), string(appendBinary(nil, v, 64)),
		}
		want := []string{
			fmt.Sprintf("%d", v), fmt.Sprintf("%d", int64(v)), fmt.Sprintf("%012d", v), fmt.Sprintf("%020d", v),
			fmt.Sprintf("%09d", ns), fmt.Sprintf("0x%X", v), fmt.Sprintf("0%o", v), fmt.Sprintf("0b%064b", v),
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%d: got %s, want %s", v, got[i], want[i])
			}
		}
	}
}

// Each way to find labels gives the same as going through the mappings.
func TestLabels(t *testing.T) {
	join := func(names []string) string { return strings.Join(names, "|") }
	r := rand.New(rand.NewPCG(5, 6))
	random := func(n, span, width int, signed bool) []schema.Mapping {
		var ms []schema.Mapping
		for i := range n {
			m := schema.Mapping{Label: fmt.Sprint("L", i)}
			for range 1 + r.IntN(2) {
				low := r.IntN(span)
				if signed {
					low -= span / 2
				}
				m.Ranges = append(m.Ranges, schema.Range{Low: uint64(low), High: uint64(low + r.IntN(width))})
			}
			ms = append(ms, m)
		}
		return ms
	}
	extremes := []schema.Mapping{
		{Label: "all", Ranges: []schema.Range{{Low: 0, High: math.MaxUint64}}},
		{Label: "top", Ranges: []schema.Range{{Low: math.MaxUint64, High: math.MaxUint64}}},
		{Label: "none", Ranges: []schema.Range{{Low: 5, High: 4}}},
	}
	tests := []struct {
		name     string
		mappings []schema.Mapping
		signed   bool
		span     int
	}{
		{"dense", random(20, 100, 10, false), false, 120},
		{"dense, signed", random(20, 100, 10, true), true, 120},
		{"sparse", random(20, 100000, 5000, false), false, 110000},
		{"sparse, signed", random(20, 100000, 5000, true), true, 110000},
		{"overlapping too much", random(400, 1000, 1000, false), false, 2100},
		{"extremes", extremes, false, 10},
		{"no labels", nil, false, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLabels(tt.mappings, tt.signed, join)
			slow := &labels{signed: tt.signed, mappings: tt.mappings, join: join}
			values := []uint64{0, math.MaxUint64, 1 << 63, math.MaxInt64}
			for range 2000 {
				v := r.IntN(tt.span)
				if tt.signed {
					v -= tt.span / 2
				}
				values = append(values, uint64(v))
			}
			for _, v := range values {
				if got, want := l.find(v), slow.scan(v); got != want {
					t.Fatalf("find(%d) = %q, want %q", int64(v), got, want)
				}
			}
		})
	}
	if l := newLabels(random(400, 1000, 1000, false), false, join); l.mappings == nil {
		t.Error("labels with many overlaps have a table")
	}
}

func TestParseSets(t *testing.T) {
	names := []struct {
		list string
		want Names
		err  string
	}{
		{"payload", NamePayload, ""},
		{"args, ctx", NamePayload | NameContext, ""},
		{"all", AllNames, ""},
		{"none", 0, ""},
		{"none,header", NameHeader, ""},
		{"fields", 0, `unknown name "fields": want payload, args, arg, context, ctx, header, scope, all, none`},
		{"", 0, `unknown name "": want payload, args, arg, context, ctx, header, scope, all, none`},
	}
	for _, tt := range names {
		got, err := ParseNames(tt.list)
		if got != tt.want || errorText(err) != tt.err {
			t.Errorf("ParseNames(%q) = %b, %v; want %b, %s", tt.list, got, err, tt.want, tt.err)
		}
	}
	got, err := ParseFields("trace,trace:vpid,callsite,loglevel")
	if want := FieldTrace | FieldVPID | FieldLogLevel; got != want || err != nil {
		t.Errorf("ParseFields = %b, %v; want %b", got, err, want)
	}
	if _, err := ParseFields("pid"); err == nil {
		t.Error("ParseFields took an unknown word")
	}
	if m, err := ParseColorMode("always"); m != ColorAlways || err != nil {
		t.Errorf("ParseColorMode(always) = %v, %v", m, err)
	}
	if _, err := ParseColorMode("on"); err == nil {
		t.Error("ParseColorMode took an unknown word")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLocation(t *testing.T) {
	winter, summer := time.Unix(1768435200, 0), time.Unix(1784073600, 0) // 15 January, 15 July 2026
	tests := []struct{ tz, winter, summer string }{
		{"", "00:00", "00:00"},
		{"UTC", "00:00", "00:00"},
		{":UTC0", "00:00", "00:00"},
		{"UTC-3", "03:00", "03:00"},
		{"<+0330>-3:30", "03:30", "03:30"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "01:00", "02:00"},
		{"EST5EDT,M3.2.0,M11.1.0", "19:00", "20:00"},
		{"no zone", "00:00", "00:00"},
		{"/no/such/zone", "00:00", "00:00"},
	}
	for _, tt := range tests {
		l := Location(tt.tz, true)
		if w, s := winter.In(l).Format("15:04"), summer.In(l).Format("15:04"); w != tt.winter || s != tt.summer {
			t.Errorf("Location(%q): midnight is %s and %s, want %s and %s", tt.tz, w, s, tt.winter, tt.summer)
		}
	}
	if l := Location("", false); l != time.Local {
		t.Errorf("Location without TZ = %v, want the system's", l)
	}
}

func TestAppendLoss(t *testing.T) {
	uuid := schema.UUID{1: 0xab}
	stream := func(u *schema.UUID, name string) *ctf.Stream {
		return &ctf.Stream{Trace: &ctf.Trace{Name: "hst/k", Schema: &schema.Trace{UUID: u}}, Class: &schema.Stream{ID: 2}, ID: 3, Name: name}
	}
	const in = ` in trace "hst/k" (UUID: 00ab0000-0000-0000-0000-000000000000) within stream "/t/s" (stream class ID: 2, stream ID: 3).`
	tests := []struct {
		name   string
		loss   ctf.Loss
		stream *ctf.Stream
		want   string
	}{
		{
			"events",
			ctf.Loss{Count: 17, Counted: true, From: 1, To: 61_000_000_000, HasRange: true},
			stream(&uuid, "/t/s"),
			"discarded 17 events between [00:00:00.000000001] and [00:01:01.000000000]" + in,
		},
		{"one event", ctf.Loss{Count: 1, Counted: true}, stream(&uuid, "/t/s"), "discarded 1 event (unknown time range)" + in},
		{"one packet", ctf.Loss{Packets: true, Count: 1, Counted: true}, stream(&uuid, "/t/s"), "discarded 1 packet (unknown time range)" + in},
		{"packets", ctf.Loss{Packets: true, Count: 7, Counted: true}, stream(&uuid, "/t/s"), "discarded 7 packets (unknown time range)" + in},
		{
			"unknown number",
			ctf.Loss{From: 1, To: 2, HasRange: true},
			stream(&uuid, "/t/s"),
			"may have discarded events between [00:00:00.000000001] and [00:00:00.000000002]" + in,
		},
		{"unknown number of packets", ctf.Loss{Packets: true}, stream(&uuid, "/t/s"), "may have discarded packets (unknown time range)" + in},
		{
			"nothing known",
			ctf.Loss{Count: 2, Counted: true},
			stream(nil, ""),
			`discarded 2 events (unknown time range) in trace "hst/k" (no UUID) within stream (unknown) (stream class ID: 2, stream ID: 3).`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := NewText(TextOptions{Cycles: true})
			want := "WARNING: Tracer " + tt.want + "\n"
			if got := string(text.AppendLoss(nil, tt.stream, &tt.loss, Palette{})); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
	colours := Terminal{Getenv: func(name string) string {
		return map[string]string{"BABELTRACE_TERM_COLOR": "always"}[name]
	}}.WarningPalette()
	got := string(NewText(TextOptions{}).AppendLoss(nil, stream(&uuid, "/t/s"), &ctf.Loss{Count: 1, Counted: true}, colours))
	want := "\x1b[33m\x1b[1mWARNING\x1b[0m\x1b[33m: Tracer discarded 1 event (unknown time range)" + in + "\x1b[0m\n"
	if got != want {
		t.Errorf("in colour: got %q, want %q", got, want)
	}
}
