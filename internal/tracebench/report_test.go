// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"strings"
	"testing"
	"time"
)

func TestReportPrints(t *testing.T) {
	run := func(cpu time.Duration, lost uint64) took {
		return took{recorded: recorded{events: 1_000_000, lost: lost, cpu: cpu, beside: time.Millisecond}, load: time.Second}
	}
	rows := contestRows(contest{name: "sched"}, []took{run(60*time.Millisecond, 0), run(40*time.Millisecond, 0)}, []took{run(40*time.Millisecond, 1_000_000)})
	rows = append(rows, Row{Name: "live", Error: "no line"})
	r := Report{Machine: "a machine", Load: "1 1 1", LoadEnd: "2 2 2", Runs: 2, Rows: rows}
	var text, markdown, lines strings.Builder
	for _, err := range []error{r.WriteText(&text), r.WriteMarkdown(&markdown), r.WriteJSON(&lines)} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{
		"load 1 1 1 at the begin, 2 2 2 at the end; medians of 2 runs",
		"| sched: CPU of an event (agent beside it 1.0, trace-cmd's main process 1.0) | 50.0 | 20% | ns | 1.25 | trace-cmd's recorders | 40.0 | ≤ 1.2 × | ≤ 1 × | no |",
		"| sched: recorded (1.0 M/s and 2.0 M/s) | 1.00 | 0% | M events | 1.00 | trace-cmd | 1.00 |",
		"| sched: lost | 0 | 0% | % |  | trace-cmd | 50.0 |",
		"| live | failed |",
	} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("Markdown without %q:\n%s", want, &markdown)
		}
	}
	if !strings.Contains(text.String(), "\nsched: lost") || !strings.Contains(lines.String(), `"met": "no"`) {
		t.Errorf("text and JSON:\n%s\n%s", &text, &lines)
	}
	if err := r.Err(); err == nil || err.Error() != "live: no line" {
		t.Errorf("Err() = %v, want that of the row", err)
	}
}

func TestRowReaches(t *testing.T) {
	none := &Bar{Most: true}
	for _, tt := range []struct {
		row  Row
		want string
	}{
		{Row{Weir: 0, Runs: 1, Bar: none}, "aim"},
		{Row{Weir: 1, Runs: 1, Bar: none}, "no"},
		{Row{Weir: 1, Ratio: 1.1, Runs: 1, Bar: &Bar{OfRatio: true, Most: true, Must: 1.2, Aim: 1}}, "must"},
		{Row{Weir: 1, Runs: 1, Bar: &Bar{OfRatio: true, Most: true, Must: 1.2, Aim: 1}}, ""},
		{Row{Weir: 1, Runs: 1}, ""},
	} {
		if got := tt.row.met(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.row, got, tt.want)
		}
	}
}
