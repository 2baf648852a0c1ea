// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a report with a row of each kind.
func sample() *Report {
	return &Report{
		Machine: "a machine", Load: "1 1 1", LoadEnd: "2 2 2", Events: 5, Runs: 2,
		Rows: []Row{
			{Name: "text", Unit: "events/s", Weir: 5.25, Spread: 0.4, Runs: 2, Peer: "other", Other: 0.5, Ratio: 10.5, Bar: &Bar{OfRatio: true, Must: 8, Aim: 12}},
			{Name: "memory", Unit: "MiB", Weir: 123.4, Runs: 1, Note: "peak", Bar: &Bar{Most: true, Must: 64, Aim: 1.5}},
			{Name: "lost", Unit: "%", Runs: 2, Peer: "other", Other: 50, Bar: &Bar{Most: true}},
			{Name: "seek", Error: "no output"},
		},
	}
}

func TestWriteText(t *testing.T) {
	const want = `a machine; load 1 1 1 at the begin, 2 2 2 at the end; 5 events, medians of 2 runs

what           weir    ±    unit      ×     peer   its figure  must   aim     reached
text           5.25    20%  events/s  10.5  other  0.50        ≥ 8 ×  ≥ 12 ×  must
memory (peak)  123     0%   MiB                                ≤ 64   ≤ 1.5   no
lost           0       0%   %               other  50.0        ≤ 0    ≤ 0     aim
seek           failed                                                         no output
`
	var b strings.Builder
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestWriteMarkdown(t *testing.T) {
	const want = `a machine; load 1 1 1 at the begin, 2 2 2 at the end; medians of 2 runs.

| what | weir | ± | unit | × | peer | its figure | must | aim | reached |
|---|---|---|---|---|---|---|---|---|---|
| text | 5.25 | 20% | events/s | 10.5 | other | 0.50 | ≥ 8 × | ≥ 12 × | must |
| memory (peak) | 123 | 0% | MiB |  |  |  | ≤ 64 | ≤ 1.5 | no |
| lost | 0 | 0% | % |  | other | 50.0 | ≤ 0 | ≤ 0 | aim |
| seek | failed |  |  |  |  |  |  |  | no output |
`
	r := sample()
	r.Events = 0 // there need not be a trace
	var b strings.Builder
	if err := r.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("markdown (-want +got):\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	r := sample()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	want := sample()
	for i, met := range []string{"must", "no", "aim", ""} {
		want.Rows[i].Met = met
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("report read back (-want +got):\n%s", diff)
	}
	for _, key := range []string{"machine", "load", "load_end", "events", "of_ratio", "met", "error"} {
		if !strings.Contains(b.String(), `"`+key+`": `) {
			t.Errorf("JSON without %q:\n%s", key, &b)
		}
	}
}

func TestReportErr(t *testing.T) {
	r := sample()
	if err := r.Err(); err == nil || err.Error() != "seek: no output" {
		t.Errorf("Err() = %v, want that of the row", err)
	}
	r.Rows = r.Rows[:3]
	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v of rows without one", err)
	}
}
