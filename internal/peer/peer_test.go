// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// double stands for the test that asks, and ends as a test does.
type double struct {
	testing.TB
	end, log string
}

func (d *double) Helper() {}

func (d *double) Logf(format string, args ...any) { d.log += fmt.Sprintf(format, args...) }

func (d *double) Fatalf(format string, args ...any) {
	d.end = "failed: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (d *double) Skipf(format string, args ...any) {
	d.end = "skipped: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run lets a test ask in a goroutine of its own.
func run(ask func(testing.TB)) *double {
	d := new(double)
	done := make(chan struct{})
	go func() { // ended by ask or the double; done waits
		defer close(done)
		ask(d)
		d.end = "went on"
	}()
	<-done
	return d
}

func TestMissingPeerFailsInCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, tt := range map[string]struct {
		ask        func(testing.TB)
		here, inCI string
	}{
		"known program":   {func(t testing.TB) { Need(t, "babeltrace2") }, "skipped: needs babeltrace2 (package babeltrace2)", "failed: needs babeltrace2 (package babeltrace2)"},
		"unknown program": {func(t testing.TB) { Need(t, "nosuch") }, "skipped: needs nosuch", "failed: needs nosuch"},
		"part of a test":  {func(t testing.TB) { Find(t, "lttng") }, "went on", "failed: needs lttng (package lttng-tools)"},
		"capability":      {func(t testing.TB) { Lack(t, "%d loops", 3) }, "skipped: needs 3 loops", "failed: needs 3 loops"},
	} {
		for ci, want := range map[string]string{"": tt.here, "false": tt.here, "true": tt.inCI} {
			t.Setenv("CI", ci)
			d := run(tt.ask)
			if d.end != want {
				t.Errorf("%s with CI=%q: the test %s, want %s", name, ci, d.end, want)
			}
			if told := strings.Contains(d.log, "lttng"); told != (want == "went on") {
				t.Errorf("%s with CI=%q: log %q", name, ci, d.log)
			}
		}
	}
}

func TestPresentPeerIsFound(t *testing.T) {
	t.Setenv("CI", "true")
	want, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	d := run(func(t testing.TB) {
		if got := Need(t, "go"); got != want {
			t.Fatalf("Need = %q, want %q", got, want)
		}
		if got, ok := Find(t, "go"); got != want || !ok {
			t.Fatalf("Find = %q, %v, want %q", got, ok, want)
		}
	})
	if d.end != "went on" {
		t.Errorf("the test %s", d.end)
	}
}
