// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBaseline(t *testing.T) {
	for _, tt := range []struct {
		relays []string
		want   string
	}{
		{nil, ""},
		{[]string{"weir"}, ""},
		{[]string{"lttng-relayd"}, ""},
		{[]string{"lttng-relayd", "weir"}, "lttng-relayd"},
		{[]string{"new", "old"}, "old"},
	} {
		if got := (&Report{Relays: tt.relays}).Baseline(); got != tt.want {
			t.Errorf("Baseline of %v = %q, want %q", tt.relays, got, tt.want)
		}
	}
}

// sample is a report of two workloads, one of which lttng-relayd cannot do.
func sample() *Report {
	plain := Workload{Cell: Cell{1, 16, 4096}, Index: Pipelined, VolumeBytes: smallVolume}
	live := plain
	live.Viewers = 1
	two := plain
	two.Viewers, two.PacketBytes = 2, 1<<20
	return &Report{
		Machine: "a machine", Relays: []string{"weir", "lttng-relayd"}, RunsEach: 3,
		Runs: []Run{
			{Relay: "weir", Number: 1, Workload: plain, MiBPerS: 400, CPUPerGiB: 1, PeakMiB: 20},
			{Relay: "lttng-relayd", Number: 1, Workload: plain, MiBPerS: 200, CPUPerGiB: 2, PeakMiB: 10},
			{Relay: "weir", Number: 2, Workload: plain, MiBPerS: 500, CPUPerGiB: 1.5, PeakMiB: 30},
			{Relay: "lttng-relayd", Number: 2, Workload: plain, Error: "gone"},
			{Relay: "weir", Number: 3, Workload: plain, MiBPerS: 600, CPUPerGiB: 1.25, PeakMiB: 25},
			{Relay: "lttng-relayd", Number: 3, Workload: plain, MiBPerS: 300, CPUPerGiB: 3, PeakMiB: 10},
			{Relay: "weir", Number: 1, Workload: live, MiBPerS: 250, CPUPerGiB: 2, PeakMiB: 25, ViewedMiBPerS: 125, ViewedS: 2},
			{Relay: "lttng-relayd", Number: 1, Workload: live, MiBPerS: 125, CPUPerGiB: 5, PeakMiB: 10, ViewedMiBPerS: 100, ViewedS: 3},
			{Relay: "weir", Number: 1, Workload: two, MiBPerS: 1000, CPUPerGiB: 0.5, PeakMiB: 25, ChildrenMiB: 9.5, ViewedMiBPerS: 2000, ViewedS: 1},
			{Relay: "lttng-relayd", Number: 1, Workload: two, Error: "viewer of session 0: ALREADY"},
		},
	}
}

func TestSummary(t *testing.T) {
	r := sample()
	w := r.Runs[0].Workload
	got := r.Summary(w, "weir")
	want := Summary{
		Relay: "weir", Workload: w, Runs: 3,
		MiBPerS: 500, Spread: 0.4, CPUPerGiB: 1.25, PeakMiB: 25,
		Baseline: "lttng-relayd", ThroughputRatio: 2, CPURatio: 0.5, MemoryRatio: 2.5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary of weir (-want +got):\n%s", diff)
	}
	got = r.Summary(w, "lttng-relayd")
	want = Summary{
		Relay: "lttng-relayd", Workload: w, Runs: 2, Failed: 1, Error: "gone",
		MiBPerS: 250, Spread: 0.4, CPUPerGiB: 2.5, PeakMiB: 10,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary of lttng-relayd (-want +got):\n%s", diff)
	}
}

func TestReportErr(t *testing.T) {
	r := sample()
	if err := r.Err(); err != nil {
		t.Errorf("only the baseline failed, got %v", err)
	}
	r.Runs[4].Error = "broken"
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "1 of 10 runs") || !strings.Contains(err.Error(), "1x16x4096 pipelined with weir: broken") {
		t.Errorf("got %v", err)
	}
	alone := &Report{Relays: []string{"lttng-relayd"}, Runs: []Run{{Relay: "lttng-relayd", Error: "gone"}}}
	if alone.Err() == nil {
		t.Error("the only relay failed: no error")
	}
}

func TestWriteText(t *testing.T) {
	const want = `a machine; medians of 3 runs

sessions  streams  packet  index      viewers  relay         MiB/s  ±    CPU s/GiB  RSS MiB   viewed MiB/s  × MiB/s  × CPU  × RSS
1         16       4 KiB   pipelined  0        weir          500    20%  1.25       25.0      –             2.00     0.50   2.50
1         16       4 KiB   pipelined  0        lttng-relayd  250    20%  2.50       10.0      –             –        –      –
1         16       4 KiB   pipelined  1        weir          250    0%   2.00       25.0      125           2.00     0.40   2.50
1         16       4 KiB   pipelined  1        lttng-relayd  125    0%   5.00       10.0      100           –        –      –
1         16       1 MiB   pipelined  2        weir          1000   0%   0.50       25.0+9.5  2000          –        –      –
1         16       1 MiB   pipelined  2        lttng-relayd  failed

Added by the viewers:

sessions  streams  packet  index      viewers  relay         + CPU s/GiB  MiB/s with / without
1         16       4 KiB   pipelined  1        weir          +0.75        0.50
1         16       4 KiB   pipelined  1        lttng-relayd  +2.50        0.50

× is the ratio to lttng-relayd. RSS a+b: the relay and its child processes.
`
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestWriteMarkdown(t *testing.T) {
	const want = `a machine; medians of 3 runs. Each cell: MiB/s / relay CPU s per GiB / peak RSS MiB (+ that of child processes).

| sessions | streams | packet | index | viewers | weir | × MiB/s | × CPU | × RSS | lttng-relayd |
|---|---|---|---|---|---|---|---|---|---|
| 1 | 16 | 4 KiB | pipelined | 0 | 500 / 1.25 / 25.0 | 2.00 | 0.50 | 2.50 | 250 / 2.50 / 10.0 |
| 1 | 16 | 4 KiB | pipelined | 1 | 250 / 2.00 / 25.0 | 2.00 | 0.40 | 2.50 | 125 / 5.00 / 10.0 |
| 1 | 16 | 1 MiB | pipelined | 2 | 1000 / 0.50 / 25.0+9.5 | – | – | – | failed |

Added by the viewers:

| sessions | streams | packet | index | viewers | relay | + CPU s/GiB | MiB/s with / without |
|---|---|---|---|---|---|---|---|
| 1 | 16 | 4 KiB | pipelined | 1 | weir | +0.75 | 0.50 |
| 1 | 16 | 4 KiB | pipelined | 1 | lttng-relayd | +2.50 | 0.50 |
`
	var b bytes.Buffer
	if err := sample().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("markdown (-want +got):\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	r := sample()
	if err := WriteRun(&b, r.Runs[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for line := range strings.Lines(b.String()) {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &object); err != nil || len(object) != 1 {
			t.Fatalf("line %q: %d keys, %v", line, len(object), err)
		}
		for kind := range object {
			kinds[kind]++
		}
	}
	if diff := cmp.Diff(map[string]int{"run": 1, "machine": 1, "summary": 6, "viewer_cost": 2}, kinds); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	var run struct{ Run Run }
	line, _, _ := strings.Cut(b.String(), "\n")
	if err := json.Unmarshal([]byte(line), &run); err != nil || run.Run != r.Runs[0] {
		t.Errorf("run %+v, %v, want %+v", run.Run, err, r.Runs[0])
	}
}

func TestWriteStrains(t *testing.T) {
	strains := []Strain{
		{Scenario: scenarioStreams, Relay: "weir", Wanted: 8, Opened: 8, Alive: true, BeforeMiB: 5, PeakMiB: 7.25},
		{Scenario: scenarioIdle, Relay: "weir", Wanted: 100, Opened: 100, Held: 90, Alive: true, BeforeMiB: 5, PeakMiB: 6, BeforeRate: 300, DuringRate: 290, NewSession: true},
		{Scenario: scenarioAnnounce, Relay: "lttng-relayd", Wanted: 100, Opened: 33, Limited: true, BeforeMiB: 5, PeakMiB: 4097, BeforeRate: 300, Error: "the relay ended"},
	}
	const want = `scenario               relay         opened      held  alive  RSS before MiB  RSS peak MiB  session before MiB/s  during MiB/s  new session
streams                weir          8 of 8      –     yes    5.0             7.2           –                     –             –
idle connections       weir          100 of 100  90    yes    5.0             6.0           300                   290           yes
128 MiB announcements  lttng-relayd  33 of 100   0     no     5.0             > 4097.0      300                   –             no

128 MiB announcements, lttng-relayd: the relay ended
`
	var b bytes.Buffer
	if err := WriteStrains(&b, strains); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	b.Reset()
	if err := WriteStrainsMarkdown(&b, strains); err != nil || strings.Count(b.String(), "\n") != len(strains)+2 {
		t.Errorf("markdown %q, %v", b.String(), err)
	}
	b.Reset()
	if err := WriteStrainsJSON(&b, strains); err != nil || strings.Count(b.String(), `{"strain":`) != len(strains) {
		t.Errorf("JSON %q, %v", b.String(), err)
	}
	if err := StrainError(strains); err != nil {
		t.Errorf("only the baseline was harmed, got %v", err)
	}
	strains[1].Remark = "a new session: refused"
	if err := StrainError(strains); err != nil {
		t.Errorf("no session was harmed, got %v", err)
	}
	strains[1].Error = "slow"
	if err := StrainError(strains); err == nil || !strings.Contains(err.Error(), "idle connections with weir: slow") {
		t.Errorf("got %v", err)
	}
}
