// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/ctftest"
)

// The traces written by hand for package ctf: babeltrace2 prints them as weir
// does, and refuses those that weir refuses.
func TestGoldenTracesAgainstBabeltrace2(t *testing.T) {
	program := needBabeltrace2(t)
	paths, err := filepath.Glob("../../ctf/testdata/trace/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden traces: %v", err)
	}
	for _, path := range paths {
		a := ctftest.Read(t, path)
		if why, ok := a.Section("babeltrace2"); ok && strings.HasPrefix(why, "skip") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "traces")
			a.Write(t, dir)
			words, _ := a.Section("options")
			compareGolden(t, program, dir, strings.Contains(words, "force-correlate"))
		})
	}
}

// goldenOptions are those by which the texts are compared.
var goldenOptions = []struct {
	args string
	set  func(*Job)
}{
	{"", func(*Job) {}},
	{"--clock-seconds --no-delta --names all --fields all", func(j *Job) {
		j.Text.Seconds, j.Text.NoDelta, j.Text.Names, j.Text.Fields = true, true, AllNames, AllFields
	}},
	{"--clock-cycles --names none", func(j *Job) { j.Text.Cycles, j.Text.Names = true, 0 }},
	{"--stream-intersection", func(j *Job) { j.Intersection = true }},
}

func compareGolden(t *testing.T, program, dir string, force bool) {
	t.Helper()
	for _, o := range goldenOptions {
		args := append(strings.Fields(o.args), dir)
		if force {
			args = append(args, "--clock-force-correlate")
		}
		var stdout, stderr, out, warnings bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"TZ=UTC", "LC_ALL=C", "HOME=" + t.TempDir()}
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		wantErr := cmd.Run()
		j := Job{Inputs: []string{dir}, Output: "text", Text: DefaultTextOptions(), Out: &out, Err: &warnings, Jobs: 1, ForceCorrelate: force}
		j.Text.Location, j.Text.Warnings = time.UTC, &warnings
		o.set(&j)
		err := j.Run(t.Context())
		if j.Intersection && err == nil && wantErr != nil {
			continue // the original gives up where packets do not tell their times
		}
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%q: error %v, want %v\n%s", o.args, err, wantErr, lastLine(stderr.String()))
			continue
		}
		if wantErr != nil {
			// What the original has read before the error it may not print.
			if !strings.HasPrefix(out.String(), stdout.String()) {
				t.Errorf("%q:\n%swant, to begin with:\n%s", o.args, out.String(), stdout.String())
			}
			continue
		}
		if out.String() != stdout.String() {
			t.Errorf("%q:\n%swant:\n%s", o.args, out.String(), stdout.String())
		}
		if got, want := onlyWarnings(warnings.String()), onlyWarnings(stderr.String()); got != want {
			t.Errorf("%q: warnings:\n%swant:\n%s", o.args, got, want)
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
