// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/peer"
)

// build makes the program under test.
func build(t *testing.T) string {
	t.Helper()
	weir := filepath.Join(t.TempDir(), "weir")
	if out, err := exec.CommandContext(t.Context(), peer.Need(t, "go"), "build", "-o", weir, "../../cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return weir
}

// TestQuick measures a tiny amount of everything with the real program.
func TestQuick(t *testing.T) {
	only := slices.DeleteFunc(Names(), func(name string) bool { return name == "hung" }) // see TestHung
	report, err := Bench{Plan: bench.Plan{Weir: build(t), Dir: t.TempDir(), Quick: true, Only: only}}.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	got := make(map[string]bench.Row)
	for _, r := range report.Rows {
		got[r.Name] = r
	}
	for _, name := range []string{
		"message of 2002", "message of 2002, latency p50", "default set", "default set, latency p50", "processes", "processes, latency p50",
		"/metrics/node, a scrape", "/metrics/node, one in 200ms", "weir top, 20 hosts each second", "weir top, 20 hosts each second, memory",
		"message of 2002, allocations", "resident memory, 10 clients", "growth over 2000 messages",
	} {
		r, ok := got[name]
		if !ok || r.Runs == 0 {
			t.Errorf("%s is not measured: %+v", name, r)
		}
		if free := strings.HasPrefix(name, "growth") || strings.Contains(name, ", one in ") || strings.HasSuffix(name, "allocations"); r.Weir <= 0 && !free {
			t.Errorf("%s: %v", name, r.Weir)
		}
	}
	if note := got["default set"].Note; !strings.Contains(note, " leaves, ") {
		t.Errorf("the default set is said to be %q", note)
	}
}

// node_exporter is made to show what weir does, and costs something as well.
func TestScrape(t *testing.T) {
	b := Bench{Plan: bench.Plan{Weir: build(t), Dir: t.TempDir(), Quick: true, Only: []string{"scrape", "interval"}}, Exporter: peer.Need(t, "prometheus-node-exporter")}
	report, err := b.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for i, note := range []string{"node_exporter: ", "node_exporter "} {
		if r := report.Rows[i]; r.Peer != "node_exporter" || r.Other <= 0 || !strings.Contains(r.Note, note) {
			t.Errorf("got %+v, want a comparison", r)
		}
	}
	if r := report.Rows[0]; r.Ratio <= 0 {
		t.Errorf("got %+v, want a ratio", r)
	}
}

// A mount that never answers is there while it is measured, and gone then.
func TestHung(t *testing.T) {
	peer.Root(t, "to mount a file system")
	dir := t.TempDir()
	report, err := Bench{Plan: bench.Plan{Weir: build(t), Dir: dir, Quick: true, Only: []string{"hung"}}}.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Rows {
		if r.Name == "hung mount, until stale" && (r.Runs != 1 || r.Weir < 0.5) {
			t.Errorf("stale after %v s: that was no file system that hangs", r.Weir)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Error("the mount is still there")
	}
}

// What a page names is what node_exporter is asked for.
func TestCollectors(t *testing.T) {
	page := "# HELP x y\nnode_scrape_collector_success{collector=\"stat\"} 1\nnode_scrape_collector_success{collector=\"cpu\"} 0\nnode_load1 2\n"
	if got := collectors([]byte(page)); !slices.Equal(got, []string{"cpu", "stat"}) {
		t.Errorf("%q", got)
	}
	if n := samples([]byte(page)); n != 3 {
		t.Errorf("%d samples, want 3", n)
	}
}

// A daemon that does not come up is a row with what it said.
func TestBrokenDaemon(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "weir")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho no such command >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := Bench{Plan: bench.Plan{Weir: broken, Dir: t.TempDir(), Quick: true, Only: []string{"message"}}}
	report, err := b.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("got %v, want the daemon's words", err)
	}
	b.Only = []string{"nothing"}
	if _, err := b.Measure(t.Context()); err == nil {
		t.Error("a thing that is none is measured")
	}
}
