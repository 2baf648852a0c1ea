// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScale(t *testing.T) {
	for _, tt := range []struct {
		v, base float64
		want    string
	}{
		{0, 1024, "0"},
		{999, 1024, "999"},
		{999.5, 1024, "0.98K"},
		{1023, 1024, "1.00K"},
		{1024, 1024, "1.00K"},
		{10 * 1024, 1024, "10.0K"},
		{100 << 10, 1024, "100K"},
		{999 << 20, 1024, "999M"},
		{1 << 30, 1024, "1.00G"},
		{-2048, 1024, "-2.00K"},
		{1 << 60, 1024, "1.00E"},
		{9999, 1000, "9999"},
		{10000, 1000, "10.0K"},
		{9999.6, 1000, "10.0K"},
		{1.5e6, 1000, "1.50M"},
		{999499, 1000, "999K"},
		{999600, 1000, "1.00M"},
	} {
		if got := Scale(tt.v, tt.base); got != tt.want {
			t.Errorf("Scale(%v, %v) = %s, want %s", tt.v, tt.base, got, tt.want)
		}
	}
	for e := -3.0; e < 20; e += 0.01 {
		for _, base := range []float64{1000, 1024} {
			if got := Scale(math.Pow(10, e), base); len(got) > 5 {
				t.Fatalf("10^%v is %s", e, got)
			}
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		cell Cell
		want string
		raw  string
	}{
		{Text, text("a b"), "a b", "a b"},
		{Count, number(math.NaN()), "-", ""},
		{Count, number(12.4), "12", "12.4"},
		{Hundred, number(1.005), "1.00", "1.005"},
		{Percent, number(99.6), "100", "99.6"},
		{Tenth, number(0.25), "0.2", "0.25"},
		{Bytes, number(2048), "2.00K", "2048"},
		{Duration, number(59), "0:59", "59"},
		{Duration, number(3661), "1:01:01", "3661"},
		{Duration, number(90061), "1d 01:01", "90061"},
		{Duration, number(-5), "-", "-5"},
		{Count, number(math.Inf(1)), "+InfE", ""},
	} {
		c := Column{Kind: tt.kind}
		if got := c.Format(tt.cell); got != tt.want {
			t.Errorf("%v of kind %d: %q, want %q", tt.cell, tt.kind, got, tt.want)
		}
		if got := c.Raw(tt.cell); got != tt.raw {
			t.Errorf("%v of kind %d raw: %q, want %q", tt.cell, tt.kind, got, tt.raw)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", "a\nb": "a·b", "\x1b[2J": "·[2J", "\x9b31m": "·31m", "é日": "é日", "\xff": "·", "\u202eab": "·ab", "a\u200bb": "a·b", "\x7f": "·", "\u009b": "·",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever a host sends, what is left are characters to be seen.
func FuzzClean(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		got := Clean(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool {
			return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == utf8.RuneError
		}) {
			t.Errorf("Clean(%q) = %q", in, got)
		}
		if Clean(got) != got {
			t.Errorf("Clean(%q) changes its own result", in)
		}
	})
}

func TestViews(t *testing.T) {
	keys := make(map[rune]bool)
	for i, v := range Views() {
		if keys[v.Key] || strings.ContainsRune("qhk/SsrgeiPAwHC", v.Key) {
			t.Errorf("%s: the key %c is another's", v.Name, v.Key)
		}
		keys[v.Key] = true
		names := make(map[string]bool)
		for c := range v.Columns {
			key := v.Columns[c].Key
			if names[key] {
				t.Errorf("%s has two columns %s", v.Name, key)
			}
			names[key] = true
		}
		if v.Sorted != "" && v.Column(v.Sorted) < 0 {
			t.Errorf("%s is sorted by %s", v.Name, v.Sorted)
		}
		if got, ok := ViewByName(v.Name); !ok || got.Name != v.Name {
			t.Errorf("no view by the name %s", v.Name)
		}
		if got, ok := ViewByName(string(rune('0' + i))); i < 10 && (!ok || got.Name != v.Name) {
			t.Errorf("no view by the number %d", i)
		}
	}
	for _, name := range []string{"", "lo", "-1", "99", "nothing"} {
		if v, ok := ViewByName(name); ok {
			t.Errorf("%q is the view %s", name, v.Name)
		}
	}
}

// What is missing comes last, whichever way; equal rows stay as they were.
func TestSort(t *testing.T) {
	v, _ := ViewByName("load")
	at := v.Column("load1")
	row := func(host string, load float64, told bool, order int) Row {
		r := Row{Host: host, Group: host[:1], Told: told, order: order}
		if told {
			r.Cells = make([]Cell, len(v.Columns))
			r.Cells[at] = number(load)
		}
		return r
	}
	rows := func() []Row {
		return []Row{row("a1", 2, true, 0), row("b1", math.NaN(), true, 1), row("a2", 0, false, 2), row("b2", 5, true, 3), row("a3", 2, true, 4)}
	}
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"as they were", Options{}, "a1 b1 a2 b2 a3"},
		{"the other way", Options{Reverse: true}, "a3 b2 a2 b1 a1"},
		{"column", Options{Sort: "load1"}, "a1 a3 b2 b1 a2"},
		{"column, the other way", Options{Sort: "load1", Reverse: true}, "b2 a1 a3 b1 a2"},
		{"group", Options{Group: true}, "[a] a1 a2 a3 [b] b1 b2"},
		{"group and column", Options{Group: true, Sort: "load1", Reverse: true}, "[a] a1 a3 a2 [b] b2 b1"},
		{"no such column", Options{Sort: "none"}, "a1 b1 a2 b2 a3"},
	} {
		table := Table{View: v, Rows: rows()}
		table.sort(&tt.o)
		var got []string
		for _, r := range table.Rows {
			if r.Heading {
				got = append(got, "["+r.Group+"]")
			} else {
				got = append(got, r.Host)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
}
