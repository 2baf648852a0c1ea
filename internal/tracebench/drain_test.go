// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

func TestContestRows(t *testing.T) {
	run := func(cpu time.Duration, lost uint64) took {
		return took{recorded: recorded{events: 1_000_000, lost: lost, cpu: cpu, beside: time.Millisecond}, load: time.Second}
	}
	rows := contestRows(contest{name: "sched"}, []took{run(60*time.Millisecond, 0), run(40*time.Millisecond, 0)}, []took{run(40*time.Millisecond, 1_000_000)})
	var markdown strings.Builder
	if err := (&bench.Report{Rows: rows}).WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| sched: CPU of an event (agent beside it 1.0, trace-cmd's main process 1.0) | 50.0 | 20% | ns | 1.25 | trace-cmd's recorders | 40.0 | ≤ 1.2 × | ≤ 1 × | no |",
		"| sched: recorded (1.0 M/s and 2.0 M/s) | 1.00 | 0% | M events | 1.00 | trace-cmd | 1.00 |",
		"| sched: lost | 0 | 0% | % |  | trace-cmd | 50.0 |",
	} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("Markdown without %q:\n%s", want, &markdown)
		}
	}
}
