// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"strings"
	"testing"
	"time"
)

func TestRowReaches(t *testing.T) {
	least, most := &Bar{Must: 8, Aim: 12}, &Bar{Most: true, Must: 50, Aim: 10}
	ratio := &Bar{OfRatio: true, Must: 2, Aim: 3}
	for _, tt := range []struct {
		name string
		row  Row
		want string
	}{
		{"no bar", Row{Weir: 1, Runs: 1}, ""},
		{"below", Row{Weir: 7.9, Runs: 1, Bar: least}, "no"},
		{"must", Row{Weir: 8, Runs: 1, Bar: least}, "must"},
		{"aim", Row{Weir: 12, Runs: 1, Bar: least}, "aim"},
		{"late", Row{Weir: 51, Runs: 1, Bar: most}, "no"},
		{"soon enough", Row{Weir: 50, Runs: 1, Bar: most}, "must"},
		{"soon", Row{Weir: 9, Runs: 1, Bar: most}, "aim"},
		{"ratio", Row{Weir: 1, Ratio: 2.5, Runs: 1, Bar: ratio}, "must"},
		{"no peer", Row{Weir: 1, Runs: 1, Bar: ratio}, ""},
		{"failed", Row{Weir: 9, Runs: 1, Bar: least, Error: "x"}, ""},
		{"nothing", Row{Bar: least}, ""},
	} {
		if got := tt.row.met(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRowFigures(t *testing.T) {
	seconds := func(u usage) float64 { return u.cpu.Seconds() }
	took := func(all ...time.Duration) (us []usage) {
		for _, d := range all {
			us = append(us, usage{cpu: d * time.Second})
		}
		return us
	}
	var r Row
	r.set(took(4, 2, 3), seconds)
	r.against("peer", took(1, 2), seconds)
	if r.Weir != 3 || r.Runs != 3 || r.Spread != 2.0/3 || r.Other != 1.5 || r.Ratio != 2 || r.Peer != "peer" {
		t.Errorf("got %+v", r)
	}
	if got := quantile([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0.9); got != 10 {
		t.Errorf("90 %% of 1 to 11: got %v, want 10", got)
	}
}

func TestReportPrints(t *testing.T) {
	r := Report{Machine: "a machine", Load: "0 0 0", Events: 5, Runs: 1, Rows: []Row{
		{Name: "text", Unit: millionPerCPU, Weir: 5.25, Runs: 1, Peer: "other", Other: 0.5, Ratio: 10.5, Bar: &Bar{OfRatio: true, Must: 8, Aim: 12}},
		{Name: "seek", Error: "no output"},
	}}
	var text, markdown, lines strings.Builder
	for _, err := range []error{r.WriteText(&text), r.WriteMarkdown(&markdown), r.WriteJSON(&lines)} {
		if err != nil {
			t.Error(err)
		}
	}
	const want = "| text | 5.25 | 0% | M events/CPU s | 10.5 | other | 0.50 | ≥ 8 × | ≥ 12 × | must |"
	if !strings.Contains(markdown.String(), want) {
		t.Errorf("Markdown without %q:\n%s", want, &markdown)
	}
	if !strings.Contains(text.String(), "\ntext  5.25") || !strings.Contains(lines.String(), `"met": "must"`) {
		t.Errorf("text and JSON:\n%s\n%s", &text, &lines)
	}
	if err := r.Err(); err == nil || err.Error() != "seek: no output" {
		t.Errorf("Err() = %v, want that of the row", err)
	}
}

func TestLineTime(t *testing.T) {
	got, err := lineTime("[1800000000.000000042] (+?.?????????) bench p:e: { }, { }")
	if want := int64(1_800_000_000_000_000_042); err != nil || got != want {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	for _, line := range []string{"", "[12:00:00.5]", "[5]", "[1.x]"} {
		if _, err := lineTime(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}
