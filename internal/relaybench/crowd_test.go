// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// smallCrowd is a load that readers watch in a moment.
func smallCrowd() Workload {
	w := small(1, 4, 4096, Pipelined, 0)
	w.Live, w.Events = true, 3
	return w
}

// The original lets one viewer read a session: others end at once, and that is
// seen.
func TestCrowdAtTheOriginal(t *testing.T) {
	peer.Need(t, "babeltrace2")
	b := quiet(t, originalRelay(t))
	const readers = 2
	crowds, err := b.crowd(t.Context(), readers, smallCrowd())
	if err != nil {
		t.Fatal(err)
	}
	c := crowds[0]
	if c.Error != "" || c.Runs != 1 || c.Readers != readers || c.AloneMiBPerS <= 0 || c.MiBPerS <= 0 || c.CPU <= 0 {
		t.Errorf("got %+v", c)
	}
	if c.Complete == readers || !strings.Contains(c.Remark, readerProgram) {
		t.Errorf("%d of %d readers are complete, remark %q: want a remark on those that are not", c.Complete, readers, c.Remark)
	}
}

func TestReaderCheck(t *testing.T) {
	for _, tt := range []struct {
		name, out, err string
		failure        error
		want           string // in the error; "" for none
	}{
		{name: "all", out: "       1,204 Event messages\n"},
		{name: "some", out: "       1,203 Event messages\n", want: "1203 events, want 1204"},
		{name: "nothing", want: "0 events"},
		{name: "failed", out: "       1,204 Event messages\n", err: "first\nlast line\n", failure: errors.New("exit status 1"), want: "exit status 1 (last line)"},
	} {
		r := &reader{cmd: &exec.Cmd{}, ended: make(chan struct{}), failure: tt.failure}
		r.out.WriteString(tt.out)
		r.err.WriteString(tt.err)
		close(r.ended)
		err := r.check(1204)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestSummarizeCrowd(t *testing.T) {
	run := func(alone, with float64, complete int) crowdRun {
		return crowdRun{alone: Run{MiBPerS: alone}, with: Run{MiBPerS: with}, complete: complete}
	}
	incomplete := run(100, 80, 9)
	incomplete.remark = "why"
	c := summarizeCrowd("a", crowdWorkload(), 10, []crowdRun{
		run(90, 70, 10), incomplete, run(110, 90, 10), {err: errors.New("broken")},
	})
	if c.Runs != 3 || c.Complete != 9 || c.Loss < 0.199 || c.Loss > 0.201 || c.Remark != "why" || c.Error != "broken" {
		t.Errorf("got %+v", c)
	}
	if c := summarizeCrowd("a", crowdWorkload(), 10, nil); c.Complete != 0 || c.Loss != 0 {
		t.Errorf("without runs: got %+v", c)
	}
}

func TestCrowdError(t *testing.T) {
	good := Crowd{Relay: "a", Readers: 2, Complete: 2}
	lacking := Crowd{Relay: "a", Readers: 2, Complete: 1, Remark: "why"}
	other := Crowd{Relay: original, Readers: 2, Error: "broken"}
	for _, tt := range []struct {
		name   string
		crowds []Crowd
		want   string
	}{
		{"good", []Crowd{good}, ""},
		{"the baseline may fail", []Crowd{good, other}, ""},
		{"incomplete", []Crowd{lacking, other}, "1 of 2 complete: why"},
		{"failed", []Crowd{{Relay: "a", Error: "broken"}, other}, "a: broken"},
	} {
		err := CrowdError(tt.crowds)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestWriteCrowds(t *testing.T) {
	w := crowdWorkload()
	crowds := []Crowd{
		{Relay: "a", Workload: w, Runs: 3, Readers: 10, Complete: 10, AloneMiBPerS: 1000, MiBPerS: 950, Loss: 0.05},
		{Relay: "b", Workload: w, Readers: 10, Error: "broken"},
	}
	var text, markdown, lines strings.Builder
	for _, err := range []error{WriteCrowds(&text, crowds), WriteCrowdsMarkdown(&markdown, crowds), WriteCrowdsJSON(&lines, crowds)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{text.String(), "SCHED_IDLE"},
		{text.String(), "10 of 10          1000           950         5%"},
		{text.String(), "\nb: broken\n"},
		{markdown.String(), "| a | 10 of 10 | 1000 | 950 | 5% | "},
		{lines.String(), `{"crowd":{"relay":"a",`},
	} {
		if !strings.Contains(tt.text, tt.want) {
			t.Errorf("%q is not in the output:\n%s", tt.want, tt.text)
		}
	}
}
