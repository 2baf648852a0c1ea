// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/peer"
)

// build makes a program.
func build(t *testing.T, name, of string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), peer.Need(t, "go"), "build", "-o", path, of).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestQuick measures a tiny amount of everything with the real programs.
func TestQuick(t *testing.T) {
	peer.Root(t, "to watch file systems")
	for _, maker := range makers {
		peer.Need(t, maker[0])
	}
	dir := t.TempDir()
	report, err := Bench{
		Plan: bench.Plan{Weir: build(t, "weir", "../../cmd/weir"), Dir: dir, Quick: true},
		NATS: build(t, "nats-server", "github.com/nats-io/nats-server/v2"),
	}.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	rows := map[string]bool{}
	for _, r := range report.Rows {
		name, _, _ := strings.Cut(r.Name, ":")
		rows[name] = true
		switch {
		case r.Runs == 0:
			t.Errorf("%s is not measured", r.Name)
		case strings.Contains(r.Name, "kills"):
			if r.Weir != 0 || !strings.Contains(r.Note, " files, ") {
				t.Errorf("%s: %v, %s; want none of some files", r.Name, r.Weir, r.Note)
			}
		case strings.HasPrefix(r.Name, "storms"):
			if r.Weir != float64(quickSizes.seeds) {
				t.Errorf("%s: %v of %d: %s", r.Name, r.Weir, quickSizes.seeds, r.Note)
			}
		case r.Weir <= 0 && !strings.HasPrefix(r.Name, "cost"): // a difference, of little
			t.Errorf("%s: %v", r.Name, r.Weir)
		}
	}
	for _, want := range []string{
		"storm on ext4, index full", "storm on tmpfs, index dirs", "storm on ext4 to durable records, full index",
		"records that are there to durable ones, batches of 1000", "operation to waiting consumer, ext4, 1000 op/s, p99",
		"cost to the workload on ext4, CPU of an operation", "storm on ext4, 10 feeds", "2000 files observed", "SQLite, lives of files",
		"soak of 2s, 2000 files a second", "2 kills on btrfs", "storms on xfs whose replay is the disk",
	} {
		if !rows[want] {
			t.Errorf("%q is not measured", want)
		}
	}
	left, err := os.ReadDir(dir)
	mounts, merr := os.ReadFile("/proc/self/mountinfo")
	if err != nil || merr != nil || len(left) > 0 || strings.Contains(string(mounts), dir) {
		t.Errorf("left behind: %v, %v, %v", left, err, merr)
	}
}

// An agent that does not come up is a row with what it said.
func TestBrokenAgent(t *testing.T) {
	peer.Root(t, "to watch file systems")
	broken := filepath.Join(t.TempDir(), "weir")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho no such command >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := Bench{Plan: bench.Plan{Weir: broken, Dir: t.TempDir(), Quick: true, Only: []string{"latency"}}}
	report, err := b.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("got %v, want the agent's words", err)
	}
	b.Only = []string{"nothing"}
	if _, err := b.Measure(t.Context()); err == nil {
		t.Error("a thing that is none is measured")
	}
}
