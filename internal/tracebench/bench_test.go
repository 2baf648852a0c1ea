// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
)

// TestLoad runs each kind of load in this process.
func TestLoad(t *testing.T) {
	for _, kind := range Kinds() {
		in, word := io.Pipe()
		go func() { // ends when the load has read it
			fmt.Fprintln(word)
			word.Close()
		}()
		var out bytes.Buffer
		const rounds = 50
		if err := (Load{Kind: kind, Count: rounds}).Run(t.Context(), in, &out); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], sayReady+" ") || !strings.HasPrefix(lines[1], sayDone+" ") {
			t.Errorf("%s says %q", kind, lines)
			continue
		}
		threads := len(strings.Fields(lines[0])) - 1
		if want := fmt.Sprintf("%s %d ", sayDone, threads*rounds); !strings.HasPrefix(lines[1], want) {
			t.Errorf("%s: %q, want %q", kind, lines[1], want)
		}
	}
}

// TestQuick measures a tiny amount of everything with the real program, and looks
// for what is left behind.
func TestQuick(t *testing.T) {
	peer.Root(t, "trace the kernel")
	dir := t.TempDir()
	argv := []string{"bench", "trace", "--quick", "--json", "--dir", dir}
	if traceCmd, ok := peer.Find(t, "trace-cmd"); ok {
		argv = append(argv, "--trace-cmd", traceCmd)
	}
	// Not in this process: it compares all that the host does meanwhile, which takes
	// ten times as long under the race detector.
	c := exec.CommandContext(t.Context(), build(t), argv...)
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaint.String())
	}
	var report bench.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in %.100q", err, out)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	measured := make(map[string]bool)
	for _, row := range report.Rows {
		measured[strings.Fields(row.Name)[0]] = true
		// Nothing else is sure on a busy machine.
		if row.Unit == "packets" && row.Weir > 0 || strings.HasPrefix(row.Name, "content") && row.Weir > 0 {
			t.Errorf("%s: %v (%s)", row.Name, row.Weir, row.Note)
		}
	}
	t.Log(slices.Sorted(maps.Keys(measured)))
	nothingLeft(t, dir, c.Process.Pid)
}

// TestCanceled ends a bench while trace-cmd records.
func TestCanceled(t *testing.T) {
	peer.Root(t, "trace the kernel")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	b := Bench{Plan: bench.Plan{Weir: build(t), Dir: dir, Quick: true, Only: []string{"drain"}}, TraceCmd: peer.Need(t, "trace-cmd")}
	reached := false
	b.OnStep = func(step string) {
		if strings.HasSuffix(step, "trace-cmd") {
			reached = true
			cancel()
		}
	}
	if _, err := b.Measure(ctx); !errors.Is(err, context.Canceled) || !reached {
		t.Errorf("got %v, recording by trace-cmd reached: %v; want the cancellation", err, reached)
	}
	nothingLeft(t, dir, os.Getpid())
}

// build builds the program under test.
func build(t *testing.T) string {
	t.Helper()
	weir := filepath.Join(t.TempDir(), "weir")
	if out, err := exec.CommandContext(t.Context(), peer.Need(t, "go"), "build", "-o", weir, "github.com/weir-io/weir/cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return weir
}

// nothingLeft checks that neither files nor tracing instances of a process's are
// there.
func nothingLeft(t *testing.T, dir string, pid int) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	f, err := tracefs.Find()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if left, err := f.Instances(instanceOf(pid)); err != nil || len(left) > 0 {
		t.Errorf("instances left behind: %v, %v", left, err)
	}
}
